"""Whom the register shows for what was read from a card. The work is the same whatever is found, and nobody is told.

Found by the keyed hash of the number; by that of folded name and date of birth when the number leads nowhere. Only all three
together are a match: number exact, name without accents ``NAME_LIKE`` alike (letters that the print or the reader got wrong),
date of birth exact. Everything else that the card says is compared, too: what contradicts the register goes to a person.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import crypto
from members import particulars
from members.accounts import account_of_member
from members.models import Member
from members.names import name_key
from members.particulars import SEAL_CONTEXT, Private
from members.sign_up_models import SignUp
from members.signup import record

NAME_LIKE = 0.85
HOME_LIKE = 0.5
"""Below, two home towns are different places. Units were merged and renamed many times, and the register abbreviates."""

Register = Literal["match", "unknown", "differs", "ambiguous"]


@dataclass(frozen=True)
class Found:
    """What the register says to a card. ``member``: whose card it seems to be (None: nobody, or several).

    ``contradictions``: fields beyond the deciding ones in which card and register differ. ``already_used``: the member has an
    account.
    """

    state: Register
    member: Member | None = None
    contradictions: tuple[str, ...] = ()
    already_used: bool = False


def look_up(session: Session, fields: Mapping[str, str | None]) -> Found:
    """The member for the *fields* of a card (``ekyc.results.FIELDS``)."""
    name, born = fields.get("full_name") or "", _date(fields.get("date_of_birth"))
    read = Private(card_number=particulars.card_number(fields.get("card_number") or ""), date_of_birth=born)
    nothing = crypto.lookup_hash("", purpose="card")  # found nowhere: the same query for whoever has no number
    by_number = session.scalars(
        select(Member).where(Member.card_hash == (particulars.card_hash(read) or nothing)).limit(2)
    ).all()
    by_person = session.scalars(
        select(Member).where(Member.person_hash == (particulars.person_hash(name, read) or nothing)).limit(2)
    ).all()
    holder = by_number[0] if by_number else None
    others = [member for member in by_person if member is not holder]
    candidate = holder or (others[0] if len(others) == 1 else None)
    kept = _private(session, candidate)
    account = account_of_member(session, candidate.id if candidate else uuid.uuid4())
    same = bool(
        holder
        and same_name(name, holder.name)
        and born is not None
        and kept.date_of_birth == born
        and kept.card_number == read.card_number
    )
    contradictions = tuple(_contradictions(fields, kept)) if candidate is not None else ()
    state: Register = "match" if same else "differs" if candidate else "ambiguous" if others else "unknown"
    if holder is not None and not same and others:  # the number of one person with name and date of birth of another
        return Found("ambiguous")
    return Found(state, candidate, contradictions, already_used=account is not None)


def connect(session: Session, sign_up: SignUp, found: Found) -> None:
    """Note on the (locked) sign-up whom the register shows: decides who reviews it.

    The member is locked first: of two sign-ups with one card at the same moment the second one waits here.
    """
    if found.member is not None:
        session.execute(select(Member.id).where(Member.id == found.member.id).with_for_update())
    sign_up.member_id = found.member.id if found.member else None
    sign_up.unit_id = found.member.unit_id if found.member else None
    sign_up.already_used = found.already_used
    record.change(session, sign_up, register=found.state)


def same_name(read: str, kept: str) -> bool:
    """Whether two names are alike without accents and letter case."""
    first, second = name_key(read), name_key(kept)
    return bool(first) and Levenshtein.normalized_similarity(first, second) >= NAME_LIKE


def _private(session: Session, member: Member | None) -> Private:
    """The sealed values; for nobody an empty record, after a query for a key like any other."""
    keys = crypto.keys_of(session, [member.id if member else uuid.uuid4()])
    if member is None or member.id not in keys:
        return Private()
    return Private.from_bytes(crypto.unseal_with(keys[member.id], member.sealed, context=SEAL_CONTEXT))


def _contradictions(fields: Mapping[str, str | None], kept: Private) -> Iterator[str]:
    for name in ("joined_on", "official_on"):
        read, known = _date(fields.get(name)), getattr(kept, name)
        if read is not None and known is not None and read != known:
            yield name
    read_home, kept_home = name_key(fields.get("home_town") or ""), name_key(kept.home_town or "")
    if read_home and kept_home and fuzz.token_set_ratio(read_home, kept_home) / 100 < HOME_LIKE:
        yield "home_town"


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None
