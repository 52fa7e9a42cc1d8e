"""Files of people into the register: read, judged row by row, confirmed, written at once, and undone if need be."""

from members.importing.columns import HEADINGS
from members.importing.rows import Problem
from members.importing.service import (
    ImportStatus,
    ProblemLine,
    ProblemPage,
    cancel,
    confirm,
    expire,
    list_imports,
    problems,
    set_mapping,
    start,
    status,
    undo,
)
from members.importing.tables import LARGEST_FILE, MOST_ROWS, ImportFileError, ImportStateError
from members.importing.tasks import Result, check_import, expire_imports, run_import, run_now
from members.importing.writing import KEPT_NAMES, Kept, NewMember, Undone, insert_members

__all__ = [
    "HEADINGS",
    "KEPT_NAMES",
    "LARGEST_FILE",
    "MOST_ROWS",
    "ImportFileError",
    "ImportStateError",
    "ImportStatus",
    "Kept",
    "NewMember",
    "Problem",
    "ProblemLine",
    "ProblemPage",
    "Result",
    "Undone",
    "cancel",
    "check_import",
    "confirm",
    "expire",
    "expire_imports",
    "insert_members",
    "list_imports",
    "problems",
    "run_import",
    "run_now",
    "set_mapping",
    "start",
    "status",
    "undo",
]
