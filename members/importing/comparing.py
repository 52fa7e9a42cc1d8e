"""People of a file against the register: who is new, whose record changes, and what contradicts it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import ARRAY, LargeBinary, any_, literal, select
from sqlalchemy.orm import Session

from core import crypto
from members import particulars
from members.importing.rows import Person, Rows, status_of
from members.models import Member
from members.particulars import OFFICIAL, SEAL_CONTEXT, Private

BATCH = 5000
"""People who are compared in one round of queries."""


@dataclass(frozen=True, slots=True)
class Known:
    """A record of the register that a row concerns."""

    id: uuid.UUID
    name: str
    name_key: str
    unit_id: int
    position: str | None
    status: str
    exempt: bool
    version: int
    key: bytes
    private: Private


@dataclass(frozen=True, slots=True)
class Plan:
    """What a good row does to the register. ``before`` None: a new person; equal to the rest: nothing."""

    row: int
    name: str
    unit_id: int
    position: str | None
    status: str
    exempt: bool
    private: Private
    before: Known | None

    @property
    def changes(self) -> bool:
        """Whether the register is different afterwards."""
        old = self.before
        return old is None or (self.name, self.unit_id, self.position, self.status, self.exempt, self.private) != (
            old.name,
            old.unit_id,
            old.position,
            old.status,
            old.exempt,
            old.private,
        )


class Comparison:
    """Compares people batch by batch; problems go to *rows*."""

    def __init__(
        self, session: Session, rows: Rows, *, within: set[int], knows_official: bool, marks_exempt: bool, today: date
    ) -> None:
        self._session, self._rows, self._within, self._today = session, rows, within, today
        self._knows_official, self._marks_exempt = knows_official, marks_exempt
        self._empty = session.execute(select(Member.id).limit(1)).first() is None
        self._taken: dict[uuid.UUID, int] = {}

    def plans(self, people: Sequence[Person]) -> Iterator[Plan]:
        """What the good rows among *people* do."""
        found = [] if self._empty else self._candidates(people)
        by_card = {row.card_hash: row for row in found if row.card_hash}
        by_citizen = _grouped(found, "citizen_hash")
        by_person = _grouped(found, "person_hash")
        matches: dict[int, Any] = {}
        for person in people:
            match = self._match(person, by_card, by_citizen, by_person)
            if match is not None:
                matches[person.row] = match
        keys = crypto.keys_of(self._session, [match.id for match in matches.values()]) if matches else {}
        for person in people:
            match = matches.get(person.row)
            plan = self._plan(person, _known(match, keys) if match is not None else None)
            if plan is not None:
                yield plan

    def _candidates(self, people: Sequence[Person]) -> list[Any]:
        columns: tuple[Any, ...] = (
            Member.id, Member.name, Member.name_key, Member.unit_id, Member.position, Member.status, Member.exempt,
            Member.version, Member.sealed, Member.card_hash, Member.citizen_hash, Member.person_hash,
        )  # fmt: skip
        found: dict[uuid.UUID, Any] = {}
        for column in (Member.card_hash, Member.citizen_hash, Member.person_hash):
            wanted = [value for person in people if (value := getattr(person, column.key)) is not None]
            if wanted:
                for row in self._session.execute(
                    select(*columns).where(column == any_(literal(wanted, ARRAY(LargeBinary))))
                ):
                    found[row.id] = row
        return list(found.values())

    def _match(
        self,
        person: Person,
        by_card: dict[bytes, Any],
        by_citizen: dict[bytes, list[Any]],
        by_person: dict[bytes, list[Any]],
    ) -> Any:  # noqa: ANN401 - a row of the candidates' query
        """The record that *person* is, None for nobody; contradictions are noted."""
        same = by_person.get(person.person_hash or b"", [])
        match = by_card.get(person.card_hash or b"")
        if match is not None:
            if person.name and match.name_key != person.name_key:
                self._rows.say_of(
                    person, "card_number", "card_of_another_person", "Trong sổ, số thẻ này là của người có họ tên khác."
                )
                match = None
            elif match.unit_id not in self._within:
                self._rows.say_of(
                    person, "card_number", "card_of_another_person",
                    "Số thẻ này đã có ở một đơn vị ngoài phạm vi được giao. Xin liên hệ cấp trên để chuyển sinh hoạt.",
                )  # fmt: skip
                match = None
        elif same:
            match = self._without_card(person, same)
            if match is None:
                self._rows.say_of(
                    person, "name", "duplicate_person",
                    "Trong sổ đã có người cùng họ tên và ngày sinh, số thẻ khác. Xin kiểm tra có phải một người.",
                )  # fmt: skip
        others = [row for row in by_citizen.get(person.citizen_hash or b"", []) if match is None or row.id != match.id]
        if others:
            self._rows.say_of(
                person, "citizen_number", "duplicate_citizen", "Số CCCD này đã có trong sổ, của hồ sơ khác."
            )
        if match is not None:
            first = self._taken.setdefault(match.id, person.row)
            if first != person.row:
                self._rows.say_of(
                    person, "name", "duplicate_person", f"Cùng một người trong sổ với dòng {first} của tệp."
                )
        return match

    def _without_card(self, person: Person, same: list[Any]) -> Any:  # noqa: ANN401
        """The record without a card (or for a row without one) that is the same person beyond doubt."""
        if len(same) != 1:
            return None
        record = same[0]
        cards_differ = person.card_hash is not None and record.card_hash is not None
        citizens_differ = person.citizen_hash and record.citizen_hash and person.citizen_hash != record.citizen_hash
        reachable = record.unit_id in self._within
        return record if reachable and not cards_differ and not citizens_differ else None

    def _plan(self, person: Person, known: Known | None) -> Plan | None:
        """What *person* does to the register; None for a bad row."""
        if known is None:
            if not person.good:
                return None
            assert person.unit_id is not None
            status = status_of(person, knows_official=self._knows_official)
            return Plan(
                person.row,
                person.name,
                person.unit_id,
                person.position,
                status,
                bool(person.exempt),
                person.private,
                None,
            )
        private = _merged(known.private, person.private)
        # Only now can what the file says contradict what was known before.
        status = person.status or (OFFICIAL if person.private.official_on else known.status)
        if person.good:
            for fault in particulars.faults(private, status=status, today=self._today):
                self._rows.say_of(person, fault.field, fault.code, f"{fault.message} (so với hồ sơ trong sổ)")
        if not person.good:
            return None
        return Plan(
            person.row,
            person.name,
            person.unit_id if person.unit_id is not None else known.unit_id,
            person.position or known.position,
            status,
            bool(person.exempt) if self._marks_exempt else known.exempt,
            private,
            known,
        )


def batches(people: Iterable[Person]) -> Iterator[list[Person]]:
    """*people* in lists of ``BATCH``."""
    batch: list[Person] = []
    for person in people:
        batch.append(person)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _merged(old: Private, new: Private) -> Private:
    """What the file says over what is known; an empty cell takes nothing away."""
    said = {name: value for name in Private.__slots__ if (value := getattr(new, name)) is not None}
    return replace(old, **said)


def _known(row: Any, keys: dict[uuid.UUID, bytes]) -> Known:  # noqa: ANN401 - a row of the candidates' query
    key = keys.get(row.id)
    if key is None:
        raise crypto.KeyDestroyedError("the data key of a person in the register is missing")
    private = Private.from_bytes(crypto.unseal_with(key, row.sealed, context=SEAL_CONTEXT))
    return Known(
        row.id, row.name, row.name_key, row.unit_id, row.position, row.status, row.exempt, row.version, key, private
    )


def _grouped(rows: Iterable[Any], name: str) -> dict[bytes, list[Any]]:
    groups: dict[bytes, list[Any]] = {}
    for row in rows:
        value = getattr(row, name)
        if value is not None:
            groups.setdefault(value, []).append(row)
    return groups
