"""The fonts of drawn cards: files of the font packages that are installed and cover Vietnamese."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

FAMILIES: dict[str, dict[str, str]] = {
    "roboto": {"regular": "Roboto-Regular", "medium": "Roboto-Medium", "bold": "Roboto-Bold"},
    "manrope": {"regular": "Manrope-Regular", "medium": "Manrope-SemiBold", "bold": "Manrope-Bold"},
    "source_sans_pro": {
        "regular": "SourceSansPro-Regular",
        "medium": "SourceSansPro-Semibold",
        "bold": "SourceSansPro-Bold",
    },
    "source_serif_pro": {
        "regular": "SourceSerifPro-Regular",
        "medium": "SourceSerifPro-Semibold",
        "bold": "SourceSerifPro-Bold",
    },
}
"""Family → weight → file; the package is ``font_`` and the family."""


class FontMissingError(RuntimeError):
    """A font package is not installed."""


@dataclass(frozen=True)
class Font:
    """One family; sizes in pixels."""

    family: str

    def at(self, size: float, weight: str = "regular") -> ImageFont.FreeTypeFont:
        """The face for *weight* (regular, medium, bold)."""
        return _load(self.family, weight, round(size))


@lru_cache(maxsize=512)
def _load(family: str, weight: str, size: int) -> ImageFont.FreeTypeFont:
    spec = importlib.util.find_spec(f"font_{family}")
    if spec is None or spec.origin is None:
        raise FontMissingError(f"the package font-{family.replace('_', '-')} is not installed")
    path = Path(spec.origin).parent / "files" / f"{FAMILIES[family][weight]}.ttf"
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
