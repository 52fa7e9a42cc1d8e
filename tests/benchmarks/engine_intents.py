"""The trained engine's intents, in its own environment: ``python -m tests.benchmarks.engine_intents --data-dir DIR``.

Trains first when the engine's files have changed. Prints as the last line ``{"heldout": [intent, …], "junk": [intent, …]}``
in the order of the files in ``tests/data``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from bot.model import ROOT, model_path
from bot.quiet import prepare
from bot.train import train


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Parse the held-out and the junk messages.")
    parser.add_argument("--data-dir", type=Path, required=True)
    data_dir = parser.parse_args().data_dir.resolve()
    prepare(data_dir)
    train(data_dir)

    from rasa.core.agent import Agent  # type: ignore[import-not-found,unused-ignore]  # the engine's environment has it

    agent = Agent.load(str(model_path(data_dir)))

    def intent(text: str) -> str:
        parsed = asyncio.run(agent.parse_message(text))
        return str(parsed["intent"]["name"])

    found: dict[str, list[str]] = {}
    for name, file in (("heldout", "intents_heldout.jsonl"), ("junk", "junk.jsonl")):
        lines = (ROOT / "tests" / "data" / file).read_text(encoding="utf-8").splitlines()
        found[name] = [intent(json.loads(line)["text"].strip().lstrip("/")) for line in lines]
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
