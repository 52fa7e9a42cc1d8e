"""Documents and open questions in the console: dropped on a page, checked, published, withdrawn; answered without names."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from sqlalchemy import select

from core.audit import AuditEntry
from core.database import unit_of_work
from knowledge import documents, questions
from knowledge.models import Revision
from members.access import Role
from messaging import inbox, outbox
from sotay.app import create_app
from tests.people import Console, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

RULE = """HỘI THỬ NGHIỆM
Số: 07/2026/QĐ-HTN

Sông Xanh, ngày 02 tháng 3 năm 2026

QUY ĐỊNH
Về việc mượn sách

Điều 1. Thời hạn mượn
1. Mỗi lần mượn tối đa 15 ngày.
2. Được gia hạn một lần.

Điều 2. Trả sách
Trả sách tại nơi mượn.
"""


@pytest.fixture
def consoles() -> dict[str, Console]:
    app = create_app()
    with unit_of_work() as session:
        units = make_units(session)
        people = {
            "curator": make_account(session, "Biên tập", (Role.CURATOR, units.province)),
            "approver": make_account(session, "Duyệt", (Role.APPROVER, units.province)),
            "local": make_account(session, "Biên tập huyện", (Role.CURATOR, units.a)),
            "secretary": make_account(session, "Bí thư", (Role.SECRETARY, units.province)),
        }
        ids = {name: account.id for name, account in people.items()}
    return {name: Console(app, account_id) for name, account_id in ids.items()}


def upload(console: Console, content: str = RULE, name: str = "quy-dinh.txt") -> Any:
    return console.post("/documents", files={"file": (name, content.encode(), "text/plain")})


def states() -> list[str]:
    with unit_of_work() as session:
        return list(session.scalars(select(Revision.state).order_by(Revision.id)))


def test_a_dropped_document_is_a_draft_until_it_is_published_and_withdrawn(consoles: dict[str, Console]) -> None:
    curator = consoles["curator"]
    answer = upload(curator)
    assert answer.status_code == 303
    place = answer.headers["location"].removeprefix("/admin")
    shown = curator.get(place).text
    assert "Quy định về việc mượn sách" in shown
    assert "2 điều, 2 khoản" in shown
    assert states() == ["draft"]
    assert curator.post(f"{place}/publish").status_code == 303
    with unit_of_work() as session:
        assert [found.number for found in documents.list_published(session)] == ["07/2026/QĐ-HTN"]
    assert curator.post(f"{place}/withdraw").status_code == 303
    assert states() == ["withdrawn"]
    again = curator.post(f"{place}/withdraw")
    assert again.status_code == 422
    assert "không có gì để rút" in again.text
    with unit_of_work() as session:
        actions = list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
    assert actions == ["document.uploaded", "document.published", "document.withdrawn"]


def test_the_same_file_twice_is_one_revision(consoles: dict[str, Console]) -> None:
    first, second = upload(consoles["curator"]), upload(consoles["curator"], name="ten-khac.txt")
    assert first.headers["location"] == second.headers["location"]
    assert states() == ["draft"]


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        ("TUYỆT MẬT\n" + RULE, "mat.txt", "TUYỆT MẬT"),
        (RULE, "quy-dinh.pdf", ".docx"),
        ("", "trong.txt", "không có chữ nào"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_in_words(
    consoles: dict[str, Console], content: str, name: str, words: str
) -> None:
    answer = upload(consoles["curator"], content, name)
    assert answer.status_code == 422
    assert words in re.sub(r"<form.*?</form>", "", answer.text, flags=re.DOTALL)
    assert states() == []


def test_no_file_at_all_is_said_so(consoles: dict[str, Console]) -> None:
    answer = consoles["curator"].post("/documents")
    assert answer.status_code == 422
    assert "Chưa chọn tệp nào" in answer.text


def test_an_approver_publishes_and_takes_nothing_in(consoles: dict[str, Console]) -> None:
    place = upload(consoles["curator"]).headers["location"].removeprefix("/admin")
    assert upload(consoles["approver"], RULE + "Thêm.").status_code == 404
    assert consoles["approver"].post(f"{place}/publish").status_code == 303
    assert states() == ["published"]


@pytest.mark.parametrize("who", ["local", "secretary"])
def test_documents_are_the_whole_organisations_business(consoles: dict[str, Console], who: str) -> None:
    place = upload(consoles["curator"]).headers["location"].removeprefix("/admin")
    other = consoles[who]
    assert [other.get("/documents").status_code, other.get(place).status_code] == [404, 404]
    assert [upload(other, RULE + "Khác.").status_code, other.post(f"{place}/publish").status_code] == [404, 404]
    assert states() == ["draft"]


def test_the_list_is_filtered_without_accents(consoles: dict[str, Console]) -> None:
    curator = consoles["curator"]
    upload(curator)
    upload(curator, RULE.replace("07/2026", "08/2026").replace("mượn sách", "trả sách"))
    assert curator.get("/documents?q=muon+sach").text.count("<tr>") == 2
    assert curator.get("/documents?q=08/2026").text.count("<tr>") == 2
    assert curator.get("/documents?state=published").text.count("<tr>") == 0


def test_a_question_is_answered_without_a_name(consoles: dict[str, Console]) -> None:
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id="một cuộc trò chuyện")
        conversation_id = conversation.id
        questions.send(session, question="Có phòng đọc đêm không?", conversation_id=conversation_id, message_id="1")
    curator = consoles["curator"]
    shown = curator.get("/questions").text
    assert "Có phòng đọc đêm không?" in shown
    assert str(conversation_id) not in shown
    number = re.search(r"/admin/questions/(\d+)", shown)
    assert number is not None
    assert curator.post(f"/questions/{number[1]}", {"words": " "}).status_code == 422
    assert consoles["secretary"].post(f"/questions/{number[1]}", {"words": "Có"}).status_code == 404
    assert curator.post(f"/questions/{number[1]}", {"words": "Có, đến 21 giờ."}).status_code == 303
    assert curator.post(f"/questions/{number[1]}", {"words": "Lần nữa"}).status_code == 422
    with unit_of_work() as session:
        said = [reply["text"] for _, reply in outbox.after(session, conversation_id, 0)]
    assert said == ["Câu hỏi đã gửi: “Có phòng đọc đêm không?”\n\nNgười phụ trách trả lời: Có, đến 21 giờ."]


def test_forged_forms_change_nothing(consoles: dict[str, Console]) -> None:
    curator = consoles["curator"]
    place = upload(curator).headers["location"].removeprefix("/admin")
    assert curator.post(f"{place}/publish", {"csrf": str(uuid.uuid4())}).status_code == 403
    assert curator.post(f"{place}/publish", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert states() == ["draft"]
