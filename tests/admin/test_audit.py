"""The page of the audit log: who finds what in it, and what it never shows."""

from __future__ import annotations

import ast
import html
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event, select, text

from core import anchors, audit, clock, crypto, settings
from core import database as db
from core.audit import AuditEntry
from core.database import unit_of_work
from core.settings import ROOT
from members import journal, register
from members.access import SYSTEM, Role
from members.particulars import Private
from sotay.app import create_app
from tests.people import Console, Units, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _own_keys(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SOTAY_KEYS_DIR", str(tmp_path))
    settings.settings.cache_clear()
    yield
    settings.settings.cache_clear()


@dataclass(frozen=True)
class Scene:
    units: Units
    administrator: uuid.UUID
    auditor: uuid.UUID
    auditor_of_a: uuid.UUID
    secretary: uuid.UUID
    hoa: uuid.UUID
    binh: uuid.UUID


@pytest.fixture
def scene() -> Scene:
    """A member in A1 whose phone the administrator changed, one in B1 who was looked at, and something of the whole."""
    with unit_of_work() as session:
        units = make_units(session)
        administrator = make_account(session, "Đỗ Quản Trị", (Role.ADMINISTRATOR, units.province))
        auditor = make_account(session, "Kiểm Tra", (Role.AUDITOR, units.province))
        of_a = make_account(session, "Kiểm Tra A", (Role.AUDITOR, units.a))
        secretary = make_account(session, "Bí Thư", (Role.SECRETARY, units.a1))
        hoa = register.add(
            session, SYSTEM, unit_id=units.a1, name="Trần Thị Hoa", private=Private(card_number="10000001")
        )
        binh = register.add(session, SYSTEM, unit_id=units.b1, name="Lê Văn Bình", private=Private())
    with (
        unit_of_work() as session,
        clock.fixed(datetime(2026, 3, 1, 17, 30, tzinfo=UTC)),
    ):  # half past midnight, 2 March
        audit.record(
            session, "member.changed", actor_id=administrator.id, object_type="member", object_id=hoa.id,
            unit_id=units.a1, subject=hoa.id, details={"fields": ["phone"]}, personal={"phone": "0912345678"},
        )  # fmt: skip
        audit.record(
            session, "member.viewed", actor_id=secretary.id, object_type="member", object_id=binh.id,
            unit_id=units.b1, subject=binh.id,
        )  # fmt: skip
        audit.record(session, "keys.rotated", actor_id=None, object_type="keys")
    return Scene(units, administrator.id, auditor.id, of_a.id, secretary.id, hoa.id, binh.id)


def sentences(page: str) -> list[str]:
    return [html.unescape(found) for found in re.findall(r'data-label="Việc">([^<]*)<', page)]


ALL = [
    "Hệ thống đã đổi khóa chủ",
    "Bí Thư đã xem hồ sơ (Lê Văn Bình)",
    "Đỗ Quản Trị đã sửa hồ sơ (Trần Thị Hoa)",
    "Hệ thống đã thêm hồ sơ (Lê Văn Bình)",
    "Hệ thống đã thêm hồ sơ (Trần Thị Hoa)",
]


def find(account: uuid.UUID, **query: str) -> list[str]:
    answer = Console(create_app(), account).get("/audit", params=query)
    assert answer.status_code == 200
    return sentences(answer.text)


def test_an_administrator_reads_everything_in_words(scene: Scene) -> None:
    assert find(scene.administrator) == ALL


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"action": "member.changed"}, [2]),
        ({"action": "made.up"}, []),
        ({"who": "do quan"}, [2]),
        ({"who": "hệ thống"}, [0, 3, 4]),
        ({"who": "Nobody"}, []),
        ({"person": "tran hoa"}, [2, 4]),
        ({"person": "10000001"}, [2, 4]),
        ({"person": "Không Có"}, []),
        ({"unit": "A"}, [2, 4]),
        ({"unit": "B1"}, [1, 3]),
        ({"first": "02/03/2026", "last": "2026-03-02"}, [0, 1, 2]),
        ({"last": "01/03/2026"}, []),
        ({"last": "31/12/9999", "action": "keys.rotated"}, [0]),
    ],
)
def test_the_fields_narrow_the_search(scene: Scene, query: dict[str, str], expected: list[int]) -> None:
    assert find(scene.administrator, **query) == [ALL[index] for index in expected]


def test_an_object_is_found_by_its_id(scene: Scene) -> None:
    assert find(scene.administrator, object_id=str(scene.binh)) == [ALL[1], ALL[3]]


def test_an_auditor_learns_what_was_done_but_no_member_by_name(scene: Scene) -> None:
    assert find(scene.auditor) == [sentence.split(" (")[0] for sentence in ALL]
    assert find(scene.auditor, person="hoa") == []


def test_an_auditor_of_a_subtree_sees_that_subtree_only(scene: Scene) -> None:
    assert find(scene.auditor_of_a) == ["Đỗ Quản Trị đã sửa hồ sơ", "Hệ thống đã thêm hồ sơ"]
    console = Console(create_app(), scene.auditor_of_a)
    assert console.get("/audit", params={"unit": "B1"}).status_code == 422
    assert console.get("/audit/4").status_code == 404
    assert console.get("/audit/3").status_code == 200


def test_whoever_may_not_read_the_log_is_told_nothing(scene: Scene) -> None:
    console = Console(create_app(), scene.secretary)
    assert console.get("/audit").status_code == 404
    assert console.get("/audit/3").status_code == 404


@pytest.mark.parametrize("entry", ["999", "0", "-1", str(2**63), "9" * 40])
def test_an_entry_that_is_not_there_is_not_found(scene: Scene, entry: str) -> None:
    assert Console(create_app(), scene.administrator).get(f"/audit/{entry}").status_code == 404


def test_wrong_dates_are_said(scene: Scene) -> None:
    answer = Console(create_app(), scene.administrator).get("/audit", params={"first": "31/02/2026"})
    assert answer.status_code == 422
    assert "Ngày cần có dạng 05/09/2024." in answer.text


@pytest.mark.parametrize("query", [{"after": "x"}, {"before": "9" * 30}, {"who": "a\0b"}, {"object_id": "'; drop"}])
def test_nonsense_is_harmless(scene: Scene, query: dict[str, str]) -> None:
    assert Console(create_app(), scene.administrator).get("/audit", params=query).status_code == 200


def test_personal_values_are_on_the_entrys_own_page_only_and_the_look_is_noted(scene: Scene) -> None:
    console = Console(create_app(), scene.administrator)
    assert "0912345678" not in console.get("/audit").text
    answer = console.get("/audit/3")
    assert answer.status_code == 200
    assert "0912345678" in answer.text
    with unit_of_work() as session:
        noted = session.scalars(select(AuditEntry).where(AuditEntry.action == "audit.viewed")).one()
        assert (noted.actor_id, noted.object_id, noted.subject) == (scene.administrator, "3", scene.hoa)


@pytest.mark.parametrize("who", ["auditor", "auditor_of_a"])
def test_values_are_shown_only_to_who_may_see_the_person(scene: Scene, who: str) -> None:
    answer = Console(create_app(), getattr(scene, who)).get("/audit/3")
    assert answer.status_code == 200
    assert "0912345678" not in answer.text
    assert "không xem dữ liệu cá nhân" in answer.text


def test_what_was_erased_reads_as_erased(scene: Scene) -> None:
    with unit_of_work() as session:
        crypto.destroy_key(session, scene.hoa)
    answer = Console(create_app(), scene.administrator).get("/audit/3")
    assert "Đã xóa" in answer.text
    assert "0912345678" not in answer.text


def test_a_value_that_was_tampered_with_is_said_to_be(scene: Scene) -> None:
    with unit_of_work() as session:
        session.execute(text("set local session_replication_role = replica"))
        session.execute(text("update audit_entry set sealed = 'x' where id = 3"))
    assert "Không đọc được" in Console(create_app(), scene.administrator).get("/audit/3").text


def test_a_member_who_acted_is_named_only_to_those_who_see_the_member(scene: Scene) -> None:
    with unit_of_work() as session:
        account = make_account(session, "Trần Thị Hoa", member_id=scene.hoa)
        account.email = account.email_key = None
        audit.record(
            session, "consent.given", actor_id=account.id, object_type="consent", unit_id=scene.units.a1, subject=scene.hoa
        )  # fmt: skip
    assert find(scene.administrator, action="consent.given") == ["Trần Thị Hoa đã đồng ý cho xử lý dữ liệu"]
    assert find(scene.auditor, action="consent.given") == ["Một hội viên đã đồng ý cho xử lý dữ liệu"]
    assert find(scene.auditor, who="Trần Thị Hoa") == []


def test_pages_follow_each_other_both_ways(scene: Scene) -> None:
    with unit_of_work() as session:
        for number in range(70):
            audit.record(session, "unit.renamed", actor_id=None, object_type="unit", object_id=number)
    console = Console(create_app(), scene.administrator)
    first = console.get("/audit", params={"action": "unit.renamed"}).text
    assert len(sentences(first)) == 50
    (older,) = re.findall(r'href="/admin(/audit\?[^"]*after=[^"]*)"', first)
    second = console.get(html.unescape(older)).text
    assert len(sentences(second)) == 20
    (newer,) = re.findall(r'href="/admin(/audit\?[^"]*before=[^"]*)"', second)
    again = console.get(html.unescape(newer)).text
    numbers = r"Dòng ([\d.]+)</a>"
    assert re.findall(numbers, again) == re.findall(numbers, first)


def count_statements(work: Callable[[], object]) -> int:
    count = 0

    def hear(*_: object) -> None:
        nonlocal count
        count += 1

    event.listen(db.engine(), "before_cursor_execute", hear)
    try:
        work()
    finally:
        event.remove(db.engine(), "before_cursor_execute", hear)
    return count


def test_a_page_takes_the_same_queries_however_many_entries(scene: Scene) -> None:
    console = Console(create_app(), scene.administrator)
    few = count_statements(lambda: console.get("/audit"))
    with unit_of_work() as session:
        for number in range(45):
            audit.record(
                session, "unit.renamed", actor_id=scene.secretary, object_type="unit", object_id=number,
                unit_id=scene.units.b, subject=scene.binh,
            )  # fmt: skip
    assert count_statements(lambda: console.get("/audit")) == few


def test_the_state_of_the_chain_is_shown(scene: Scene, tmp_path: Path) -> None:
    console = Console(create_app(), scene.administrator)
    assert "chưa được kiểm tra lần nào" in console.get("/audit").text
    with unit_of_work() as session:
        anchors.check_and_note(session)
    assert "Toàn vẹn: 5 dòng" in console.get("/audit").text
    with unit_of_work() as session:
        session.execute(text("set local session_replication_role = replica"))
        session.execute(text("delete from audit_entry where id = 4"))
    with unit_of_work() as session:
        anchors.check_and_note(session)
    assert "không còn toàn vẹn</strong> từ dòng 4" in console.get("/audit").text
    (tmp_path / "audit-anchors.jsonl").write_text("{")
    assert "Không đọc được tệp mốc" in console.get("/audit").text


def test_every_action_that_is_recorded_has_its_words_and_nothing_else_has() -> None:
    pattern = re.compile(
        r"(access|account|audit|backup|code|consent|conversation|demo|document|grant|keys|member|members|question|request"
        r"|sign_up|statistics|unit)\.\w*(ed|_in|_in_person|_out|_reset|undone|taken|withdrawn|given|forgotten|made)"
    )
    found = {
        "audit.viewed",
        "unit.closed",
        "unit.reopened",
        "consent.given",
        "consent.withdrawn",
    }  # by the journal; composed
    rooms = ("admin", "bot/actions", "channels", "core", "knowledge", "members", "messaging", "sotay", "web")
    for path in [file for room in rooms for file in (ROOT / room).rglob("*.py")]:
        if path.name == "journal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and pattern.fullmatch(node.value):
                found.add(node.value)
            if path.parent.name == "signup" and ast.unparse(getattr(node, "func", ast.Constant(0))) == "record.note":
                found.add(f"sign_up.{ast.literal_eval(node.args[1])}")  # type: ignore[attr-defined]
    assert found == set(journal.ACTIONS)
