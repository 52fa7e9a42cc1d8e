"""A person is planted in every place that can hold one, erased, and looked for."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, text

from core import audit, clock, crypto, erased
from core.audit import AuditEntry
from core.database import Base, unit_of_work
from core.engine import SECRET_HEADER, EngineClient, EngineUnavailable
from forms import definition
from forms import engine as forms
from forms.models import FormDraft
from forms.steps import Text
from knowledge import questions
from knowledge.models import OpenQuestion
from members import codes, consent, erasure, export, register, requests, sessions
from members.access import SYSTEM, NotVisibleError, Role
from members.erasure import ErasureError, UnfinishedError
from members.importing import ImportStateError, service, storage, tasks
from members.models import Account, DataRequest, Erasure, Grant, ImportChange, Member, RegisterImport, SignIn
from members.particulars import Private
from members.sign_up_models import SignUp, SignUpPhoto
from messaging import forgetting, inbox, turns
from messaging.models import Conversation, InboxMessage, OutboxMessage
from messaging.reply import Choice, Reply
from sotay.forgetting import TABLES, compact
from tests.members.search_everywhere import in_database, in_files
from tests.people import Units, make_units
from tests.sign_ups import make_waiting

pytestmark = pytest.mark.usefixtures("database")

NAME = "Quách Thị Ngọc Huyền"
CARD = "48151623"
CITIZEN = "079165004217"
PHONE = "0938271604"
HOME = "thôn Vạn Giã Thượng"
OLD_HOME = "xóm Cây Thị Già"
EMAIL = "huyen.quach@thu.example"
SUBJECT = "https://id.thu.example 5f1c9d2e77"
ASKED = "Con gái tôi tên Quách Bảo Châu có được miễn không?"
VALUES = [NAME, CARD, CITIZEN, PHONE, HOME, OLD_HOME, EMAIL, SUBJECT, "Quách Bảo Châu"]
BIRTH = date(1965, 4, 12)
SECRET = "một bí mật dài của bài thử này"
FORM = definition.register(
    definition.Definition(
        name="asks_who_one_is",
        version=1,
        title="thử",
        steps=tuple(
            Text(name=name, prompt=lambda answers: f"Ghi: {answers}", help="Ghi.", reminder="Ghi?")
            for name in ("first", "second")
        ),
    )
)


class Engine:
    """The engine's end of the protocol (``bot/engine_channel.py``), which keeps what it is told, as the real one does."""

    def __init__(self) -> None:
        self.kept: dict[str, list[dict[str, Any]]] = {}
        self.down = False

    def client(self) -> EngineClient:
        return EngineClient("http://127.0.0.1:1", SECRET.encode().hex(), transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        assert request.method == "POST"
        if self.down:
            raise httpx.ConnectError("refused")
        if request.headers.get(SECRET_HEADER) != SECRET.encode().hex():
            return httpx.Response(403, json={"error": "forbidden"})
        body = json.loads(request.content)
        sender = body["sender"]
        match request.url.path.removeprefix("/webhooks/sotay/"):
            case "messages":
                assert set(body) == {"sender", "text", "intent", "metadata"}
                said = {"custom": {"reply": Reply(text=f"Đã nghe: {body['text']}").model_dump(mode="json")}}
                self.kept.setdefault(sender, []).append({**body, "answer": said})
                return httpx.Response(200, json={"messages": [said]})
            case "forget":
                assert set(body) == {"sender"}
                self.kept.pop(sender, None)
                return httpx.Response(200, json={})
        return httpx.Response(404, json={"error": "unknown"})

    def holds(self, value: str) -> bool:
        return value in json.dumps(self.kept, ensure_ascii=False)


@dataclass(frozen=True)
class Planted:
    member_id: uuid.UUID
    account_id: uuid.UUID
    conversation_id: uuid.UUID
    import_id: uuid.UUID
    sealed: list[tuple[uuid.UUID, bytes, str]]
    """Owner, ciphertext and context of what was sealed."""


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def units() -> Units:
    with unit_of_work() as session:
        return make_units(session)


@pytest.fixture
def neighbour(units: Units, engine: Engine) -> Planted:
    """Somebody else, who must lose nothing."""
    return plant(
        units, engine, "Đinh Công Lực", Private(card_number="11223344", home_town="ấp Rạch Chanh"), "Mấy giờ họp?"
    )


@pytest.fixture
def person(units: Units, engine: Engine) -> Planted:
    private = Private(card_number=CARD, citizen_number=CITIZEN, phone=PHONE, date_of_birth=BIRTH, home_town=OLD_HOME)
    return plant(units, engine, NAME, private, ASKED)


def plant(units: Units, engine: Engine, name: str, private: Private, asked: str) -> Planted:
    """A person in every table that can hold one."""
    with unit_of_work() as session:
        member = register.add(session, SYSTEM, unit_id=units.a1, name=name, private=private)
        member_id = member.id
        issued = codes.issue(session, SYSTEM, member_id)
        conversation = inbox.open_conversation(session, channel="web", external_id=f"key of {member_id}").id
    heading = "Mã đơn vị,Họ và tên,Số thẻ,Quê quán,Chức vụ"
    row = f"A1,{name},{private.card_number},{HOME if name == NAME else 'ấp Rạch Chanh Trong'},Tổ trưởng"
    done = tasks.run_now(SYSTEM, file_name=f"{name}.csv", content=f"{heading}\n{row}\n".encode())
    assert (done.imported, done.problems) == (1, [])
    with unit_of_work() as session:
        account = codes.redeem(session, issued.code, conversation_id=conversation, channel="web", device="Thử")
        account.email = account.email_key = EMAIL if name == NAME else "luc@thu.example"
        account.oidc_subject = SUBJECT if name == NAME else None
        account.totp_sealed = crypto.seal(session, account.id, b"JBSWY3DPEHPK3PXP", context="totp")
        session.add(Grant(account_id=account.id, role=Role.SECRETARY.value, unit_id=units.a1, granted_at=clock.now(),
                          revoked_at=clock.now()))  # fmt: skip
        consent.give(session, member_id, consent.current(session).id, channel="web")
        codes.issue(session, SYSTEM, member_id)
        signed = sessions.resolve_member(session, conversation)
        assert signed is not None
    said = [f"Tôi là {name}, số thẻ {private.card_number}", asked, f"điện thoại {private.phone}", "Có ai trả lời chưa?"]
    with unit_of_work() as session:
        talk = session.get_one(Conversation, conversation)
        for number, words in enumerate(said):
            assert inbox.receive(session, talk, message_id=f"m{number}", text=words)
        first = list(session.scalars(select(InboxMessage.id).where(InboxMessage.conversation_id == conversation)))
    for inbox_id in first[:3]:  # the last one still waits when the person is erased
        turns.handle(inbox_id, engine=engine.client(), without_engine=lambda _turn: [])
    with unit_of_work() as session:
        reply = Reply(text=f"Chào {name}", choices=[Choice(title=name, payload={"intent": "x", "words": asked})])
        turns.outbox.send(session, conversation, [reply], origin=f"news {member_id}")
        forms.start(session, FORM.name, conversation_id=conversation, message_id="f1")
        said = forms.answer(
            session, conversation_id=conversation, message_id="f2", text=f"{name}, {private.card_number}"
        )
        assert said is not None
        assert name in said.text  # the next question repeats it: sealed with the answers
        assert questions.send(session, question=asked, conversation_id=conversation, message_id="m1")
        assert questions.send(session, question=f"{name} hỏi thêm", conversation_id=conversation, message_id="m2")
    with unit_of_work() as session:
        answered = session.scalars(select(OpenQuestion).where(OpenQuestion.question == asked)).one()
        questions.answer(session, answered.id, f"Trả lời {name}: được.")
    with unit_of_work() as session:
        requests.open_request(session, signed.actor, kind="export", channel="web")
        refused = requests.open_request(
            session,
            signed.actor,
            kind="correction",
            channel="web",
            wanted={"reason": f"Tôi là {name}"},
            message_key=f"{conversation} k1",
        )
        requests.refuse(session, SYSTEM, requests.find(session, SYSTEM, refused.receipt), answer=f"Bà {name} ghi nhầm.")
        requests.open_request(
            session, signed.actor, kind="correction", channel="web", wanted={"name": name, "home_town": OLD_HOME},
            message_key=f"{conversation} k2",
        )  # fmt: skip
        export.own_data(session, signed.actor)
        make_waiting(
            session,
            member_id,
            unit_id=units.a1,
            fields={"card_number": private.card_number, "full_name": name, "home_town": private.home_town},
        )
        audit.record(session, "member.viewed", actor_id=None, object_type="member", object_id=member_id,
                     subject=member_id, personal={"name": name, "card": private.card_number})  # fmt: skip
    return Planted(member_id, signed.actor.account_id or uuid.UUID(int=0), conversation, done.import_id or uuid.UUID(int=0),
                   list(_sealed(member_id, signed.actor.account_id, conversation)))  # fmt: skip


def _sealed(
    member_id: uuid.UUID, account_id: uuid.UUID | None, conversation_id: uuid.UUID
) -> Iterator[tuple[uuid.UUID, bytes, str]]:
    with unit_of_work() as session:
        yield member_id, session.get_one(Member, member_id).sealed, "member"
        for blob in session.scalars(select(AuditEntry.sealed).where(AuditEntry.subject == member_id)):
            if blob:
                yield member_id, blob, "audit"
        for blob in session.scalars(select(DataRequest.sealed).where(DataRequest.member_id == member_id)):
            if blob:
                yield member_id, blob, "data_request"
        for blob in session.scalars(select(ImportChange.before).where(ImportChange.member_id == member_id)):
            if blob:
                yield member_id, blob, "import_change"
        for row in session.scalars(select(SignUp).where(SignUp.member_id == member_id)):
            assert row.sealed is not None
            yield row.id, row.sealed, "sign_up"
            for photo in session.scalars(select(SignUpPhoto).where(SignUpPhoto.sign_up_id == row.id)):
                yield row.id, photo.sealed, "sign_up_photo"
        draft = session.scalars(select(FormDraft).where(FormDraft.conversation_id == conversation_id)).one()
        assert draft.sealed is not None
        yield draft.id, draft.sealed, "form_draft"
        account = session.get_one(Account, account_id)
        assert account.totp_sealed is not None
        yield account.id, account.totp_sealed, "totp"


def _hashes() -> list[str]:
    return [crypto.lookup_hash(CARD, purpose="card").hex(), crypto.lookup_hash(CITIZEN, purpose="citizen").hex()]


def _everything() -> list[str]:
    return VALUES + _hashes()


def _rows_of(planted: Planted) -> dict[str, int]:
    """How many rows there are about somebody, table by table."""
    with unit_of_work() as session:
        counted = {}
        for table in sorted(Base.metadata.tables.values(), key=lambda table: table.name):
            ids = (planted.member_id, planted.account_id, planted.conversation_id)
            owners = [column for column in table.columns if column.name in (
                "member_id", "account_id", "conversation_id", "owner") or (column.name == "id" and table.name in (
                "member", "account", "conversation"))]  # fmt: skip
            if owners:
                condition = owners[0].in_(ids)
                for column in owners[1:]:
                    condition |= column.in_(ids)
                counted[table.name] = session.scalar(select(func.count()).select_from(table).where(condition)) or 0
        return counted


def _unsealed(planted: Planted) -> int:
    """How many of the sealed values can still be read."""
    readable = 0
    with unit_of_work() as session:
        for owner, blob, context in planted.sealed:
            try:
                crypto.unseal(session, owner, blob, context=context)
            except crypto.KeyDestroyedError:
                continue
            readable += 1
    return readable


def _erase(planted: Planted, engine: Engine) -> str:
    with unit_of_work() as session:
        receipt = erasure.erase(session, planted.member_id)
    _forget_in_engine(planted, engine)
    erasure.finish(planted.member_id)
    return receipt


def _forget_in_engine(planted: Planted, engine: Engine) -> None:
    erasure.forget_in_engine(planted.conversation_id, planted.member_id, engine=engine.client())


def _jobs() -> list[tuple[str, dict[str, Any]]]:
    with unit_of_work() as session:
        rows = session.execute(text("select task_name, args from procrastinate_jobs order by id"))
        return [(row.task_name, row.args) for row in rows]


def test_the_person_is_everywhere_before_and_nowhere_afterwards(
    person: Planted, neighbour: Planted, engine: Engine, data_dir: Path
) -> None:
    with unit_of_work() as session:
        session.execute(text("analyze"))
        session.execute(text("checkpoint"))
    before = in_database(_everything())
    # The search finds each value, and looks into each kind of place: it can fail.
    assert {value for value, _ in before} >= {NAME, CARD, EMAIL, SUBJECT, "Quách Bảo Châu", PHONE, *_hashes()}
    assert {table.removeprefix("public.") for _, table in before} >= {
        "member", "account", "inbox", "outbox", "choice", "open_question", "register_import", "data_request",
    }  # fmt: skip
    assert {"postgres"} <= {file.split("/")[0] for _, file in in_files(data_dir, [NAME])}
    assert engine.holds(NAME)
    assert _unsealed(person) == len(person.sealed)
    assert {context for _, _, context in person.sealed} == {
        "member", "audit", "data_request", "import_change", "totp", "sign_up", "sign_up_photo", "form_draft",
    }  # fmt: skip
    others = _rows_of(neighbour)
    assert all(_rows_of(person)[table] == count for table, count in others.items())

    receipt = _erase(person, engine)

    assert _in_tables(_everything()) == set()
    assert _rows_of(person) == dict.fromkeys(others, 0)
    assert _unsealed(person) == 0
    assert not engine.holds(NAME)
    assert in_files(data_dir, _everything(), but=("postgres",)) == set()
    with unit_of_work() as session:
        chain = audit.verify(session)
        assert chain.fault is None
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "member.erased"))
        assert (entry.subject, entry.sealed, entry.details["receipt"]) == (person.member_id, None, receipt)
        row = session.get_one(Erasure, person.member_id)
        assert row.erased_at is not None
        assert row.reached == {
            "conversation": 1, "inbox": 4, "outbox": 7, "choice": 1, "job": 4, "engine": 1, "import_key": 0,
            "data_request": 3, "import_change": 1, "one_time_code": 2, "consent_event": 1, "sign_in": 1, "role_grant": 1,
            "account": 1, "member": 1, "data_key": 2, "sign_up": 1,
        }  # fmt: skip
    # Nobody else lost anything.
    assert _rows_of(neighbour) == others
    assert _unsealed(neighbour) == len(neighbour.sealed)
    assert engine.holds("Đinh Công Lực")

    # PostgreSQL's own files: deleted rows are in them until the night.
    compact(0)
    assert in_database(_everything()) == set()
    assert in_files(data_dir, _everything()) == set()


def _in_tables(values: list[str]) -> set[tuple[str, str]]:
    """What is found but for the planner's samples, which the night's compaction renews."""
    return {(value, table) for value, table in in_database(values) if table != "pg_catalog.pg_statistic"}


def test_every_table_that_holds_people_is_compacted() -> None:
    exported = {table for table, why in export.TABLES.items() if why == "included"}
    assert exported - set(TABLES) == {"audit_entry", "consent_text", "unit"}


def test_while_the_engine_is_down_the_receipt_says_so(person: Planted, engine: Engine) -> None:
    engine.down = True
    with unit_of_work() as session:
        receipt = erasure.erase(session, person.member_id)
    with pytest.raises(EngineUnavailable):
        _forget_in_engine(person, engine)
    with pytest.raises(UnfinishedError):
        erasure.finish(person.member_id)
    with unit_of_work() as session:
        state = requests.receipt_state(session, receipt)
        assert state is not None
        assert (state.finishing, state.erased_at) == (True, None)
    engine.down = False
    for _ in range(2):  # a job may start twice
        _forget_in_engine(person, engine)
        erasure.finish(person.member_id)
    with unit_of_work() as session:
        state = requests.receipt_state(session, receipt)
        assert state is not None
        assert (state.finishing, state.erased_at is not None) == (False, True)
    assert [(entry.subject, entry.receipt) for entry in erased.remembered()][-1] == (person.member_id, receipt)
    assert not engine.holds(NAME)


def test_jobs_of_the_conversation_go_and_those_of_the_erasure_come(person: Planted) -> None:
    with unit_of_work() as session:
        erasure.erase(session, person.member_id)
    assert _jobs() == [
        (
            forgetting.FORGET_IN_ENGINE,
            {"conversation_id": str(person.conversation_id), "subject": str(person.member_id)},
        ),
        (erasure.FINISH, {"subject": str(person.member_id)}),
    ]


def test_a_turn_under_way_stores_nothing_any_more(person: Planted, engine: Engine) -> None:
    with unit_of_work() as session:
        waiting = session.scalars(
            select(InboxMessage).where(
                InboxMessage.conversation_id == person.conversation_id, InboxMessage.handled_at.is_(None)
            )
        ).one()
    turn = turns.Turn(waiting.id, person.conversation_id, waiting.message_id, waiting.text, None)
    with unit_of_work() as session:
        erasure.erase(session, person.member_id)
    turns.record(turn, [Reply(text=NAME)])
    turns.handle(waiting.id, engine=engine.client(), without_engine=lambda _turn: [])
    with unit_of_work() as session:
        there = OutboxMessage.conversation_id == person.conversation_id
        assert session.scalar(select(func.count()).select_from(OutboxMessage).where(there)) == 0


def test_erasing_is_undone_as_a_whole(person: Planted) -> None:
    before = _rows_of(person)

    def interrupted() -> None:
        with unit_of_work() as session:
            erasure.erase(session, person.member_id)
            raise RuntimeError("cut off")

    with pytest.raises(RuntimeError, match="cut off"):
        interrupted()
    assert _rows_of(person) == before
    assert _unsealed(person) == len(person.sealed)


def test_erasing_twice_gives_the_same_receipt_and_a_stranger_none(person: Planted) -> None:
    with unit_of_work() as session:
        receipt = erasure.erase(session, person.member_id)
    with unit_of_work() as session:
        assert erasure.erase(session, person.member_id) == receipt
        with pytest.raises(NotVisibleError):
            erasure.erase(session, uuid.uuid4())


def test_somebody_of_the_console_is_erased_only_without_a_role(person: Planted, units: Units) -> None:
    with unit_of_work() as session:
        session.add(Grant(account_id=person.account_id, role="auditor", unit_id=units.a, granted_at=clock.now()))
    with unit_of_work() as session, pytest.raises(ErasureError, match="Người kiểm tra nhật ký"):
        erasure.erase(session, person.member_id)
    with unit_of_work() as session:
        session.scalars(select(Grant).where(Grant.role == "auditor")).one().revoked_at = clock.now()
        erasure.erase(session, person.member_id)
    with unit_of_work() as session:
        assert session.get(Account, person.account_id) is None


def test_a_member_who_never_signed_in_is_erased(units: Units) -> None:
    with unit_of_work() as session:
        member = register.add(session, SYSTEM, unit_id=units.b1, name=NAME, private=Private(card_number=CARD))
    with unit_of_work() as session:
        erasure.erase(session, member.id)
    erasure.finish(member.id)
    assert _in_tables([NAME, CARD, *_hashes()]) == set()
    with unit_of_work() as session:
        row = session.get_one(Erasure, member.id)
        assert (row.reached["member"], row.reached["account"], row.reached["engine"]) == (1, 0, 0)
        assert row.erased_at is not None


def test_a_file_that_waits_is_destroyed_so_that_nobody_comes_back_by_it(units: Units, data_dir: Path) -> None:
    content = f"Họ và tên,Đơn vị\n{NAME},B1\n".encode()
    with unit_of_work() as session:
        member = register.add(session, SYSTEM, unit_id=units.b1, name=NAME, private=Private())
        waiting = [service.start(session, SYSTEM, file_name="ds.csv", content=content) for _ in range(2)]
    tasks.check_import(str(waiting[0]))  # the one is looked through, the other is not
    assert list(storage.folder().glob(f"{waiting[0]}*"))
    assert in_files(data_dir / "imports", [NAME]) == set()  # sealed
    with unit_of_work() as session:
        erasure.erase(session, member.id)
    for import_id in waiting:
        tasks.check_import(str(import_id))
        with pytest.raises(ImportStateError), unit_of_work() as session:
            service.confirm(session, SYSTEM, import_id)
        assert not list(storage.folder().glob(f"{import_id}*"))
        with unit_of_work() as session:
            status = service.status(session, SYSTEM, import_id)
            assert (status.state, status.error) == ("cancelled", service.ERASED_MEANWHILE)
    erasure.finish(member.id)
    with unit_of_work() as session:
        assert session.get_one(Erasure, member.id).erased_at is not None
        assert session.scalars(select(Member.name)).all() == []


def test_an_import_that_has_begun_writes_nothing_after_an_erasure(units: Units) -> None:
    content = f"Họ và tên,Đơn vị\n{NAME},B1\n".encode()
    with unit_of_work() as session:
        member = register.add(session, SYSTEM, unit_id=units.a1, name="Người Khác", private=Private())
        begun = service.start(session, SYSTEM, file_name="ds.csv", content=content)
    tasks.check_import(str(begun))
    with unit_of_work() as session:
        service.confirm(session, SYSTEM, begun)
    with unit_of_work() as session:
        erasure.erase(session, member.id)
    with pytest.raises(UnfinishedError):
        erasure.finish(member.id)
    tasks.run_import(str(begun))
    with unit_of_work() as session:
        status = service.status(session, SYSTEM, begun)
        assert (status.state, status.error) == ("failed", service.ERASED_MEANWHILE)
        assert session.scalars(select(Member.name)).all() == []
    erasure.finish(member.id)
    assert not list(storage.folder().glob(f"{begun}*"))


def test_the_key_of_an_import_that_has_ended_is_destroyed(person: Planted) -> None:
    with unit_of_work() as session:
        crypto.create_keys(session, [person.import_id])  # one that an older release left behind
    with unit_of_work() as session:
        erasure.erase(session, person.member_id)
    with unit_of_work() as session:
        assert session.get(crypto.DataKey, person.import_id) is None
        assert session.get_one(Erasure, person.member_id).reached["import_key"] == 1
        assert session.get_one(RegisterImport, person.import_id).file_name == "(đã xóa)"


def test_a_restored_backup_loses_the_person_again(person: Planted, neighbour: Planted, engine: Engine) -> None:
    receipt = "YC-7K3M-9QX2"
    with unit_of_work() as session:  # as restored: everything is there, and a role that had been revoked
        session.scalars(select(Grant).where(Grant.account_id == person.account_id)).one().revoked_at = None
    others = _rows_of(neighbour)
    with unit_of_work() as session:
        assert erasure.erase_again(session, person.member_id, receipt=receipt)
        assert not erasure.erase_again(session, person.member_id, receipt=receipt)
        assert not erasure.erase_again(session, uuid.uuid4())
    _forget_in_engine(person, engine)
    erasure.finish(person.member_id)
    assert _in_tables(_everything()) == set()
    with unit_of_work() as session:
        state = requests.receipt_state(session, receipt)
        assert state is not None
        assert (state.kind, state.state, state.finishing) == ("erasure", "done", False)
    assert _rows_of(neighbour) == others


def test_a_visitor_erases_a_conversation_for_good(person: Planted, neighbour: Planted, engine: Engine) -> None:
    with unit_of_work() as session:
        erasure.forget_conversation(session, person.conversation_id)
    erasure.forget_in_engine(person.conversation_id, None, engine=engine.client())
    with unit_of_work() as session:
        assert session.get(Conversation, person.conversation_id) is None
        assert session.get(Conversation, neighbour.conversation_id) is not None
        left = session.scalars(select(OpenQuestion.question)).all()
        assert sorted(left) == sorted(["Mấy giờ họp?", "Đinh Công Lực hỏi thêm"])
        assert session.get_one(Member, person.member_id).name == NAME
        assert session.scalars(select(SignIn).where(SignIn.account_id == person.account_id)).all() == []
    assert _in_tables(["Quách Bảo Châu"]) == set()
    assert not engine.holds("Quách Bảo Châu")
    # A backup that brings it back loses it again.
    assert erased.remembered()[-1].subject == person.conversation_id
    with unit_of_work() as session:
        session.add(
            Conversation(id=person.conversation_id, channel="web", external_id="z", turns=0, created_at=clock.now())
        )
        session.flush()
        assert erasure.erase_again(session, person.conversation_id)
        assert session.get(Conversation, person.conversation_id) is None
