"""Which unit a file means: by code, by the names from above ("A / B / C", "A > B"), or by a name that is the only one."""

from __future__ import annotations

import re
from collections import defaultdict

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from members.access import Actor, Permission, within
from members.models import Unit
from members.names import clean, name_key
from members.units.reading import path_ids

_SEPARATORS = re.compile(r"\s*(?:/|>|→|»|\\)\s*")


class UnknownUnitError(ValueError):
    """No open unit within reach is called that."""

    def __init__(self) -> None:
        super().__init__("Không có đơn vị này trong cây tổ chức, hoặc đơn vị không thuộc phạm vi được giao.")


class AmbiguousUnitError(ValueError):
    """Several units are called that."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"Có {count} đơn vị cùng tên này. Xin ghi mã đơn vị, hoặc ghi cả đơn vị cấp trên (ví dụ: Đảng bộ A / Chi bộ B)."
        )
        self.count = count


class UnitIndex:
    """The open units in which *actor* has *permission*, read once for files of many rows.

    With *only*, just what may be meant by that one text is read: for a field of a form.
    """

    def __init__(self, session: Session, actor: Actor, permission: Permission, *, only: str | None = None) -> None:
        columns = select(Unit.id, Unit.code, Unit.path, Unit.name_key)
        open_ones = columns.where(Unit.closed_on.is_(None), within(actor.reach(permission)))
        if only is not None:
            names = {name_key(only), name_key(_SEPARATORS.split(clean(only))[-1])}
            open_ones = open_ones.where(or_(Unit.code == clean(only).upper(), Unit.name_key.in_(names)))
        rows = session.execute(open_ones).all()
        self._by_code: dict[str, int] = {row.code.upper(): row.id for row in rows}
        self._by_name: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            self._by_name[row.name_key].append(row.id)
        self._paths: dict[int, str] = {row.id: row.path for row in rows}
        names_above = select(Unit.id, Unit.name_key)
        if only is not None:
            names_above = names_above.where(Unit.id.in_({id_ for row in rows for id_ in path_ids(row.path)}))
        self._above: dict[int, str] = {row.id: row.name_key for row in session.execute(names_above)}
        self._known: dict[str, int] = {}

    def resolve(self, text: str) -> int:
        """The id of the unit that *text* means. Errors: UnknownUnitError, AmbiguousUnitError."""
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = self._resolve(text)
        return known

    def _resolve(self, text: str) -> int:
        cleaned = clean(text)
        by_code: int | None = self._by_code.get(cleaned.upper())
        if by_code is not None:
            return by_code
        found = self._by_name.get(name_key(cleaned), [])  # a name may have a "/" itself
        if not found:
            parts = [name_key(part) for part in _SEPARATORS.split(cleaned) if part]
            found = self._by_names(parts) if len(parts) > 1 else []
        if not found:
            raise UnknownUnitError
        if len(found) > 1:
            raise AmbiguousUnitError(len(found))
        return found[0]

    def _by_names(self, parts: list[str]) -> list[int]:
        """Units named by the last part that lie under the others in their order; the whole path, if one, before all."""
        candidates = self._by_name.get(parts[-1], [])
        names = {id_: self._names(id_) for id_ in candidates}
        whole = [id_ for id_ in candidates if names[id_] == parts]
        return whole or [id_ for id_ in candidates if _in_order(parts, names[id_])]

    def _names(self, unit_id: int) -> list[str]:
        """The names from the root to the unit; those above the actor's reach count too."""
        return [self._above[id_] for id_ in path_ids(self._paths[unit_id])]


def _in_order(parts: list[str], names: list[str]) -> bool:
    """Whether *parts* occur among *names* in their order."""
    remaining = iter(names)
    return all(part in remaining for part in parts)
