"""AsterOCR's network as a second reader of single lines, run by onnxruntime.

The package's own pipeline looks for models on the network when its file is missing and reports no probabilities; so only its
network and alphabet are used. Input: a line 32 pixels high, RGB, -1 to 1; output: CTC log probabilities, blank is 0.
"""

from __future__ import annotations

import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ekyc.ocr.base import Gray

HEIGHT = 32
LONGEST = 1024
"""Pixels: the network knows 256 places of 4 pixels. A longer line is squeezed."""


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

    def read_line(self, image: Gray) -> tuple[str, float]:
        """The text of a single line and the least certain letter's probability (0 for an empty text)."""
        height, width = image.shape
        wide = min(LONGEST, max(32, -(-round(width * HEIGHT / height) // 4) * 4))
        how = cv2.INTER_AREA if height > HEIGHT else cv2.INTER_LINEAR
        line = cv2.resize(image, (wide, HEIGHT), interpolation=how).astype(np.float32) / 127.5 - 1
        batch = np.repeat(line[None, None], 3, axis=1)
        scores = np.asarray(self._session.run(None, {self._input: batch})[0], dtype=np.float32)
        scores = scores[:, 0] if scores.shape[1] == 1 else scores[0]
        best = scores.argmax(1)
        certain = np.exp(scores.max(1) - np.logaddexp.reduce(scores, axis=1))
        text: list[str] = []
        sure: list[float] = []
        before = 0
        for letter, probability in zip(best.tolist(), certain.tolist(), strict=True):
            if letter not in (0, before):
                text.append(self._letters[letter])
                sure.append(probability)
            elif letter == before and letter != 0 and sure:
                sure[-1] = max(sure[-1], probability)
            before = letter
        return "".join(text), min(sure, default=0.0)


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
