"""Speed at full size: ``python -m tests.benchmarks.bench [PART…]``; parts: search, embedding, restart, turns, units, sign_in,
members, permissions, peer, ekyc, faces, challenge.

Every part writes ``PART.json`` into ``--out`` and prints its table. All data is temporary (``--work``, default a new
folder) or kept in ``--cache``; the installation's own data folder is not touched. Loopback only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks import (
    bench_challenge,
    bench_chat,
    bench_ekyc,
    bench_faces,
    bench_members,
    bench_peer,
    bench_permissions,
    bench_search,
    bench_sign_in,
    bench_units,
)
from tests.benchmarks.report import OUT
from tests.benchmarks.store import CACHE

Part = Callable[[Path, Path, Path], None]
"""Called with the folder for results, the kept one and the temporary one."""

PARTS: dict[str, Part] = {
    "search": bench_search.search,
    "embedding": bench_search.embedding,
    "restart": bench_chat.restart,
    "turns": bench_chat.turns,
    "units": bench_units.tree,
    "sign_in": bench_sign_in.sign_in,
    "peer": bench_peer.peer,
    "members": bench_members.members,
    "permissions": bench_permissions.permissions,
    "challenge": bench_challenge.measure,
    "ekyc": bench_ekyc.ekyc,
    "faces": bench_faces.impostors,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Measure speed at full size.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of what is kept between runs (vectors)")
    parser.add_argument("--work", type=Path, help="folder of temporary data folders (default: a new one, removed)")
    given = parser.parse_args(arguments)
    unknown = [part for part in given.parts if part not in PARTS]
    if unknown:
        parser.error(f"unknown part: {', '.join(unknown)}")
    with tempfile.TemporaryDirectory(prefix="sotay-bench-", ignore_cleanup_errors=True) as temporary:
        work = (given.work or Path(temporary)).resolve()
        for part, measure in PARTS.items():
            if part in (given.parts or PARTS):
                print(f"== {part}", file=sys.stderr, flush=True)
                measure(given.out.resolve(), given.cache.resolve(), work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
