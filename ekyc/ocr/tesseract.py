"""Tesseract, in the process by tesserocr where that is installed, else its program by pytesseract.

tesserocr is about three times quicker: the model is loaded once, not for every picture.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shlex
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.settings import settings
from ekyc.ocr import scratch
from ekyc.ocr.base import Gray, Layout, OcrUnavailableError, Reader, Word

LANGUAGE = "vie"
FOR_DIGITS = "eng"
"""The larger English model confuses fewer digits ("3" with a flat top and "5"); used when it is there."""
LINE_GAP = 40
"""Pixels between lines that are put under each other into one picture."""
RESOLUTION = 300
"""Dots per inch that Tesseract is told, so that it does not guess from the size of the letters."""
TIMEOUT_S = 60
_NO_MESSAGES = 6  # L_SEVERITY_NONE
_USUAL_FOLDERS = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
    "/usr/share/tesseract/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)


def tessdata() -> Path | None:
    """The folder with Vietnamese data: EKYC_TESSDATA_DIR, TESSDATA_PREFIX (or its ``tessdata``), the usual ones."""
    named: list[Path] = []
    if (own := settings().ekyc_tessdata_dir) is not None:
        named.append(own)
    if prefix := os.environ.get("TESSDATA_PREFIX"):
        named += [Path(prefix), Path(prefix) / "tessdata"]
    named += [Path(folder) for folder in _USUAL_FOLDERS]
    return next((folder for folder in named if (folder / f"{LANGUAGE}.traineddata").is_file()), None)


class InProcess:
    """Tesseract as a library: one engine for each thread, kept."""

    name = "tesserocr"

    def __init__(self, folder: Path) -> None:
        # One thread for each picture: OpenMP's own threads only take cores from the rest of the service.
        os.environ.setdefault("OMP_THREAD_LIMIT", "1")
        import tesserocr  # noqa: PLC0415 - optional, and it must see the environment set above

        self._library: Any = tesserocr
        self._folder = folder
        self._kept = threading.local()

    def _engine(self, language: str) -> Any:  # noqa: ANN401 - the library publishes no types
        engine = getattr(self._kept, language, None)
        if engine is None:
            engine = self._library.PyTessBaseAPI(path=str(self._folder), lang=language, oem=self._library.OEM.LSTM_ONLY)
            engine.SetVariable("user_defined_dpi", str(RESOLUTION))
            engine.SetVariable("debug_file", os.devnull)
            setattr(self._kept, language, engine)
            _hush(Path(self._library.__file__).parent.parent)  # not before: a new engine asks for messages again
        return engine

    def read_lines(self, lines: Sequence[Gray], *, digits: bool = False) -> list[list[Word]]:
        """The words of each of *lines*."""
        language = _language(self._folder, digits=digits)
        return [self._read(line, Layout.LINE, language) for line in lines]

    def read(self, image: Gray, layout: Layout = Layout.SPARSE) -> list[Word]:
        """The words of *image*."""
        return self._read(image, layout, LANGUAGE)

    def _read(self, image: Gray, layout: Layout, language: str) -> list[Word]:
        engine = self._engine(language)
        height, width = image.shape
        engine.SetPageSegMode(int(layout))
        engine.SetImageBytes(image.tobytes(), width, height, 1, width)
        try:
            engine.Recognize(TIMEOUT_S * 1000)
            words: list[Word] = []
            level = self._library.RIL.WORD
            results = engine.GetIterator()
            if results is None:
                return words
            for item in self._library.iterate_level(results, level):
                if item.Empty(level):
                    continue
                text, box = item.GetUTF8Text(level), item.BoundingBox(level)
                if text and text.strip() and box:
                    words.append(Word(text.strip(), tuple(box), item.Confidence(level) / 100))
            return words
        finally:
            engine.Clear()


def _hush(packages: Path) -> None:
    """Stop Leptonica, which comes with tesserocr, from writing about boxes outside the picture to stderr."""
    for library in packages.glob("tesserocr.libs/liblept*.so*"):
        ctypes.CDLL(str(library)).setMsgSeverity(_NO_MESSAGES)


class Program:
    """Tesseract as a program, started for every picture."""

    name = "pytesseract"

    def __init__(self, folder: Path | None) -> None:
        import pytesseract  # noqa: PLC0415 - optional

        self._library: Any = pytesseract
        self._folder = folder
        self._data = f"--tessdata-dir {shlex.quote(str(folder))} " if folder else ""

    def read_lines(self, lines: Sequence[Gray], *, digits: bool = False) -> list[list[Word]]:
        """The words of each of *lines*: all in one picture, because starting the program costs more than reading."""
        if not lines:
            return []
        width = max(line.shape[1] for line in lines) + 2 * LINE_GAP
        tops: list[int] = []
        at = LINE_GAP
        for line in lines:
            tops.append(at)
            at += line.shape[0] + LINE_GAP
        page = np.full((at, width), 250, np.uint8)
        for top, line in zip(tops, lines, strict=True):
            page[top : top + line.shape[0], LINE_GAP : LINE_GAP + line.shape[1]] = line
        read: list[list[Word]] = [[] for _ in lines]
        for word in self._read(page, Layout.BLOCK, _language(self._folder, digits=digits)):
            nearest = min(range(len(lines)), key=lambda n: abs(tops[n] + lines[n].shape[0] / 2 - word.middle))
            left, upper, right, lower = word.box
            across, down = LINE_GAP, tops[nearest]
            read[nearest].append(replace(word, box=(left - across, upper - down, right - across, lower - down)))
        return read

    def read(self, image: Gray, layout: Layout = Layout.SPARSE) -> list[Word]:
        """The words of *image*. Errors: OcrUnavailableError (the program or its Vietnamese data are missing)."""
        return self._read(image, layout, LANGUAGE)

    def _read(self, image: Gray, layout: Layout, language: str) -> list[Word]:
        options = f"{self._data}--psm {int(layout)} --oem 1 --dpi {RESOLUTION}"
        os.environ.setdefault("OMP_THREAD_LIMIT", "1")
        with scratch.private() as folder:
            picture = folder / "view.png"
            # The file is written here: the library would write it to the system's folder for temporary files.
            picture.write_bytes(cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())
            base = folder / "words"
            try:
                self._library.pytesseract.run_tesseract(
                    str(picture),
                    str(base),
                    extension="tsv",
                    lang=language,
                    config=f"{options} -c tessedit_create_tsv=1",
                    nice=0,
                    timeout=TIMEOUT_S,
                )
            except self._library.TesseractNotFoundError as error:
                raise OcrUnavailableError(MISSING) from error
            except self._library.TesseractError as error:
                raise OcrUnavailableError(f"tesseract failed: {error}. {MISSING}") from error
            return _rows(base.with_suffix(".tsv").read_text(encoding="utf-8"))


def _language(folder: Path | None, *, digits: bool) -> str:
    there = digits and folder is not None and (folder / f"{FOR_DIGITS}.traineddata").is_file()
    return FOR_DIGITS if there else LANGUAGE


def _rows(table: str) -> list[Word]:
    """Words of Tesseract's own table: level, page, block, paragraph, line, word, left, top, width, height, conf, text."""
    words = []
    for row in table.splitlines()[1:]:
        cells = row.split("\t")
        if len(cells) == 12 and cells[0] == "5" and cells[11].strip():
            left, top, width, height = (int(cell) for cell in cells[6:10])
            box = (left, top, left + width, top + height)
            words.append(Word(cells[11].strip(), box, max(0.0, float(cells[10]) / 100)))
    return words


MISSING = (
    "Cards cannot be read: install tesserocr (pip) with Vietnamese data (Debian: tesseract-ocr-vie, or name its folder in "
    "EKYC_TESSDATA_DIR), or pytesseract (pip) with the program tesseract (Debian: tesseract-ocr, tesseract-ocr-vie)"
)


def reader() -> Reader:
    """The reader of this installation (setting EKYC_OCR), made once a process. Errors: OcrUnavailableError."""
    return _reader(settings().ekyc_ocr, tessdata())


@lru_cache(maxsize=4)
def _reader(wanted: str, folder: Path | None) -> Reader:
    if wanted in ("auto", "tesserocr") and folder is not None and importlib.util.find_spec("tesserocr"):
        return InProcess(folder)
    if wanted in ("auto", "pytesseract") and importlib.util.find_spec("pytesseract") and shutil.which("tesseract"):
        return Program(folder)
    raise OcrUnavailableError(MISSING if wanted == "auto" else f"EKYC_OCR={wanted}, but that is not usable. {MISSING}")
