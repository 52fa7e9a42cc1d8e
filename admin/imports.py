"""Files of people into the register: handing one in, choosing its columns, its problems, the decision, taking it back."""

from __future__ import annotations

import csv
import io
import uuid
from typing import Annotated

from fastapi import APIRouter, File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from admin import picking
from admin.base import CurrentSigned, Work, go, page
from admin.members import attachment
from members import importing, units
from members.access import Permission, require_somewhere
from members.importing import ImportFileError, ImportStateError
from members.listing import unformulated
from members.particulars import FIELD_NAMES
from members.sessions import Signed

router = APIRouter()

STATES = {
    "mapping": ("chờ chọn cột", "warn"),
    "checking": ("đang kiểm tra", ""),
    "checked": ("chờ quyết định", "warn"),
    "importing": ("đang nhập", ""),
    "done": ("đã nhập", "good"),
    "undone": ("đã hoàn tác", ""),
    "cancelled": ("đã hủy", ""),
    "failed": ("không đọc được", "bad"),
}
"""State → words, and how its badge looks."""

FIELDS = {
    "name": "Họ và tên",
    "given_name": "Tên (khi họ và tên ở hai cột)",
    "unit": "Đơn vị",
    "unit_above": "Đơn vị cấp trên",
    "unit_code": "Mã đơn vị",
    **{name: words for name, words in FIELD_NAMES.items() if name not in ("name", "unit_id")},
}
"""Field → what it is called where columns are chosen."""

PROBLEMS = {
    "ambiguous_unit": "Nhiều đơn vị cùng tên",
    "bad_card_number": "Số thẻ sai",
    "bad_citizen_number": "Số CCCD sai",
    "bad_date": "Không phải ngày",
    "bad_exempt": "Không rõ có miễn sinh hoạt",
    "bad_phone": "Số điện thoại sai",
    "bad_status": "Không rõ chính thức hay dự bị",
    "card_of_another_person": "Số thẻ của người khác",
    "contradictory_dates": "Ngày mâu thuẫn",
    "duplicate_card": "Trùng số thẻ",
    "duplicate_citizen": "Trùng số CCCD",
    "duplicate_person": "Trùng người",
    "formula_without_value": "Công thức chưa có giá trị",
    "impossible_date": "Ngày không thể có",
    "merged_cell": "Ô gộp",
    "missing_name": "Thiếu họ tên",
    "missing_unit": "Thiếu đơn vị",
    "too_long": "Quá dài",
    "two_digit_year": "Năm hai chữ số",
    "unknown_unit": "Không có đơn vị này",
}
"""Code → the kind of problem in words; a code without words is shown as it is."""

MOST_LISTED = 100_000
"""Problems in the file to keep; whoever has more does not go through them one by one."""


@router.get("/imports")
def show_list(request: Request, signed: CurrentSigned, work: Work) -> Response:
    """The newest imports, and the form for another one."""
    return _list(request, signed, work)


def _list(request: Request, signed: Signed, session: Session, *, unit: str = "", error: str | None = None) -> Response:
    context = {
        "found": importing.list_imports(session, signed.actor),
        "states": STATES,
        "largest": importing.LARGEST_FILE >> 20,
        "most_rows": importing.MOST_ROWS,
        "unit": unit,
        "error": error,
    }
    return page(request, signed, "imports/list.html", context, status=422 if error else 200)


@router.post("/imports")
def start(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    unit: Annotated[str, Form()] = "",
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Take a file in; it is looked through in the background and changes nothing yet."""
    require_somewhere(signed.actor, Permission.IMPORT_MEMBERS)
    try:
        if file is None or not file.filename:
            return _list(request, signed, work, unit=unit[:300], error="Chưa chọn tệp nào. Xin chọn tệp XLSX hoặc CSV.")
        unit_id = picking.unit_meant(work, signed.actor, Permission.IMPORT_MEMBERS, unit[:300])
        import_id = importing.start(
            work, signed.actor, file_name=file.filename, content=file.file.read(), unit_id=unit_id
        )
    except (ImportFileError, units.UnknownUnitError, units.AmbiguousUnitError) as error:
        return _list(request, signed, work, unit=unit[:300], error=str(error))
    return go(f"/imports/{import_id}")


@router.get("/imports/{import_id}")
def show(
    request: Request, signed: CurrentSigned, work: Work, import_id: uuid.UUID, code: str = "", number: int = 1
) -> Response:
    """Where an import stands, what is wrong with the file, what can be decided."""
    return _show(request, signed, work, import_id, code=code, number=number)


def _show(
    request: Request,
    signed: Signed,
    session: Session,
    import_id: uuid.UUID,
    *,
    code: str = "",
    number: int = 1,
    error: str | None = None,
    undone: importing.Undone | None = None,
) -> Response:
    status = importing.status(session, signed.actor, import_id)
    found = importing.problems(session, signed.actor, import_id, page=number, code=code or None)
    kept: dict[str, int] = {}
    for one in undone.kept if undone else ():
        kept[importing.KEPT_NAMES[one.reason]] = kept.get(importing.KEPT_NAMES[one.reason], 0) + 1
    context = {
        "status": status,
        "state": STATES[status.state],
        "found": found,
        "code": code,
        "kinds": {key: PROBLEMS.get(key, key) for key in found.codes},
        "fields": FIELDS,
        "error": error,
        "undone": undone,
        "kept": kept,
    }
    return page(request, signed, "imports/show.html", context, status=422 if error else 200)


@router.post("/imports/{import_id}/mapping")
async def set_mapping(request: Request, signed: CurrentSigned, work: Work, import_id: uuid.UUID) -> Response:
    """Choose which column is which, and have the file looked through again."""
    form = await request.form()
    given = {field: form.get(field) for field in FIELDS}
    chosen = {field: value for field, value in given.items() if isinstance(value, str) and value}
    return await run_in_threadpool(_set_mapping, request, signed, work, import_id, chosen)


def _set_mapping(
    request: Request, signed: Signed, session: Session, import_id: uuid.UUID, chosen: dict[str, str]
) -> Response:
    try:
        importing.set_mapping(session, signed.actor, import_id, chosen)
    except (ImportFileError, ImportStateError) as error:
        return _show(request, signed, session, import_id, error=str(error))
    return go(f"/imports/{import_id}")


@router.get("/imports/{import_id}/problems.csv")
def download_problems(signed: CurrentSigned, work: Work, import_id: uuid.UUID, code: str = "") -> Response:
    """What is wrong with the file, as a table to work through beside it."""
    found = importing.problems(work, signed.actor, import_id, code=code or None, size=MOST_LISTED)
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["Dòng", "Cột", "Loại", "Vấn đề"])
    for line in found.lines:
        cells = (line.column or "", PROBLEMS.get(line.code, line.code), line.message)
        table.writerow([line.row, *map(unformulated, cells)])
    if found.total > MOST_LISTED:
        table.writerow(["", "", "", f"Còn {found.total - MOST_LISTED} vấn đề nữa không liệt kê ở đây."])
    content = b"\xef\xbb\xbf" + text.getvalue().encode()  # by the mark spreadsheets know that it is UTF-8
    return Response(content, media_type="text/csv; charset=utf-8", headers=attachment("Vấn đề khi nhập.csv"))


@router.post("/imports/{import_id}/confirm")
def confirm(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    import_id: uuid.UUID,
    skip_bad: Annotated[bool, Form()] = False,
) -> Response:
    """Have the good rows written."""
    try:
        importing.confirm(work, signed.actor, import_id, skip_bad=skip_bad)
    except ImportStateError as error:
        return _show(request, signed, work, import_id, error=str(error))
    return go(f"/imports/{import_id}")


@router.post("/imports/{import_id}/cancel")
def cancel(request: Request, signed: CurrentSigned, work: Work, import_id: uuid.UUID) -> Response:
    """Drop the file; the register stays as it is."""
    try:
        importing.cancel(work, signed.actor, import_id)
    except ImportStateError as error:
        return _show(request, signed, work, import_id, error=str(error))
    return go(f"/imports/{import_id}")


@router.post("/imports/{import_id}/undo")
def undo(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    import_id: uuid.UUID,
    sure: Annotated[bool, Form()] = False,
) -> Response:
    """Take an import back, when the person has said that this is meant."""
    if not sure:
        return _show(request, signed, work, import_id, error="Xin đánh dấu vào ô xác nhận trước khi hoàn tác.")
    try:
        undone = importing.undo(work, signed.actor, import_id)
    except ImportStateError as error:
        return _show(request, signed, work, import_id, error=str(error))
    return _show(request, signed, work, import_id, undone=undone)
