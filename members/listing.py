"""Lists of the register: pages, search, and the export as a spreadsheet."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import IO, Any

import xlsxwriter  # type: ignore[import-untyped]
from sqlalchemy import ColumnElement, Select, func, literal_column, or_, select, text, tuple_
from sqlalchemy.orm import Session

from core import audit, crypto
from core.text import syllables
from members import particulars
from members.access import Actor, Permission, access_unit, require_somewhere, scope_members
from members.models import Member, Unit
from members.particulars import FIELD_NAMES, SEAL_CONTEXT, STATUS_NAMES, Private
from members.units.reading import below, path_ids

LARGEST_PAGE = 200
_BATCH = 2000
"""People whose keys are fetched in one query."""
_WORDS = 8
"""Words of a search that count."""
_SIMPLE: ColumnElement[Any] = literal_column("'simple'::regconfig")
"""Written into the statement, because the index of words is on this very expression."""

EXPORT_COLUMNS = (
    "name", "card_number", "citizen_number", "date_of_birth", "joined_on", "official_on", "status", "exempt",
    "position", "phone", "home_town",
)  # fmt: skip
"""The fields of an export after number, unit and unit code; their headings are those that an import recognises."""


@dataclass(frozen=True)
class MemberLine:
    """A person in a list."""

    id: uuid.UUID
    name: str
    unit_name: str
    position: str | None
    status: str
    exempt: bool
    registered: bool


@dataclass(frozen=True)
class MemberPage:
    """A page of a list in Vietnamese order of given names. Cursors name a person's row, not the person."""

    rows: list[MemberLine]
    total: int
    first_cursor: str | None
    last_cursor: str | None
    has_previous: bool
    has_next: bool


def list_members(
    session: Session,
    actor: Actor,
    *,
    unit_id: int | None = None,
    q: str = "",
    status: str | None = None,
    registered: bool | None = None,
    after: str | None = None,
    before: str | None = None,
    size: int = 50,
    permission: Permission = Permission.READ_MEMBERS,
) -> MemberPage:
    """A page of the people on whom *actor* has *permission*, those of *unit_id* and below if given.

    *q*: beginnings of words of the name, with or without accents; or a whole card number or citizen number.
    *after*, *before*: the last or first cursor of a page. Errors: NotVisibleError (unit; or no right anywhere).
    """
    matching = _matching(session, actor, permission, unit_id=unit_id, q=q, status=status, registered=registered)
    if matching is None:
        return MemberPage([], 0, None, None, has_previous=False, has_next=False)
    size = max(1, min(size, LARGEST_PAGE))
    # A plan made for any words at all takes them to be rare, and loops over tens of thousands who have a frequent one.
    session.execute(text("set local plan_cache_mode = force_custom_plan"))
    total = session.scalar(matching.with_only_columns(func.count(), maintain_column_froms=True)) or 0
    cursor = after or before
    place = _place(session, cursor) if cursor else None
    backwards = place is not None and not after
    # Who has the words is settled first, by their index, whatever the order of the page: OFFSET keeps the two apart. Else
    # the list is walked in its order, and every name on the way taken apart. Without words the walk is what is wanted.
    people = (matching.offset(0) if q.strip() else matching).subquery()
    order: list[Any] = [people.c.sort_key, people.c.id]
    statement = select(people)
    if place is not None:
        here, there = tuple_(*order), tuple_(*place)
        statement = statement.where(here < there if backwards else here > there)
    if backwards:
        order = [column.desc() for column in order]
    rows: Sequence[Any] = session.execute(statement.order_by(*order).limit(size + 1)).all()
    more, rows = len(rows) > size, rows[:size]
    if backwards:
        rows = rows[::-1]
    lines = [
        MemberLine(row.id, row.name, row.unit_name, row.position, row.status, row.exempt, row.registered_at is not None)
        for row in rows
    ]
    return MemberPage(
        lines,
        total,
        first_cursor=lines[0].id.hex if lines else None,
        last_cursor=lines[-1].id.hex if lines else None,
        has_previous=more if backwards else place is not None,
        has_next=backwards or more,
    )


def _matching(
    session: Session,
    actor: Actor,
    permission: Permission,
    *,
    unit_id: int | None,
    q: str,
    status: str | None,
    registered: bool | None,
) -> Select[Any] | None:
    """The statement that selects the people asked for, unordered; None when nobody can match."""
    columns: tuple[Any, ...] = (
        Member.id,
        Member.name,
        Unit.name.label("unit_name"),
        Member.position,
        Member.status,
        Member.exempt,
        Member.registered_at,
        Member.sort_key,
    )
    statement: Select[Any] = select(*columns).join(Unit, Unit.id == Member.unit_id)
    if unit_id is None:
        require_somewhere(actor, permission)
        statement = scope_members(statement, actor, permission)
    else:
        unit = access_unit(session, actor, unit_id, permission)
        if unit.parent_id is not None:
            inside = select(Unit.id).where(below(unit.path))
            statement = statement.where(Member.unit_id.in_(inside.correlate(None)))
        else:
            statement = statement.where(below(unit.path))
    if status is not None:
        statement = statement.where(Member.status == status)
    if registered is not None:
        statement = statement.where(Member.registered_at.is_not(None) if registered else Member.registered_at.is_(None))
    if not q.strip():
        return statement
    condition = _found_by(q)
    return None if condition is None else statement.where(condition)


def _found_by(q: str) -> ColumnElement[bool] | None:
    """The condition that *q* asks for; None when nobody can match it."""
    number = particulars.digits(q)
    if number is not None:
        card = particulars.card_hash(Private(card_number=particulars.card_number(number)))
        citizen = particulars.citizen_hash(Private(citizen_number=particulars.citizen_number(number)))
        hashes = [*([Member.card_hash == card] if card else []), *([Member.citizen_hash == citizen] if citizen else [])]
        return or_(*hashes) if hashes else None
    words = syllables(q)[:_WORDS]
    if not words:
        return None
    # Words are letters and digits only (core.text.syllables), so nothing in them is an operator of tsquery.
    query = func.to_tsquery(_SIMPLE, " & ".join(f"{word}:*" for word in words))
    return func.to_tsvector(_SIMPLE, Member.name_key).op("@@")(query)


def _place(session: Session, cursor: str) -> tuple[str, uuid.UUID] | None:
    """Where the row that *cursor* names stands; None when it is gone or the cursor is none: the first page is shown."""
    try:
        member_id = uuid.UUID(cursor)
    except ValueError:
        return None
    row = session.execute(select(Member.sort_key, Member.id).where(Member.id == member_id)).first()
    return (row.sort_key, row.id) if row else None


def export_members(session: Session, actor: Actor, *, unit_id: int, file: IO[bytes]) -> int:
    """Write the people of *unit_id* and below as XLSX into *file*; returns their number.

    What begins with a sign of a formula becomes text with an apostrophe before it (OWASP, CSV injection); an import
    takes the apostrophe away again. Errors: NotVisibleError, crypto.CryptoError.
    """
    unit = access_unit(session, actor, unit_id, Permission.EXPORT_MEMBERS)
    tree = session.execute(select(Unit.id, Unit.path, Unit.name, Unit.code)).all()
    name_of = {row.id: row.name for row in tree}
    codes = {row.id: row.code for row in tree}
    paths = {row.id: " / ".join(name_of[unit_id] for unit_id in path_ids(row.path)) for row in tree}
    workbook = xlsxwriter.Workbook(
        file, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    sheet = workbook.add_worksheet("Danh sách")
    bold, day = workbook.add_format({"bold": True}), workbook.add_format({"num_format": "dd/mm/yyyy"})
    sheet.freeze_panes(1, 0)
    sheet.set_column(1, 2 + len(EXPORT_COLUMNS), 18)
    headings = ["STT", "Mã đơn vị", "Đơn vị", *(FIELD_NAMES[name] for name in EXPORT_COLUMNS)]
    for place, heading in enumerate(headings):
        sheet.write_string(0, place, heading, bold)
    columns = (
        Member.id, Member.unit_id, Member.name, Member.position, Member.status, Member.exempt, Member.sealed, Unit.path,
    )  # fmt: skip
    statement = (
        select(*columns)
        .join(Unit, Unit.id == Member.unit_id)
        .where(below(unit.path))
        .order_by(Unit.path, Member.sort_key, Member.id)
    )
    count = 0
    for rows in session.execute(statement.execution_options(yield_per=_BATCH)).partitions():
        keys = crypto.keys_of(session, [row.id for row in rows])
        for row in rows:
            count += 1
            if row.id not in keys:
                raise crypto.KeyDestroyedError("the data key of a person in the register is missing")
            private = Private.from_bytes(crypto.unseal_with(keys[row.id], row.sealed, context=SEAL_CONTEXT))
            sheet.write_number(count, 0, count)
            sheet.write_string(count, 1, unformulated(codes[row.unit_id]))
            sheet.write_string(count, 2, unformulated(paths[row.unit_id]))
            for place, name in enumerate(EXPORT_COLUMNS, start=3):
                value = _shown(name, row, private)
                if isinstance(value, date):
                    sheet.write_datetime(count, place, value, day)
                elif value:
                    sheet.write_string(count, place, unformulated(value))
    workbook.close()
    audit.record(
        session, "members.exported", actor_id=actor.account_id, object_type="unit", object_id=unit_id,
        unit_id=unit_id, details={"count": count},
    )  # fmt: skip
    return count


def _shown(name: str, row: Any, private: Private) -> str | date | None:  # noqa: ANN401 - a row of the export's query
    if name == "status":
        return STATUS_NAMES[row.status]
    if name == "exempt":
        return "x" if row.exempt else None
    value: str | date | None = getattr(private if name in Private.__slots__ else row, name)
    if isinstance(value, date) and value.year < 1900:  # before the beginning of spreadsheets' calendars
        return value.strftime("%d/%m/%Y")
    return value


def unformulated(text: str) -> str:
    """*text* that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
