"""AsterOCR's network as a second reader of single lines, run by onnxruntime.

The package's own pipeline looks for models on the network when its file is missing and reports no probabilities; so only its
network and alphabet are used. Input: a line 32 pixels high, RGB, -1 to 1; output: CTC log probabilities, blank is 0.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ekyc.ocr.base import Gray

HEIGHT = 32
LONGEST = 1024
"""Pixels: the network knows 256 places of 4 pixels. A longer line is squeezed."""
LETTERS, LEAST = 5, 0.003
"""Letters that are looked at in one place, and how likely one must be."""


class Spelt(NamedTuple):
    """A word: its text, the least certain letter's probability, and the probability of each word that differs in one letter."""

    text: str
    confidence: float
    others: Mapping[str, float]


class LineReader:
    """Reads one line at a time. Safe to share between threads."""

    name = "asterocr"

    def __init__(self, folder: Path) -> None:
        import onnxruntime  # noqa: PLC0415 - only where a second opinion is wanted

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            str(folder / "asternet.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        self._letters: list[str] = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))["chars"]

    def read_line(self, image: Gray) -> list[Spelt]:
        """The words of a single line, letter by letter."""
        height, width = image.shape
        wide = min(LONGEST, max(32, -(-round(width * HEIGHT / height) // 4) * 4))
        how = cv2.INTER_AREA if height > HEIGHT else cv2.INTER_LINEAR
        line = cv2.resize(image, (wide, HEIGHT), interpolation=how).astype(np.float32) / 127.5 - 1
        batch = np.repeat(line[None, None], 3, axis=1)
        scores = np.asarray(self._session.run(None, {self._input: batch})[0], dtype=np.float32)
        scores = scores[:, 0] if scores.shape[1] == 1 else scores[0]
        shares = np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))
        best = shares.argmax(1)
        places: list[int] = []  # of the 4 pixels in which each letter is clearest
        before = 0
        for place, letter in enumerate(best.tolist()):
            if letter not in (0, before):
                places.append(place)
            elif letter == before and letter != 0 and places and shares[place, letter] > shares[places[-1], letter]:
                places[-1] = place
            before = letter
        letters = [self._likely(shares[place]) for place in places]
        words, word = [], []
        for letter in [*letters, {" ": 1.0}]:
            if next(iter(letter)) != " ":
                word.append(letter)
            elif word:
                words.append(_spelt(word))
                word = []
        return words

    def _likely(self, shares: NDArray[np.float32]) -> dict[str, float]:
        """The likeliest letters of one place with their probabilities, the first first."""
        order = np.argsort(-shares)[:LETTERS].tolist()
        return {self._letters[letter]: float(shares[letter]) for letter in order if letter}


def _spelt(letters: Sequence[Mapping[str, float]]) -> Spelt:
    first = [next(iter(letter.items())) for letter in letters]
    text = "".join(letter for letter, _ in first)
    sure = min(share for _, share in first)
    others = {
        text[:place] + other + text[place + 1 :]: sure * share / first[place][1]
        for place, letter in enumerate(letters)
        for other, share in letter.items()
        if other not in (text[place], " ") and share > LEAST
    }
    return Spelt(text, sure, others)


@lru_cache(maxsize=1)
def line_reader() -> LineReader | None:
    """The second reader, loaded once a process; None where its package is not installed."""
    found = importlib.util.find_spec("asterocr")
    if found is None or not found.submodule_search_locations or not importlib.util.find_spec("onnxruntime"):
        return None
    folder = Path(found.submodule_search_locations[0]) / "assets"
    if not (folder / "asternet.onnx").is_file():
        return None
    return LineReader(folder)
