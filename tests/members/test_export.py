from __future__ import annotations

import json
import re
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import inspect, select

from core import audit, clock, crypto
from core.audit import AuditEntry
from core.database import engine, unit_of_work
from knowledge import questions
from members import consent, export, export_pdf, register, requests, sessions
from members.access import SYSTEM, Actor, NotVisibleError, Role, actor_of
from members.models import Account, DataRequest, ImportChange, Member, OneTimeCode, RegisterImport
from members.register import Private
from members.sign_up_models import SignUp
from messaging import inbox, outbox
from messaging.models import Conversation, InboxMessage
from messaging.reply import Choice, Reply
from tests.people import Units, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 3, 2, 3, 4, 5, tzinfo=UTC)
THEN = "2026-03-02T10:04:05+07:00"
LETTERS = "aàảãáạăằẳẵắặâầẩẫấậbcdđeèẻẽéẹêềểễếệghiìỉĩíịklmnoòỏõóọôồổỗốộơờởỡớợpqrstuùủũúụưừửữứựvxyỳỷỹýỵ"


@dataclass
class Person:
    """Somebody with something in every table."""

    units: Units
    member_id: uuid.UUID
    account_id: uuid.UUID
    conversation_id: uuid.UUID
    receipt: str

    @property
    def actor(self) -> Actor:
        with unit_of_work() as session:
            return actor_of(session, session.get_one(Account, self.account_id))


@pytest.fixture
def person() -> Iterator[Person]:
    with clock.fixed(NOW):
        with unit_of_work() as session:
            units = make_units(session)
            private = Private(
                "12345678", "001165012345", "0905060708", date(1965, 9, 5), date(1990, 2, 3), None, "xã Mới"
            )
            member = register.add(
                session, SYSTEM, unit_id=units.a1, name="Lê Ưng Ỷ", position="Ủy viên", private=private
            )
            account = make_account(session, "Lê Ưng Ỷ", (Role.SECRETARY, units.a1), member_id=member.id)
            conversation = talk(session, account, "web", "key-1", "câu hỏi của tôi")
            questions.send(
                session, question="hỏi người phụ trách", conversation_id=conversation.id, message_id="m-câu hỏi của tôi"
            )
            consent.give(session, member.id, consent.current(session).id, channel="web")
            actor = actor_of(session, account)
            receipt = requests.open_request(
                session,
                actor,
                kind="correction",
                channel="web",
                wanted={"home_town": "xã Mong Muốn", "reason": "vì sai"},
            )
            session.add(
                OneTimeCode(
                    member_id=member.id, code_hash=b"x" * 32, created_at=NOW, expires_at=NOW + timedelta(hours=24)
                )
            )
            signed_up = SignUp(
                id=uuid.uuid4(), channel="web", text_id=consent.current(session, "sign_up").id, state="accepted",
                link_expires_at=NOW, photos_due_at=NOW, photos_erased_at=NOW, card_takes=1, selfie_takes=1,
                already_used=False, reasons=[], member_id=member.id, created_at=NOW, decided_at=NOW,
            )  # fmt: skip
            session.add(signed_up)
            imported = RegisterImport(
                id=uuid.uuid4(), state="done", file_name="danh sách.xlsx", sha256="", mapping={}, created_at=NOW,
                finished_at=NOW,
            )  # fmt: skip
            session.add(imported)
            session.flush()
            before = {"unit_id": units.a2, "name": "Lê Ưng Y", "position": None, "status": "probationary", "exempt": False,
                      "private": {"phone": "0901111111"}}  # fmt: skip
            sealed = crypto.seal(session, member.id, json.dumps(before).encode(), context="import_change")
            session.add(ImportChange(import_id=imported.id, member_id=member.id, version=1, before=sealed))
        yield Person(units, member.id, account.id, conversation.id, receipt.receipt)


def talk(session: Any, account: Account, channel: str, key: str, words: str) -> Conversation:
    """A message and its answer in a conversation on which *account* signs in."""
    conversation = inbox.open_conversation(session, channel=channel, external_id=key)
    sessions.start_member(session, account, conversation_id=conversation.id, channel=channel, device="Chrome, Android")
    inbox.receive(session, conversation, message_id=f"m-{words}", text=words)
    asked = session.scalars(select(InboxMessage).order_by(InboxMessage.id.desc()).limit(1)).one()
    reply = Reply(text=f"đáp: {words}", choices=[Choice(title="Nút bấm", payload={"intent": "secret"})])
    outbox.send(session, conversation.id, [reply], inbox_id=asked.id)
    return conversation


def data_of(actor: Actor, conversation_id: uuid.UUID | None = None) -> dict[str, Any]:
    """What the person gets on the device of that conversation; without one, on a new device."""
    with unit_of_work() as session:
        return export.own_data(session, actor, conversation_id=conversation_id)


def test_every_table_is_listed_as_included_or_with_the_reason_why_not(person: Person) -> None:
    assert set(export.TABLES) == set(inspect(engine()).get_table_names())
    assert all(reason for reason in export.TABLES.values())


def test_every_included_table_has_something_in_this_test(person: Person) -> None:
    """So that what is asserted below covers them all."""
    with unit_of_work() as session:
        for table, reason in export.TABLES.items():
            if reason == "included":
                assert session.connection().exec_driver_sql(f'select count(*) from "{table}"').scalar(), table


def test_data_is_complete(person: Person) -> None:
    data = data_of(person.actor, person.conversation_id)
    assert data["format"] == "sotay.own-data/1"
    assert data["generated_at"] == THEN
    assert data["register"] == {
        "name": "Lê Ưng Ỷ",
        "unit": ["Hội Bạn đọc tỉnh Sông Xanh", "Hội huyện Đồng Mai", "Chi hội Đầu Nguồn"],
        "unit_code": "A1",
        "position": "Ủy viên",
        "status": "official",
        "exempt": False,
        "card_number": "12345678",
        "citizen_number": "001165012345",
        "phone": "0905060708",
        "date_of_birth": "1965-09-05",
        "joined_on": "1990-02-03",
        "official_on": None,
        "home_town": "xã Mới",
        "registered_at": None,
        "created_at": THEN,
        "updated_at": THEN,
    }
    assert data["earlier_values"] == [
        {
            "file": "danh sách.xlsx",
            "imported_at": THEN,
            "before": {"name": "Lê Ưng Y", "position": None, "status": "probationary", "exempt": False,
                       "phone": "0901111111", "unit": "Chi hội Ao Sen"},
        }
    ]  # fmt: skip
    assert (data["account"]["name"], data["account"]["email"]) == ("Lê Ưng Ỷ", f"{person.account_id}@example.org")
    assert data["roles"] == [
        {"role": "secretary", "role_name": "Bí thư chi bộ", "unit": "Chi hội Đầu Nguồn", "granted_at": THEN,
         "ends_on": None, "revoked_at": None}
    ]  # fmt: skip
    assert data["sign_ins"] == [
        {"kind": "member", "channel": "web", "device": "Chrome, Android", "created_at": THEN, "last_seen_at": THEN,
         "expires_at": "2026-08-29T10:04:05+07:00", "ended_at": None}
    ]  # fmt: skip
    assert data["one_time_codes"] == [{"created_at": THEN, "expires_at": "2026-03-03T10:04:05+07:00", "used_at": None}]
    assert data["sign_ups"] == [
        {"channel": "web", "state": "accepted", "begun_at": THEN, "submitted_at": None, "decided_at": THEN,
         "photos_erased_at": THEN}
    ]  # fmt: skip
    with unit_of_work() as session:
        text = consent.current(session)
    assert data["consents"] == [
        {"action": "given", "at": THEN, "channel": "web", "purpose": "account", "version": text.version,
         "title": text.title, "body": text.body, "sha256": text.sha256}
    ]  # fmt: skip
    assert [(row["kind"], row["state"], row["receipt"], row["wanted"]) for row in data["requests"]] == [
        ("correction", "received", person.receipt, {"home_town": "xã Mong Muốn", "reason": "vì sai"})
    ]
    assert data["conversations"] == [
        {
            "channel": "web",
            "created_at": THEN,
            "messages": [
                {"at": THEN, "from": "member", "text": "câu hỏi của tôi", "citations": [], "choices": [],
                 "suggestions": []},
                {"at": THEN, "from": "bot", "text": "đáp: câu hỏi của tôi", "citations": [], "choices": ["Nút bấm"],
                 "suggestions": []},
            ],
            "messages_on_another_device": 0,
        }
    ]  # fmt: skip
    assert data["open_questions"] == [
        {"question": "hỏi người phụ trách", "asked_on": "2026-03-02", "answer": None, "answered_on": None}
    ]
    assert [(row["action"], row["by"]) for row in data["log"]] == [
        ("member.added", "system"),
        ("consent.given", "self"),
        ("request.received", "self"),
    ]
    assert data["log"][2]["values"] == {"home_town": "xã Mong Muốn", "reason": "vì sai"}


def test_secrets_and_other_peoples_names_are_not_handed_out(person: Person) -> None:
    with unit_of_work() as session:
        staff = make_account(session, "Người Thư Ký", (Role.SECRETARY, person.units.a1))
        register.view(session, actor_of(session, staff), person.member_id)
        account = session.get_one(Account, person.account_id)
        account.password_hash = "$argon2id$secret"
    words = export.as_json(data_of(person.actor, person.conversation_id)).decode()
    assert "member.viewed" in words
    for secret in ("Người Thư Ký", str(staff.id), "argon2id", '"intent"', "x" * 32):
        assert secret not in words


def test_what_the_person_did_with_others_data_is_counted_only(person: Person) -> None:
    with unit_of_work() as session:
        other = register.add(session, SYSTEM, unit_id=person.units.a1, name="Trần Văn Bách", private=Private())
    for _ in range(2):
        with unit_of_work() as session:
            register.view(session, person.actor, other.id)
    data = data_of(person.actor, person.conversation_id)
    assert data["own_actions"] == [{"action": "member.viewed", "times": 2, "first_at": THEN, "last_at": THEN}]
    assert "Bách" not in export.as_json(data).decode()


def test_on_a_shared_device_each_gets_the_own_time_only(person: Person) -> None:
    with clock.fixed(NOW + timedelta(hours=1)), unit_of_work() as session:
        member = register.add(session, SYSTEM, unit_id=person.units.b1, name="Trần Văn Bách", private=Private())
        second = make_account(session, "Trần Văn Bách", member_id=member.id)
        talk(session, second, "web", "key-1", "lời người sau")

    def said(actor: Actor) -> list[str]:
        return [
            message["text"]
            for talk in data_of(actor, person.conversation_id)["conversations"]
            for message in talk["messages"]
        ]

    with clock.fixed(NOW + timedelta(hours=2)):
        with unit_of_work() as session:
            later = actor_of(session, session.get_one(Account, second.id))
        assert said(person.actor) == ["câu hỏi của tôi", "đáp: câu hỏi của tôi"]
        assert said(later) == ["lời người sau", "đáp: lời người sau"]
        assert data_of(later, person.conversation_id)["open_questions"] == []


def test_a_new_device_does_not_show_what_was_said_on_the_one_before(person: Person) -> None:
    """Whoever made the code could have used it: nobody else's eyes on what a member asks."""
    with unit_of_work() as session:
        here = talk(session, session.get_one(Account, person.account_id), "web", "key-2", "lời ở máy mới").id
    data = data_of(person.actor, here)
    assert [
        ([message["text"] for message in talk["messages"]], talk["messages_on_another_device"])
        for talk in data["conversations"]
    ] == [([], 2), (["lời ở máy mới", "đáp: lời ở máy mới"], 0)]
    assert data["open_questions"] == []
    assert "câu hỏi của tôi" not in export.as_json(data).decode()
    assert "2tinnhắnđượclưu" in text_of(export.as_pdf(data))


def test_a_member_who_never_signed_in_gets_the_record(person: Person) -> None:
    with unit_of_work() as session:
        member = register.add(session, SYSTEM, unit_id=person.units.b1, name="Trần Văn Bách", private=Private())
    data = data_of(Actor(uuid.uuid4(), "Trần Văn Bách", (), member.id))
    assert data["register"]["name"] == "Trần Văn Bách"
    assert (data["account"], data["sign_ins"], data["conversations"], data["open_questions"]) == (None, [], [], [])
    assert export.as_pdf(data).startswith(b"%PDF-")


def test_somebody_outside_the_register_has_no_data_here(person: Person) -> None:
    with pytest.raises(NotVisibleError):
        data_of(Actor(uuid.uuid4(), "Người lạ"))


def test_handing_over_is_entered_in_the_ledger_and_the_log(person: Person) -> None:
    with unit_of_work() as session:
        data = export.hand_over(session, person.actor, channel="web")
    assert [row["kind"] for row in data["requests"]] == ["correction", "export"]
    with unit_of_work() as session:
        row = session.scalars(select(DataRequest).where(DataRequest.kind == "export")).one()
        assert (row.state, row.channel, row.member_id) == ("done", "web", person.member_id)
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "member.exported")).one()
        assert (entry.actor_id, entry.subject, entry.unit_id) == (person.account_id, person.member_id, person.units.a1)
        assert audit.verify(session).fault is None


def test_json_is_readable_and_gives_the_data_back(person: Person) -> None:
    data = data_of(person.actor, person.conversation_id)
    content = export.as_json(data)
    assert json.loads(content) == data
    assert '\n    "name": "Lê Ưng Ỷ",\n' in content.decode()


def test_pdf_says_everything_in_vietnamese_letters(person: Person) -> None:
    with unit_of_work() as session:
        member = session.get_one(Member, person.member_id)
        conversation = session.get_one(Conversation, person.conversation_id)
        inbox.receive(session, conversation, message_id="all", text=f"{LETTERS} {LETTERS.upper()} 😀")
        assert member.name == "Lê Ưng Ỷ"
    content = export.as_pdf(data_of(person.actor, person.conversation_id))
    words = text_of(content)
    for line in (
        "Dữ liệu của tôi", "1. Hồ sơ trong sổ", "Lê Ưng Ỷ", "12345678", "001165012345", "0905060708", "05/09/1965",
        "xã Mới", "Chi hội Đầu Nguồn", "Trước khi nhập tệp danh sách.xlsx", "Điện thoại: 0901111111",
        "Tình trạng", "Vai trò: Bí thư chi bộ", "Thiết bị: Chrome, Android", "Mã đăng nhập một lần",
        "3. Đồng ý", "Lưu những gì", f"Mã biên nhận {person.receipt}", "Quê quán: xã Mong Muốn", "Lý do: vì sai",
        "hỏi người phụ trách", "câu hỏi của tôi", "đáp: câu hỏi của tôi", "Thêm hồ sơ, 10:04 ngày 02/03/2026",
        "Lập lúc 10:04 ngày 02/03/2026 (giờ Việt Nam)", LETTERS, LETTERS.upper(), export_pdf.MISSING,
    ):  # fmt: skip
        assert "".join(line.split()) in words, line
    assert "##" not in words
    assert b"/URI" not in content
    assert re.findall(rb"/Lang \((.*?)\)", content) == [b"vi"]


def test_long_talks_run_over_pages_with_numbers(person: Person) -> None:
    data = data_of(person.actor, person.conversation_id)
    data["conversations"][0]["messages"] *= 60
    words = text_of(export.as_pdf(data))
    assert words.count("câuhỏicủatôi") >= 120
    assert "Trang3/" in words


def text_of(pdf: bytes) -> str:
    """The letters of a PDF in the order in which they are drawn, without blanks, by its own tables of letters."""
    objects = {int(number): body for number, body in re.findall(rb"(\d+) 0 obj\n(.*?)endobj", pdf, re.DOTALL)}
    fonts: dict[bytes, dict[int, str]] = {}
    for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", pdf):
        table = re.search(rb"/ToUnicode (\d+) 0 R", objects[int(number)])
        if table:
            fonts[name] = letters(stream(objects[int(table[1])]).decode("ascii"))
    words, font = [], {}
    for number in sorted(objects):
        if b"/Contents" not in objects[number]:
            continue
        page = re.search(rb"/Contents (\d+) 0 R", objects[number])
        assert page
        for chosen, drawn in re.findall(
            rb"/(F\d+) [\d.]+ Tf|\(((?:[^\\()]|\\.)*)\)", stream(objects[int(page[1])]), re.DOTALL
        ):
            if chosen:
                font = fonts[chosen]
                continue
            plain = re.sub(
                rb"\\(.)", lambda found: {b"r": b"\r", b"n": b"\n"}.get(found[1], found[1]), drawn, flags=re.DOTALL
            )
            words += [font.get(int.from_bytes(plain[at : at + 2]), "?") for at in range(0, len(plain), 2)]
    return "".join("".join(words).split())


def stream(body: bytes) -> bytes:
    content = body.split(b"stream\n", 1)[1].rsplit(b"\nendstream", 1)[0]
    return zlib.decompress(content) if b"/FlateDecode" in body else content


def letters(table: str) -> dict[int, str]:
    """Glyph → letter, of a ToUnicode table."""
    found = {}
    for code, letter in re.findall(r"^<([0-9A-F]{4})> <([0-9A-F]+)>$", table, re.MULTILINE):
        found[int(code, 16)] = bytes.fromhex(letter).decode("utf-16-be")
    for first, last, letter in re.findall(r"^<([0-9A-F]{4})> <([0-9A-F]{4})> <([0-9A-F]{4})>$", table, re.MULTILINE):
        for code in range(int(first, 16), int(last, 16) + 1):
            found[code] = chr(int(letter, 16) + code - int(first, 16))
    return found
