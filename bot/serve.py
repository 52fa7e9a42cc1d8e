"""Serve the engine on loopback: ``python -m bot.serve --data-dir DIR --model FILE --port N`` in the engine's environment.

Wants in the environment, never on the command line, where every user of the machine could read them:
``SOTAY_ENGINE_SECRET`` (both directions), ``SOTAY_ACTIONS_URL``, ``RASA_TRACKER_URL``.

Two replacements in the engine, both only for speed (an action turn took 34 ms, of which 25 ms went here):

- the schema of an action's answer is compiled once; the engine compiles it anew for every answer (20 ms);
- calls of actions keep their connection; the engine opens a session and a connection for each (5 ms). They also
  carry only the events since the member's last message: the actions read nothing older.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from bot.model import ROOT
from bot.quiet import prepare

REQUIRED = ("SOTAY_ENGINE_SECRET", "SOTAY_ACTIONS_URL", "RASA_TRACKER_URL")
HOST = "127.0.0.1"


def serve(model: Path, port: int) -> None:
    """Run until SIGTERM or SIGINT. ``prepare`` must have been called."""
    import rasa.core.run
    from rasa.core.utils import AvailableEndpoints
    from rasa.utils.common import configure_logging_and_warnings
    from rasa.utils.log_utils import configure_structlog

    from bot.engine_speed import KeptEndpoint, compile_action_schema

    configure_logging_and_warnings()
    configure_structlog()
    compile_action_schema()
    endpoints = AvailableEndpoints.read_endpoints(str(ROOT / "endpoints.yml"))
    endpoints.action = KeptEndpoint.like(endpoints.action)

    async def close(_app: Any, _loop: Any) -> None:
        await endpoints.action.close()

    rasa.core.run.serve_application(
        str(model),
        interface=HOST,
        port=port,
        credentials=str(ROOT / "credentials.yml"),
        endpoints=endpoints,
        enable_api=False,
        server_listeners=[(close, "after_server_stop")],
    )


def main() -> int:
    """The command line; returns the exit code (2: something is missing)."""
    parser = argparse.ArgumentParser(description="Serve the dialogue engine on loopback.")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    missing = [name for name in REQUIRED if not os.environ.get(name)]
    if missing:
        print(f"error: not set: {', '.join(missing)}", file=sys.stderr)
        return 2
    if not arguments.model.is_file():
        print(f"error: no model at {arguments.model}: run bot.train first", file=sys.stderr)
        return 2
    prepare(arguments.data_dir.resolve())
    serve(arguments.model.resolve(), arguments.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
