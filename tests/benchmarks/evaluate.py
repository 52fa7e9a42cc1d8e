"""Quality at full size: ``python -m tests.benchmarks.evaluate [PART…]``.

Parts: retrieval, peers, abstention, answers (these need SOTAY_MATERIAL), demo, intents. Every part writes ``PART.json``
into ``--out`` and prints its table. Data folders are made by the product's own commands and kept in ``--cache``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks import evaluate_abstention, evaluate_answers, evaluate_peers, evaluate_retrieval, store
from tests.benchmarks.report import OUT
from tests.benchmarks.store import CACHE

WITH_MATERIAL: dict[str, Callable[[Path, Path, Path], None]] = {
    "retrieval": evaluate_retrieval.retrieval,
    "peers": evaluate_peers.peers,
    "abstention": evaluate_abstention.abstention,
    "answers": evaluate_answers.answers_marked_by_hand,
}
"""Called with the folder for results, the kept one and the material."""
WITHOUT: dict[str, Callable[[Path, Path], None]] = {
    "demo": evaluate_answers.demo,
    "intents": evaluate_answers.intents,
}
"""Called with the folder for results and the kept one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Measure the quality of search, abstention, answers and intents.")
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join([*WITH_MATERIAL, *WITHOUT])} (default: all)"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="folder of data folders and vectors, kept between runs"
    )
    given = parser.parse_args(arguments)
    unknown = [part for part in given.parts if part not in (*WITH_MATERIAL, *WITHOUT)]
    if unknown:
        parser.error(f"unknown part: {', '.join(unknown)}")
    out, cache, source = given.out.resolve(), given.cache.resolve(), store.material()
    if source is None:
        message = (
            "SOTAY_MATERIAL does not name the folder of evaluation data: only the parts on the demo documents run."
        )
        print(message, file=sys.stderr, flush=True)
    for part in (*WITH_MATERIAL, *WITHOUT):
        if part not in (given.parts or (*WITH_MATERIAL, *WITHOUT)):
            continue
        print(f"== {part}", file=sys.stderr, flush=True)
        if part in WITHOUT:
            WITHOUT[part](out, cache)
        elif source is not None:
            WITH_MATERIAL[part](out, cache, source)
        else:
            continue
        store.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main())
