"""Anchors of the audit log: how long the chain was and its last hash, kept outside the database.

Whoever can write to the database could cut the end of the chain off, or compute a new chain; the anchors
(``audit-anchors.jsonl`` beside the keys) show it. Added by every good verification (by command and nightly) and every
backup. The same file keeps when a verification failed, and where a restore went back to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from core import audit, clock, ledger
from core.clock import VIETNAM

FILE = "audit-anchors.jsonl"
Kind = Literal["verified", "backup", "restored", "fault"]


@dataclass(frozen=True)
class Anchor:
    """A line of the file. *head* is the hash of entry number *entries*; of a fault: of the last sound entry."""

    at: datetime
    kind: Kind
    entries: int
    head: bytes
    fault: audit.Fault | None = None


@dataclass(frozen=True)
class Check:
    """What a verification against the anchors found."""

    entries: int
    head: bytes
    anchors: int
    """How many anchors were compared."""
    fault: audit.Fault | None


def read() -> list[Anchor]:
    """All anchors, oldest first. Errors: LedgerError."""
    found = []
    for number, line in enumerate(ledger.entries(FILE), 1):
        try:
            fault = audit.Fault(line["fault"]["id"], line["fault"]["reason"]) if line.get("fault") else None
            found.append(
                Anchor(
                    datetime.fromisoformat(line["at"]),
                    line["kind"],
                    int(line["entries"]),
                    bytes.fromhex(line["head"]),
                    fault,
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ledger.LedgerError(f"{FILE}, line {number} is damaged") from error
    return found


def in_force(anchors: list[Anchor]) -> dict[int, bytes]:
    """Number of entries → hash that the chain must have there. A restore outdates what lies behind it."""
    kept: dict[int, bytes] = {}
    for anchor in anchors:
        if anchor.kind == "fault":
            continue
        if anchor.kind == "restored":
            kept = {entries: head for entries, head in kept.items() if entries < anchor.entries}
        kept.setdefault(anchor.entries, anchor.head)
    kept.pop(0, None)
    return kept


def add(kind: Kind, entries: int, head: bytes, fault: audit.Fault | None = None) -> None:
    """Append an anchor."""
    line = {"at": clock.now().isoformat(), "kind": kind, "entries": entries, "head": head.hex()}
    ledger.append(FILE, line | ({"fault": {"id": fault.id, "reason": fault.reason}} if fault else {}))


def check(session: Session) -> Check:
    """Verify the whole chain, and compare it with the anchors. Errors: LedgerError."""
    expected = in_force(read())
    verified = audit.verify(session, anchors=expected)
    return Check(verified.entries, verified.head, len(expected), verified.fault)


def check_and_note(session: Session, kind: Kind = "verified") -> Check:
    """``check``, and note what it found: an anchor, or the fault. The same result is noted once a day."""
    found = check(session)
    noted: Kind = "fault" if found.fault else kind
    anchors = read()
    last = anchors[-1] if anchors else None
    today = clock.today()
    if (
        last is None
        or (last.kind, last.entries, last.head, last.fault) != (noted, found.entries, found.head, found.fault)
        or last.at.astimezone(VIETNAM).date() != today
    ):
        add(noted, found.entries, found.head, found.fault)
    return found


def last_check() -> Anchor | None:
    """The last verification that was noted. Errors: LedgerError."""
    checks = [anchor for anchor in read() if anchor.kind != "restored"]
    return checks[-1] if checks else None
