"""Readers of printed Vietnamese text: Tesseract first, AsterOCR as the second opinion."""

from __future__ import annotations

from ekyc.ocr.aster import LineReader, line_reader
from ekyc.ocr.base import Box, Gray, Layout, OcrUnavailableError, Reader, Word
from ekyc.ocr.tesseract import reader

__all__ = ["Box", "Gray", "Layout", "LineReader", "OcrUnavailableError", "Reader", "Word", "line_reader", "reader"]
