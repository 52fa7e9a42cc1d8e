"""Train the engine: ``python -m bot.train --data-dir DIR`` in the engine's environment, in the installation's folder.

Does nothing when the model for the present files exists. The model appears under its name only when it is complete;
models of earlier files are removed. Prints its path as the last line. Exit code 1 and one line when training fails.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bot.model import ROOT, model_path, models_folder
from bot.quiet import prepare


class TrainingFailedError(Exception):
    """The engine could not make a model; its own messages stand above on standard error."""


def train(data_dir: Path) -> Path:
    """The path of the model for the present files, trained first if it does not exist. Errors: TrainingFailedError."""
    target = model_path(data_dir)
    if target.exists():
        return target
    folder = models_folder(data_dir)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    prepare(data_dir)
    print("Training the dialogue engine (about half a minute) ...", file=sys.stderr, flush=True)
    started = time.monotonic()

    from rasa.model_training import train as rasa_train  # slow: only when a training is due

    with tempfile.TemporaryDirectory(dir=folder, prefix=".training-") as draft:
        result = rasa_train(
            domain=str(ROOT / "domain.yml"),
            config=str(ROOT / "config.yml"),
            training_files=[str(ROOT / "bot" / "data")],
            output=draft,
            fixed_model_name="model",
            force_training=True,
        )
        if result.code != 0 or result.model is None:
            raise TrainingFailedError(f"training ended with code {result.code}")
        Path(result.model).replace(target)
    for old in folder.glob("*.tar.gz"):
        if old != target:
            old.unlink(missing_ok=True)
    print(f"Trained in {time.monotonic() - started:.0f} s.", file=sys.stderr, flush=True)
    return target


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Train the dialogue engine if its files changed.")
    parser.add_argument("--data-dir", type=Path, required=True)
    try:
        model = train(parser.parse_args().data_dir.resolve())
    except TrainingFailedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(model)
    return 0


if __name__ == "__main__":
    sys.exit(main())
