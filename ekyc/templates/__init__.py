"""What a design of the card prints: labels with their variants, the pattern of the number, the order of dates.

One TOML file a design: those of this folder, and all of EKYC_TEMPLATES_DIR (a file of the same name there replaces ours).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.settings import settings
from core.text import fold
from ekyc.results import FIELDS

OTHER = "-"
"""The field of a label that only ends the value before it."""
_NOT_LETTERS = re.compile(r"[\W_]+")


class TemplateError(ValueError):
    """A template cannot be used. The message names the file and what is wrong, for the administrator."""


@dataclass(frozen=True)
class Template:
    """One design. ``labels``: label without accents, spaces and punctuation → its field (``OTHER``: none of ours).

    ``order``: those fields that it prints one after the other, down the card and along each line.
    """

    name: str
    labels: Mapping[str, str]
    number: re.Pattern[str]
    dates: str = "dmy"
    order: tuple[str, ...] = ()


def plain(text: str) -> str:
    """*text* as labels are compared: no accents, lower case, letters and digits only."""
    return _NOT_LETTERS.sub("", fold(text))


def templates() -> tuple[Template, ...]:
    """All designs of this installation, by file name. Errors: TemplateError."""
    return _templates(settings().ekyc_templates_dir)


@lru_cache(maxsize=4)
def _templates(own: Path | None) -> tuple[Template, ...]:
    files = {path.name: path for path in Path(__file__).parent.glob("*.toml")}
    if own is not None:
        if not own.is_dir():
            raise TemplateError(f"EKYC_TEMPLATES_DIR: {own} is not a folder")
        files |= {path.name: path for path in own.glob("*.toml")}
    # The design in use comes first: of two that fit a card equally well, the first is taken.
    order = sorted(files, key=lambda name: (name != "membership_old.toml", name))
    return tuple(read(files[name]) for name in order)


def read(path: Path) -> Template:
    """The template in the file *path*. Errors: TemplateError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TemplateError(f"{path.name}: {error}") from error
    written = content.get("labels")
    if not isinstance(written, dict) or set(written) != set(FIELDS):
        raise TemplateError(f"{path.name}: [labels] must name exactly {', '.join(FIELDS)}")
    others = content.get("others", {})
    labels: dict[str, str] = {}
    for field, variants in (*written.items(), (OTHER, others.get("labels", []) if isinstance(others, dict) else None)):
        if not isinstance(variants, list) or not all(isinstance(text, str) and plain(text) for text in variants):
            raise TemplateError(f"{path.name}: the labels of {field} must be a list of texts")
        for text in variants:
            if labels.setdefault(plain(text), field) != field:
                raise TemplateError(f"{path.name}: {text!r} labels two fields")
    dates = content.get("dates", "dmy")
    if not isinstance(dates, str) or sorted(dates) != ["d", "m", "y"]:
        raise TemplateError(f"{path.name}: dates must be an order of d, m and y")
    try:
        number = re.compile(str(content["number"]))
    except (KeyError, re.error) as error:
        raise TemplateError(f"{path.name}: number must be a pattern of digits ({error})") from error
    order = content.get("order", [])
    if not isinstance(order, list) or not all(name in FIELDS for name in order) or len(set(order)) != len(order):
        raise TemplateError(f"{path.name}: order must list fields, each once")
    return Template(str(content.get("name", path.stem)), labels, number, dates, tuple(order))
