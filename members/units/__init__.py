"""The organisation tree: reading it, changing it with history, finding a unit by what a file calls it."""

from members.units.changing import (
    ClosedUnitError,
    UnitError,
    close,
    create,
    move,
    rename,
    reopen,
    set_deployed,
)
from members.units.index import AmbiguousUnitError, UnitIndex, UnknownUnitError
from members.units.reading import (
    Change,
    Crumb,
    UnitLine,
    UnitView,
    children,
    choices,
    count_children,
    descendant_ids,
    search,
    view,
)

__all__ = [
    "AmbiguousUnitError",
    "Change",
    "ClosedUnitError",
    "Crumb",
    "UnitError",
    "UnitIndex",
    "UnitLine",
    "UnitView",
    "UnknownUnitError",
    "children",
    "choices",
    "close",
    "count_children",
    "create",
    "descendant_ids",
    "move",
    "rename",
    "reopen",
    "search",
    "set_deployed",
    "view",
]
