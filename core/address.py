"""How members are addressed ("đồng chí", by setting), for every room that words something for them."""

from __future__ import annotations

from core.settings import settings


def you(*, start: bool = False) -> str:
    """How the member is addressed; *start*: at the start of a sentence."""
    address = settings().address.strip()
    first = address[:1].upper() if start else address[:1].lower()
    return first + address[1:]
