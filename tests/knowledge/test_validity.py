from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

import ingest
from core.database import unit_of_work
from knowledge import documents, validity
from knowledge.models import Document

pytestmark = pytest.mark.usefixtures("database")

HEAD = """HỘI THỬ NGHIỆM
Số: {number}

Hà Nội, ngày {day} tháng {month} năm {year}

QUY ĐỊNH
Về {subject}

Điều 1. Phạm vi
1. Quy định này nói về {subject}.
2. Áp dụng cho mọi hội viên.

Điều 2. Hiệu lực
{force}
"""


def _add(
    number: str, issued: date, subject: str, force: str = "Quy định này áp dụng cho hội viên.", *, publish: bool = True
) -> int:
    text = HEAD.format(
        number=number,
        day=f"{issued.day:02}",
        month=f"{issued.month:02}",
        year=issued.year,
        subject=subject,
        force=force,
    )
    source = ingest.Source(Path(f"{number.replace('/', '-')}.txt"), "text", text, f"{hash(text):x}")
    with unit_of_work() as session:
        added = documents.add(session, source, ingest.parse(text))
        if publish:
            documents.publish(session, added.revision)
        return added.document.id


def _state(key: int, day: date) -> tuple[bool, str]:
    with unit_of_work() as session:
        document = session.get_one(Document, key)
        return validity.in_force(document, day), validity.status(document, day)


OLD = ("02/2021/QĐ-HTN", date(2021, 5, 10), "hội phí")
NEW = ("05/2025/QĐ-HTN", date(2025, 6, 20), "thu nộp hội phí")
REPLACES = (
    "Quy định này có hiệu lực thi hành kể từ ngày 01 tháng 7 năm 2025 và thay thế "
    "Quy định số 02/2021/QĐ-HTN ngày 10 tháng 5 năm 2021 về hội phí."
)


def _check_replaced(old: int, new: int) -> None:
    assert _state(old, date(2021, 5, 9)) == (False, "not_yet")
    assert _state(old, date(2021, 5, 10)) == (True, "in_force")
    assert _state(old, date(2025, 6, 30)) == (True, "in_force")
    assert _state(old, date(2025, 7, 1)) == (False, "replaced")
    assert _state(new, date(2025, 6, 30)) == (False, "not_yet")
    assert _state(new, date(2025, 7, 1)) == (True, "in_force")


def test_a_later_document_ends_the_one_it_replaces_on_its_own_first_day() -> None:
    old = _add(*OLD)
    new = _add(*NEW, REPLACES)
    _check_replaced(old, new)


def test_the_order_of_publication_does_not_matter() -> None:
    new = _add(*NEW, REPLACES)
    old = _add(*OLD)
    _check_replaced(old, new)


def test_a_draft_changes_nothing_and_a_withdrawal_gives_the_force_back() -> None:
    old = _add(*OLD)
    new = _add(*NEW, REPLACES, publish=False)
    assert _state(old, date(2026, 1, 1)) == (True, "in_force")
    with unit_of_work() as session:
        added = documents.add(
            session,
            ingest.Source(Path("x.txt"), "text", "", _sha_of(session, new)),
            ingest.parse("Điều 1. A\n1. B"),
        )
        assert added.created is False
        documents.publish(session, added.revision)
    assert _state(old, date(2026, 1, 1)) == (False, "replaced")
    with unit_of_work() as session:
        documents.withdraw(session, session.get_one(Document, new))
    assert _state(old, date(2026, 1, 1)) == (True, "in_force")


def _sha_of(session: object, document_id: int) -> str:
    from sqlalchemy import select

    from knowledge.models import Revision

    return session.scalar(select(Revision.sha256).where(Revision.document_id == document_id))  # type: ignore[attr-defined]


def test_the_same_number_of_another_year_is_another_document() -> None:
    first = _add("02/QĐ-HTN", date(2021, 5, 10), "hội phí")
    second = _add("02/QĐ-HTN", date(2024, 5, 10), "khen thưởng")
    force = "Quy định này có hiệu lực kể từ ngày 01/7/2025 và thay thế Quy định số 02/QĐ-HTN ngày 10/5/2021 về hội phí."
    _add("07/QĐ-HTN", date(2025, 6, 20), "thu nộp hội phí", force)
    assert _state(first, date(2026, 1, 1)) == (False, "replaced")
    assert _state(second, date(2026, 1, 1)) == (True, "in_force")


def test_a_repealed_document_says_so() -> None:
    old = _add(*OLD)
    force = (
        "Quy định này có hiệu lực kể từ ngày 01/7/2025. Bãi bỏ Quy định số 02/2021/QĐ-HTN ngày 10/5/2021 về hội phí."
    )
    _add("08/2025/QĐ-HTN", date(2025, 6, 20), "sắp xếp lại văn bản", force)
    assert _state(old, date(2025, 7, 1)) == (False, "repealed")


def test_a_document_named_by_its_title_is_ended_too() -> None:
    old = _add(*OLD)
    force = "Quy định này có hiệu lực kể từ ngày 01/7/2025 và thay thế Quy định về hội phí ban hành ngày 10/5/2021."
    _add("08/2025/QĐ-HTN", date(2025, 6, 20), "thu nộp hội phí", force)
    assert _state(old, date(2025, 6, 30)) == (True, "in_force")
    assert _state(old, date(2025, 7, 1)) == (False, "replaced")


def test_number_keys_ignore_case_accents_and_spaces() -> None:
    assert validity.number_key("05 - NQ/ĐU") == validity.number_key("05-nq/đu") == "05-nq/du"
    assert validity.number_key(None) is None
    assert validity.title_key("Luật  Hoà giải,") == validity.title_key("luật hòa GIẢI") == "luat hoa giai"


def test_a_draft_of_the_next_revision_leaves_what_is_published_alone() -> None:
    """The same document (number, date, issuer) with other words and another first day, not published yet."""
    key = _add(*OLD)
    _add(*OLD, "Quy định này có hiệu lực thi hành kể từ ngày 01 tháng 9 năm 2021.", publish=False)
    assert _state(key, date(2021, 5, 10)) == (True, "in_force")
    assert _add(*OLD, "Quy định này có hiệu lực thi hành kể từ ngày 01 tháng 10 năm 2021.") == key
    assert _state(key, date(2021, 9, 30)) == (False, "not_yet")
    assert _state(key, date(2021, 10, 1)) == (True, "in_force")
