"""Run a module that ends when its parent ends, however the parent ends (also by SIGKILL).

``python -m core.lifeline DESCRIPTOR MODULE ARGUMENT…``: the descriptor is the reading end of a pipe whose writing end
only the parent holds; the kernel closes it with the parent. Standard library only, for Python 3.10 too: the engine's
environment uses it.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

PATIENCE_SECONDS = 10
"""From the request to end (SIGTERM) until the process is ended without asking."""


def watch(descriptor: int) -> None:
    """Wait in a thread for the end of the parent, then end this process."""
    os.set_inheritable(descriptor, False)
    threading.Thread(target=_wait, args=(descriptor,), name="lifeline", daemon=True).start()


def _wait(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Watch the parent and become the module."""
    if len(sys.argv) < 3 or not sys.argv[1].isdigit():
        sys.exit("usage: python -m core.lifeline DESCRIPTOR MODULE [ARGUMENT…]")
    watch(int(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
