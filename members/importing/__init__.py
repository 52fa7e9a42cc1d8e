"""Files of people into the register: read, judged row by row, confirmed, written at once, and undone if need be."""

from members.importing.columns import HEADINGS
from members.importing.rows import Problem
from members.importing.service import (
    ImportStatus,
    ProblemPage,
    cancel,
    confirm,
    list_imports,
    problems,
    set_mapping,
    start,
    status,
    undo,
)
from members.importing.tables import LARGEST_FILE, MOST_ROWS, ImportFileError, ImportStateError
from members.importing.tasks import Result, check_import, expire_imports, run_import, run_now
from members.importing.writing import KEPT_NAMES, Undone

__all__ = [
    "HEADINGS",
    "KEPT_NAMES",
    "LARGEST_FILE",
    "MOST_ROWS",
    "ImportFileError",
    "ImportStateError",
    "ImportStatus",
    "Problem",
    "ProblemPage",
    "Result",
    "Undone",
    "cancel",
    "check_import",
    "confirm",
    "expire_imports",
    "list_imports",
    "problems",
    "run_import",
    "run_now",
    "set_mapping",
    "start",
    "status",
    "undo",
]
