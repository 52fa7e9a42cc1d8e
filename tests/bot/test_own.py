"""A member's own matters in the chat: signed in, visiting, handled twice, on a shared phone, without the engine."""

from __future__ import annotations

import re
import unicodedata
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy import text as sql
from sqlalchemy.orm import Session

from bot.actions import own
from bot.actions.about import About
from bot.actions.ask import Ask
from bot.actions.base import Said, TalkAction
from bot.actions.help import Help
from bot.actions.out_of_scope import OutOfScope
from bot.actions.talk import action_of
from bot.actions.without_engine import answer_without_engine
from core import clock
from core.database import unit_of_work
from core.engine import EngineError
from core.settings import settings
from core.text import syllables
from knowledge import questions
from members import consent, register, requests, sessions
from members.access import NotVisibleError, Role
from members.models import DataRequest, Member, SignIn
from messaging import inbox, outbox, turns
from messaging.models import InboxMessage, IssuedChoice
from messaging.reply import Reply
from messaging.turns import Turn
from tests.people import Units, actor, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

NAME = "Nguyễn Thị Bưởi"
PRIVATE = register.Private(
    card_number="12345678",
    citizen_number="030165001234",
    phone="0912000111",
    date_of_birth=date(1965, 9, 5),
    joined_on=date(1990, 2, 3),
    home_town="Xã Đồng Mai",
)
MONDAY = datetime(2026, 11, 9, 2, 0, tzinfo=UTC)
BUTTONS = ("cancel", "confirm_erase_conversation", "confirm_erasure", "confirm_withdrawal", "erase_conversation")
RECEIPT = re.compile(r"YC-[0-9A-Z]{4}-[0-9A-Z]{4}")


def conversation(key: str = "a") -> uuid.UUID:
    with unit_of_work() as session:
        return inbox.open_conversation(session, channel="web", external_id=key).id


def said(text: str, talk: uuid.UUID, message_id: str = "m1", **payload: Any) -> Said:
    return Said(text, message_id, talk, payload)


@dataclass(frozen=True)
class Signed:
    """Somebody who is signed in on a conversation."""

    member_id: uuid.UUID
    talk: uuid.UUID
    sign_in: str


def enter(session: Session, units: Units, name: str, private: register.Private) -> uuid.UUID:
    administrator = actor(session, "Quản trị", (Role.ADMINISTRATOR, units.province))
    return register.add(session, administrator, unit_id=units.a1, name=name, private=private).id


def sign_in(member_id: uuid.UUID, name: str, talk: uuid.UUID) -> Signed:
    with unit_of_work() as session:
        account = make_account(session, name, member_id=member_id)
        sessions.start_member(session, account, conversation_id=talk, channel="web", device="Thử")
        consent.give(session, member_id, consent.current(session).id, channel="web")
        session.get_one(Member, member_id).registered_at = clock.now()
        found = sessions.resolve_member(session, talk)
        assert found is not None
        return Signed(member_id, talk, str(found.sign_in_id))


@pytest.fixture
def units() -> Units:
    with unit_of_work() as session:
        return make_units(session)


@pytest.fixture
def signed(units: Units) -> Signed:
    with unit_of_work() as session:
        member_id = enter(session, units, NAME, PRIVATE)
    return sign_in(member_id, NAME, conversation())


def kept_requests() -> list[tuple[str, str, str, uuid.UUID | None]]:
    with unit_of_work() as session:
        rows = session.scalars(select(DataRequest).order_by(DataRequest.id))
        return [(row.kind, row.state, row.channel, row.member_id) for row in rows]


def receipt_in(reply: Reply) -> str:
    [found] = RECEIPT.findall(reply.text)
    return str(found)


def links(reply: Reply) -> list[str]:
    return [suggestion.url for suggestion in reply.suggestions]


def payloads(reply: Reply) -> list[dict[str, Any] | None]:
    return [choice.payload for choice in reply.choices]


# ---- signed in


def test_the_profile_names_the_member_and_the_unit_and_nothing_private(signed: Signed) -> None:
    reply = own.MyProfile().reply(said("hồ sơ của tôi", signed.talk))
    units = "Chi hội Đầu Nguồn – Hội huyện Đồng Mai – Hội Bạn đọc tỉnh Sông Xanh"
    assert reply.text.startswith(f"Đồng chí là {NAME}, {units}. ")
    assert links(reply) == ["/me"]
    told = reply.model_dump_json()
    assert PRIVATE.home_town is not None
    for value in ("12345678", "030165001234", "0912000111", "1965", "1990", PRIVATE.home_town):
        assert value not in told


def test_my_data_is_a_request_of_access_once_for_each_message(signed: Signed) -> None:
    first = own.MyData().reply(said("dữ liệu của tôi", signed.talk))
    again = own.MyData().reply(said("dữ liệu của tôi", signed.talk))
    assert first == again
    assert links(first) == ["/me"]
    assert kept_requests() == [("access", "done", "web", signed.member_id)]
    with unit_of_work() as session:
        assert session.scalars(select(DataRequest.receipt)).all() == [receipt_in(first)]


def test_erasure_needs_the_tap_and_the_same_tap_is_one_request(signed: Signed) -> None:
    explained = own.EraseMyData().reply(said("xóa dữ liệu của tôi", signed.talk))
    assert payloads(explained) == [
        {"intent": "confirm_erasure", "sign_in": signed.sign_in},
        {"intent": "erase_conversation"},
        {"intent": "cancel"},
    ]
    assert kept_requests() == []
    tap = said("Gửi yêu cầu xóa dữ liệu", signed.talk, "m2", **(payloads(explained)[0] or {}))
    with clock.fixed(MONDAY):
        confirmed = own.ConfirmErasure().reply(tap)
    assert own.ConfirmErasure().reply(tap) == confirmed
    assert "chậm nhất ngày 11/11/2026" in confirmed.text
    assert links(confirmed) == [f"/receipts/{receipt_in(confirmed)}"]
    assert kept_requests() == [("erasure", "received", "web", signed.member_id)]


def test_a_button_of_an_earlier_sign_in_confirms_nothing(signed: Signed, units: Units) -> None:
    """A shared phone: the next member must not send the request of the one before."""
    with unit_of_work() as session:
        other = enter(session, units, "Trần Văn Mít", register.Private(card_number="87654321"))
    sign_in(other, "Trần Văn Mít", signed.talk)
    erasing = said("Gửi yêu cầu xóa dữ liệu", signed.talk, intent="confirm_erasure", sign_in=signed.sign_in)
    assert own.ConfirmErasure().reply(erasing).text.startswith("Khi đồng chí gửi yêu cầu xóa")
    withdrawing = said("Rút lại đồng ý", signed.talk, intent="confirm_withdrawal", sign_in=signed.sign_in)
    assert own.ConfirmWithdrawal().reply(withdrawing).text.startswith("Rút lại đồng ý xong")
    assert kept_requests() == []
    with unit_of_work() as session:
        assert consent.has_given(session, other) is True


def test_withdrawal_needs_the_tap_signs_out_and_says_the_same_when_handled_again(signed: Signed) -> None:
    explained = own.WithdrawConsent().reply(said("rút lại đồng ý", signed.talk))
    assert payloads(explained) == [{"intent": "confirm_withdrawal", "sign_in": signed.sign_in}, {"intent": "cancel"}]
    with unit_of_work() as session:
        assert consent.has_given(session, signed.member_id) is True
    tap = said("Rút lại đồng ý", signed.talk, "m2", **(payloads(explained)[0] or {}))
    done = own.ConfirmWithdrawal().reply(tap)
    assert done.text.startswith("Đã rút lại đồng ý và đăng xuất mọi máy của đồng chí. Mã biên nhận: YC-")
    assert own.ConfirmWithdrawal().reply(tap) == done
    assert kept_requests() == [("withdrawal", "done", "web", signed.member_id)]
    with unit_of_work() as session:
        assert consent.has_given(session, signed.member_id) is False
        assert sessions.resolve_member(session, signed.talk) is None


def test_signing_in_again_says_as_whom(signed: Signed) -> None:
    reply = own.SignIn().reply(said("đăng nhập", signed.talk))
    assert reply.text.startswith(f"Đồng chí đang đăng nhập ở đây với tên {NAME}. Khi đổi điện thoại")
    assert "máy này được đăng xuất" in reply.text
    assert links(reply) == ["/me"]


def test_somebody_erased_a_moment_ago_is_a_visitor(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise NotVisibleError

    monkeypatch.setattr(register, "own_profile", gone)
    visitor = own.MyProfile().to_visitor(said("hồ sơ của tôi", signed.talk))
    assert own.MyProfile().reply(said("hồ sơ của tôi", signed.talk)) == visitor


# ---- visiting


VISITS: list[tuple[type[TalkAction], str, list[str], list[str]]] = [
    (own.MyProfile, "Muốn xem hoặc đề nghị sửa hồ sơ của mình, đồng chí cần đăng nhập.", ["/sign-in"], []),
    (own.MyData, "Ở đây chưa có ai đăng nhập", ["/sign-in"], ["erase_conversation"]),
    (own.EraseMyData, "Ở đây chưa có ai đăng nhập.", ["/sign-in"], ["erase_conversation", "cancel"]),
    (own.ConfirmErasure, "Ở đây chưa có ai đăng nhập.", ["/sign-in"], ["erase_conversation", "cancel"]),
    (own.WithdrawConsent, "Ở đây chưa có ai đăng nhập, nên không có sự đồng ý nào để rút lại", ["/sign-in"], []),
    (own.ConfirmWithdrawal, "Ở đây chưa có ai đăng nhập, nên không có sự đồng ý nào", ["/sign-in"], []),
    (own.SignIn, "Đồng chí xin bí thư chi bộ một mã đăng nhập (12 chữ số", ["/sign-in"], []),
]


@pytest.mark.parametrize(("action", "begins", "pages", "buttons"), VISITS)
def test_a_visitor_hears_the_same_whoever_is_in_the_register(
    units: Units, action: type[TalkAction], begins: str, pages: list[str], buttons: list[str]
) -> None:
    talk = conversation()
    spoken = said(f"tôi là {NAME}, số thẻ 12345678", talk)
    before = action().reply(spoken)
    with unit_of_work() as session:
        member_id = enter(session, units, NAME, PRIVATE)
    sign_in(member_id, NAME, conversation("another phone"))
    assert action().reply(spoken) == before
    assert before.text.startswith(begins)
    assert links(before) == pages
    assert [(payload or {})["intent"] for payload in payloads(before)] == buttons
    assert kept_requests() == []


def test_an_ended_or_disabled_sign_in_is_a_visit(signed: Signed) -> None:
    with unit_of_work() as session:
        session.get_one(SignIn, uuid.UUID(signed.sign_in)).ended_at = clock.now()
    assert own.MyProfile().reply(said("hồ sơ của tôi", signed.talk)).text.startswith("Muốn xem")


# ---- erasing a conversation


def receive(talk: uuid.UUID, message_id: str, text: str, *, choice: str | None = None) -> int:
    with unit_of_work() as session:
        found = inbox.open_conversation(session, channel="web", external_id="a")
        assert found.id == talk
        assert inbox.receive(session, found, message_id=message_id, text=text, choice=choice)
        number = session.scalar(select(InboxMessage.id).where(InboxMessage.message_id == message_id))
        assert number is not None
        return number


class NoEngine:
    """The engine is away: the worker answers by itself."""

    def send(self, *_: object, **__: object) -> list[dict[str, Any]]:
        raise EngineError("away")

    def replies_of(self, *_: object) -> list[dict[str, Any]] | None:
        raise EngineError("away")

    def new_session(self, *_: object) -> None:
        raise EngineError("away")


def answer(number: int) -> None:
    turns.handle(number, engine=NoEngine(), without_engine=answer_without_engine)


def history(talk: uuid.UUID) -> list[dict[str, Any]]:
    with unit_of_work() as session:
        return outbox.history(session, talk)


def tap(talk: uuid.UUID, message_id: str, title: str) -> int:
    [token] = [choice["token"] for choice in history(talk)[-1]["choices"] if choice["title"] == title]
    return receive(talk, message_id, "", choice=token)


def test_a_visitor_erases_the_conversation_and_one_exchange_is_left() -> None:
    talk = conversation()
    answer(receive(talk, "m1", "xin chào, tôi tên là Bưởi"))
    with unit_of_work() as session:
        questions.send(session, question="Tôi là Bưởi, hội phí?", conversation_id=talk, message_id="m1")
    answer(receive(talk, "m2", "xóa dữ liệu của tôi"))
    answer(tap(talk, "m3", "Xóa cuộc trò chuyện này"))
    assert [line["id"] for line in history(talk) if line["role"] == "member"] == ["m1", "m2", "m3"]
    erasing = tap(talk, "m4", "Xóa cuộc trò chuyện")
    later = receive(talk, "m5", "xin chào")  # sent before the answer has come
    answer(erasing)
    answer(later)
    left = [(line["role"], line["id"] if line["role"] == "member" else line["text"]) for line in history(talk)]
    assert [entry for entry in left if entry[0] == "member"] == [("member", "m4"), ("member", "m5")]
    [erased, greeted] = [line for line in history(talk) if line["role"] == "bot"]
    assert (erased["clears"], erased["in_reply_to"]) == (True, "m4")
    assert erased["text"].startswith("Đã xóa cuộc trò chuyện.")
    assert "clears" not in greeted
    with unit_of_work() as session:
        assert questions.list_questions(session) == []
        assert set(session.scalars(select(IssuedChoice.title))) == set(settings().suggestions)


def test_erasing_forgets_in_the_engine_after_the_turn_under_way() -> None:
    talk = conversation()
    receive(talk, "m1", "xin chào")
    own.ConfirmEraseConversation().reply(said("Xóa", talk, intent="confirm_erase_conversation"))
    with unit_of_work() as session:
        jobs = session.execute(
            sql("select task_name, lock, args from procrastinate_jobs where task_name <> 'messaging.handle'")
        ).all()
    assert [tuple(job) for job in jobs] == [
        ("members.forget_in_engine", f"conversation:{talk}", {"conversation_id": str(talk), "subject": None})
    ]


def test_erasing_is_asked_once_more_and_touches_no_other_conversation() -> None:
    talk, other = conversation(), conversation("b")
    receive(talk, "m1", "câu riêng")
    with unit_of_work() as session:
        found = inbox.open_conversation(session, channel="web", external_id="b")
        inbox.receive(session, found, message_id="m1", text="của người khác")
    reply = own.EraseConversation().reply(said("Xóa cuộc trò chuyện này", talk))
    assert payloads(reply) == [{"intent": "confirm_erase_conversation"}, {"intent": "cancel"}]
    typed = own.ConfirmEraseConversation().reply(said("xóa", talk))  # without the button's payload
    assert typed == reply
    assert [line["text"] for line in history(talk)] == ["câu riêng"]
    receive(talk, "m2", "xóa")
    own.ConfirmEraseConversation().reply(said("xóa", talk, "m2", intent="confirm_erase_conversation"))
    own.ConfirmEraseConversation().reply(said("xóa", talk, "unknown", intent="confirm_erase_conversation"))
    assert [line["text"] for line in history(talk)] == ["xóa"]
    assert [line["text"] for line in history(other)] == ["của người khác"]


def test_a_member_stays_signed_in_when_only_the_conversation_is_erased(signed: Signed) -> None:
    receive(signed.talk, "m1", "hội phí?")
    receive(signed.talk, "m2", "xóa")
    own.ConfirmEraseConversation().reply(said("xóa", signed.talk, "m2", intent="confirm_erase_conversation"))
    with unit_of_work() as session:
        assert sessions.resolve_member(session, signed.talk) is not None
    assert kept_requests() == []


def test_cancel_changes_nothing(signed: Signed) -> None:
    assert own.Cancel().reply(said("Thôi", signed.talk)) == Reply(
        text="Đã thôi, không có gì thay đổi. Đồng chí cứ hỏi tiếp khi cần."
    )
    assert kept_requests() == []


# ---- codes typed into the chat


@pytest.mark.parametrize(
    "text",
    [
        "1234 5678 9012",
        "123456789012",
        "mã 1234 5678 9012",
        "ma cua toi la 1234-5678-9012",
        "mã 1234.5678.9012 đây cháu",
    ],
)
@pytest.mark.parametrize("action", [Ask, OutOfScope, own.SignIn])
def test_a_code_is_sent_to_the_page_and_neither_redeemed_nor_kept_for_a_person(
    action: type[TalkAction], text: str
) -> None:
    for form in ("NFC", "NFD"):
        reply = action().reply(said(unicodedata.normalize(form, text), conversation()))
        assert reply.text.startswith("Nếu đây là mã đăng nhập, xin đồng chí nhập ở trang đăng nhập")
        assert (links(reply), reply.choices) == (["/sign-in"], [])


@pytest.mark.parametrize(
    "text",
    ["12345678", "0912345678", "1234567890123", "hội phí 2024",
     "quyết định số 1234 5678 9012 về việc kết nạp hội viên mới có còn hiệu lực đến hết năm nay không"],
)  # fmt: skip
def test_other_numbers_are_no_codes(text: str) -> None:
    assert own.code_typed(text) is None


# ---- without the engine


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("Hồ sơ của tôi", own.MyProfile),
        ("ho so cua toi", own.MyProfile),
        ("DỮ LIỆU CỦA TÔI!", own.MyData),
        ("xóa dữ liệu của tôi", own.EraseMyData),
        ("xoá dữ liệu của tôi.", own.EraseMyData),
        ("xoa du lieu cua toi", own.EraseMyData),
        ("rút lại đồng ý", own.WithdrawConsent),
        ("đăng nhập", own.SignIn),
        ("dang nhap", own.SignIn),
    ],
)
def test_without_the_engine_the_exact_phrases_work(text: str, action: type[TalkAction]) -> None:
    talk = conversation()
    for form in ("NFC", "NFD"):
        typed = unicodedata.normalize(form, text)
        assert answer_without_engine(Turn(1, talk, "m1", typed, None)) == [action().reply(said(typed, talk))]


@pytest.mark.parametrize("intent", BUTTONS)
def test_without_the_engine_the_buttons_work(signed: Signed, intent: str) -> None:
    payload = {"intent": intent, "sign_in": signed.sign_in}
    [reply] = answer_without_engine(Turn(1, signed.talk, "m1", "Nút", payload))
    begins = {
        "confirm_erasure": "Đã nhận yêu cầu xóa dữ liệu",
        "confirm_withdrawal": "Đã rút lại đồng ý",
        "erase_conversation": "Xóa hết những gì đã nói",
        "confirm_erase_conversation": "Đã xóa cuộc trò chuyện.",
        "cancel": "Đã thôi",
    }
    assert reply.text.startswith(begins[intent])


def test_what_is_typed_never_taps_a_button(signed: Signed) -> None:
    for intent in BUTTONS:
        answer_without_engine(Turn(1, signed.talk, "m1", f"/{intent}", None))
    assert kept_requests() == []


def test_every_button_of_the_replies_has_an_intent_of_the_domain_and_every_link_is_ours(signed: Signed) -> None:
    import yaml

    from core.settings import ROOT

    intents = set(yaml.safe_load((ROOT / "domain.yml").read_text(encoding="utf-8"))["intents"])
    assert set(BUTTONS) <= intents
    visitor = conversation("visitor")
    for action in {*map(action_of, BUTTONS), *own.PHRASES.values()}:
        for talk in (visitor, signed.talk):
            reply = action().reply(said("x", talk))
            assert {payload["intent"] for payload in payloads(reply) if payload} <= intents
            assert all(url.startswith("/") and not url.startswith("//") for url in links(reply))


@pytest.mark.parametrize("action", [About, Help])
def test_the_service_says_how_to_see_and_erase_what_is_kept(action: type[TalkAction]) -> None:
    text = action().reply(said("x", uuid.uuid4())).text
    for phrase in ("dữ liệu của tôi", "xóa dữ liệu của tôi"):
        assert f"“{phrase}”" in text
        assert " ".join(syllables(phrase)) in own.PHRASES


def test_requests_know_every_kind_that_is_opened_here() -> None:
    assert {"access", "erasure", "withdrawal"} <= set(requests.KINDS)
