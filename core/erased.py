"""Who was erased, kept outside the database (``erased.jsonl`` beside the keys) so that no restored backup brings them back.

A line holds the id that the person had, which leads nowhere any more, the receipt, and the moment.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from core import clock, ledger

FILE = "erased.jsonl"


@dataclass(frozen=True)
class Erased:
    """One erasure."""

    subject: uuid.UUID
    receipt: str
    erased_at: datetime


def remember(subject: uuid.UUID, receipt: str) -> None:
    """Note that *subject* was erased. The caller's work is committed; noting it twice does no harm."""
    line = {"subject": str(subject), "receipt": receipt, "erased_at": clock.now().isoformat()}
    ledger.append(FILE, line)


def remembered() -> list[Erased]:
    """Everybody who was erased, once each, oldest first. Errors: LedgerError."""
    found: dict[uuid.UUID, Erased] = {}
    for number, line in enumerate(ledger.entries(FILE), 1):
        try:
            erased = Erased(uuid.UUID(line["subject"]), str(line["receipt"]), datetime.fromisoformat(line["erased_at"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ledger.LedgerError(f"{FILE}, line {number} is damaged") from error
        found.setdefault(erased.subject, erased)
    return list(found.values())
