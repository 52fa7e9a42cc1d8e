"""What is in the tree: lines of lists, a unit with its place and history, pickers.

A subtree is a prefix of ``Unit.path``; every list costs the same number of queries whatever its length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Text, and_, cast, func, or_, select
from sqlalchemy.orm import Session, aliased

from members.access import Actor, Permission, access_unit, outermost, scope_units, within
from members.models import Account, Member, Unit, UnitChange
from members.names import name_key

ORDER = (Unit.position, Unit.sort_key, Unit.id)


@dataclass(frozen=True)
class Crumb:
    """An ancestor of a unit; ``visible`` tells whether the actor may open it."""

    id: int
    name: str
    visible: bool


@dataclass(frozen=True)
class UnitLine:
    """A unit in a list. ``members`` counts the whole subtree; None in pickers, which do not count."""

    id: int
    parent_id: int | None
    name: str
    code: str
    kind: str
    path: str
    depth: int
    deployed: bool
    closed_on: date | None = None
    place: str = ""
    """The names of its ancestors from the root, "A / B"; only in results of a search."""
    children: int = 0
    """Open units directly below."""
    members: int | None = None


@dataclass(frozen=True)
class Change:
    """An entry of a unit's history; ``by`` is None for the installation itself and for whoever may not be told."""

    kind: str
    before: dict[str, Any]
    after: dict[str, Any]
    reason: str | None
    at: datetime
    by: str | None


@dataclass(frozen=True)
class UnitView:
    """A unit with its place, figures and history (newest first)."""

    id: int
    parent_id: int | None
    name: str
    code: str
    kind: str
    path: str
    depth: int
    position: int
    deployed: bool
    closed_on: date | None
    ancestors: tuple[Crumb, ...]
    history: tuple[Change, ...]
    children: int
    members: int
    """In the whole subtree."""
    direct_members: int
    may_edit: bool
    may_move: bool
    """Also where it is now: a unit is moved by whoever edits its parent."""


def path_ids(path: str) -> list[int]:
    """The ids in a path from the root: "/1/12/" gives [1, 12]."""
    return [int(part) for part in path.strip("/").split("/") if part]


def below(path: str) -> ColumnElement[bool]:
    """The condition on ``Unit.path``: in the subtree of the unit with *path*, itself included."""
    return within([path])


def totals(
    session: Session, units: Iterable[tuple[int, str]], **figures: ColumnElement[int]
) -> dict[int, tuple[dict[str, int], dict[str, int]]]:
    """Unit id → *figures* over the members in its subtree, and over those directly in it; (id, path) pairs, one query.

    Members are counted by the unit that they are in, then summed up for each of the wanted units above it. Units without
    members are left out.
    """
    wanted = dict(units)
    if not wanted:
        return {}
    per_unit = (
        select(Member.unit_id, *(figure.label(name) for name, figure in figures.items()))
        .where(Member.unit_id.in_(select(Unit.id).where(within(outermost(wanted.values())))))
        .group_by(Member.unit_id)
        .subquery()
    )
    upwards = (
        select(func.unnest(func.string_to_array(func.btrim(Unit.path, "/"), "/")).label("above"), per_unit)
        .join(per_unit, per_unit.c.unit_id == Unit.id)
        .subquery()
    )
    here = upwards.c.above == cast(upwards.c.unit_id, Text)
    sums = [func.sum(upwards.c[name]) for name in figures]
    direct = [func.coalesce(func.sum(upwards.c[name]).filter(here), 0) for name in figures]
    found = session.execute(
        select(cast(upwards.c.above, BigInteger), *sums, *direct)
        .where(upwards.c.above.in_([str(unit_id) for unit_id in wanted]))
        .group_by(upwards.c.above)
    )
    count = len(figures)
    return {
        row[0]: (
            {name: int(value) for name, value in zip(figures, row[1 : count + 1], strict=True)},
            {name: int(value) for name, value in zip(figures, row[count + 1 :], strict=True)},
        )
        for row in found
    }


def count_members(session: Session, units: Iterable[tuple[int, str]]) -> dict[int, tuple[int, int]]:
    """Unit id → (members in its subtree, members directly in it) for (id, path) pairs; one query."""
    wanted = dict(units)
    found = totals(session, wanted.items(), members=func.count())
    none = {"members": 0}
    return {
        id_: (below["members"], direct["members"])
        for id_, (below, direct) in ((id_, found.get(id_, (none, none))) for id_ in wanted)
    }


def _lines(
    session: Session,
    statement: Select[Unit],
    *,
    counted: bool = True,
    placed: bool = False,
) -> list[UnitLine]:
    """The units of *statement* as lines, in at most three queries."""
    child = aliased(Unit)
    children_count = (
        select(func.count()).where(child.parent_id == Unit.id, child.closed_on.is_(None)).correlate(Unit)
    ).scalar_subquery()
    rows = session.execute(statement.add_columns(children_count)).all()
    counts = count_members(session, [(unit.id, unit.path) for unit, _ in rows]) if counted else {}
    names = _names(session, [unit.path for unit, _ in rows]) if placed else {}
    return [
        UnitLine(
            id=unit.id,
            parent_id=unit.parent_id,
            name=unit.name,
            code=unit.code,
            kind=unit.kind,
            path=unit.path,
            depth=unit.depth,
            deployed=unit.deployed,
            closed_on=unit.closed_on,
            place=" / ".join(names[id_] for id_ in path_ids(unit.path)[:-1]) if placed else "",
            children=children,
            members=counts[unit.id][0] if counted else None,
        )
        for unit, children in rows
    ]


def _names(session: Session, paths: Iterable[str]) -> dict[int, str]:
    ids = {id_ for path in paths for id_ in path_ids(path)}
    return {row.id: row.name for row in session.execute(select(Unit.id, Unit.name).where(Unit.id.in_(ids)))}


def _children_statement(session: Session, actor: Actor, unit_id: int | None, *, with_closed: bool) -> Select[Unit]:
    statement = select(Unit)
    if unit_id is not None:
        access_unit(session, actor, unit_id)
        statement = statement.where(Unit.parent_id == unit_id)
    else:
        reach = actor.reach(Permission.READ_UNITS)
        statement = statement.where(Unit.parent_id.is_(None) if reach == ("/",) else Unit.path.in_(reach))
    return statement if with_closed else statement.where(Unit.closed_on.is_(None))


def children(
    session: Session,
    actor: Actor,
    unit_id: int | None,
    *,
    with_closed: bool = False,
    offset: int = 0,
    limit: int | None = None,
) -> list[UnitLine]:
    """The units directly below *unit_id*, or the tops of what *actor* may see. Errors: NotVisibleError."""
    statement = _children_statement(session, actor, unit_id, with_closed=with_closed)
    return _lines(session, statement.order_by(*ORDER).offset(offset).limit(limit))


def count_children(session: Session, actor: Actor, unit_id: int | None, *, with_closed: bool = False) -> int:
    """How many lines ``children`` has. Errors: NotVisibleError."""
    statement = _children_statement(session, actor, unit_id, with_closed=with_closed)
    return session.scalar(select(func.count()).select_from(statement.subquery())) or 0


def _matching(statement: Select[Unit], q: str) -> Select[Unit]:
    """Units whose name has every word of *q* (folded, anywhere in a word), or whose code is *q*."""
    words = name_key(q).split()
    if not words:
        return statement
    by_name = and_(*(Unit.name_key.contains(word, autoescape=True) for word in words))
    return statement.where(or_(by_name, Unit.code == q.strip().upper()))


def search(session: Session, actor: Actor, q: str, *, limit: int = 50) -> list[UnitLine]:
    """Units that *actor* may see, closed ones too, by the words of their names or by their code; higher units first."""
    statement = _matching(scope_units(select(Unit), actor), q)
    return _lines(session, statement.order_by(Unit.depth, Unit.sort_key, Unit.id).limit(limit), placed=True)


def choices(session: Session, actor: Actor, permission: Permission, q: str = "", *, limit: int = 20) -> list[UnitLine]:
    """Open units in which *actor* has *permission*, for a picker; higher units first."""
    statement = _matching(scope_units(select(Unit), actor, permission), q).where(Unit.closed_on.is_(None))
    statement = statement.order_by(Unit.depth, Unit.position, Unit.sort_key, Unit.id).limit(limit)
    return _lines(session, statement, counted=False, placed=True)


def crumbs(
    session: Session, actor: Actor, unit: Unit, permission: Permission = Permission.READ_UNITS
) -> tuple[Crumb, ...]:
    """The units above *unit* from the root; those above the actor's reach are named but not to be opened."""
    above = path_ids(unit.path)[:-1]
    rows = {row.id: row for row in session.execute(select(Unit.id, Unit.name, Unit.path).where(Unit.id.in_(above)))}
    return tuple(Crumb(id_, rows[id_].name, actor.may(permission, rows[id_].path)) for id_ in above)


def descendant_ids(
    session: Session, actor: Actor, unit_id: int, permission: Permission = Permission.READ_UNITS
) -> Sequence[int]:
    """The ids of the whole subtree, *unit_id* included. Errors: NotVisibleError."""
    unit = access_unit(session, actor, unit_id, permission)
    return session.scalars(select(Unit.id).where(below(unit.path)).order_by(Unit.path)).all()


def view(session: Session, actor: Actor, unit_id: int) -> UnitView:
    """A unit as its page shows it. Errors: NotVisibleError."""
    unit = access_unit(session, actor, unit_id)
    above = crumbs(session, actor, unit)
    total, direct = count_members(session, [(unit.id, unit.path)])[unit.id]
    may_edit = actor.may(Permission.EDIT_UNITS, unit.path)
    open_children = session.scalar(
        select(func.count()).select_from(Unit).where(Unit.parent_id == unit.id, Unit.closed_on.is_(None))
    )
    return UnitView(
        id=unit.id,
        parent_id=unit.parent_id,
        name=unit.name,
        code=unit.code,
        kind=unit.kind,
        path=unit.path,
        depth=unit.depth,
        position=unit.position,
        deployed=unit.deployed,
        closed_on=unit.closed_on,
        ancestors=above,
        history=_history(session, unit_id, tell_who=may_edit),
        children=open_children or 0,
        members=total,
        direct_members=direct,
        may_edit=may_edit,
        may_move=may_edit and unit.parent_id is not None and actor.may(Permission.EDIT_UNITS, parent_path(unit.path)),
    )


def parent_path(path: str) -> str:
    """The path of the parent: "/1/12/" gives "/1/"; of a root "/"."""
    head, _, _ = path.rstrip("/").rpartition("/")
    return head + "/"


def _history(session: Session, unit_id: int, *, tell_who: bool) -> tuple[Change, ...]:
    rows = session.execute(
        select(UnitChange, Account.name)
        .outerjoin(Account, Account.id == UnitChange.changed_by)
        .where(UnitChange.unit_id == unit_id)
        .order_by(UnitChange.id.desc())
        .limit(100)
    )
    return tuple(
        Change(change.kind, change.before, change.after, change.reason, change.changed_at, name if tell_who else None)
        for change, name in rows
    )
