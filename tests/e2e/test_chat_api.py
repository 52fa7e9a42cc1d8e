"""The chat's HTTP contract against the whole installation, engine included."""

from __future__ import annotations

import json
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from tests.e2e.installation import Installation, Member, eventually

QUOTE = "2. Hội viên bị mất thẻ phải báo với chi hội trong thời hạn 07 ngày; thẻ được cấp lại trong thời hạn 15 ngày kể từ ngày chi hội nhận được đề nghị."
ASKED = "Hội viên bị mất thẻ phải báo với chi hội trong mấy ngày?"
SEND = "Gửi câu hỏi này, không kèm tên"
FAR_OFF = "Cách nấu phở bò ngon tại nhà cần những gia vị gì?"


@pytest.fixture
def member(installation: Installation) -> Iterator[Member]:
    with closing(Member(installation.address)) as somebody:
        yield somebody


@pytest.mark.parametrize(
    "words", [ASKED, unicodedata.normalize("NFD", ASKED), "hoi vien bi mat the phai bao voi chi hoi trong may ngay"]
)
def test_a_question_gets_the_exact_words_and_their_place(member: Member, words: str) -> None:
    answer = member.ask(words)
    [first, *_] = answer["citations"]
    assert first["quote"] == QUOTE
    assert QUOTE in answer["text"]
    assert (first["article"], first["clause"], first["point"]) == ("17", "2", None)
    assert first["document"] == {
        "number": "01/2024/ĐL-HBĐSX",
        "title": "Điều lệ Hội Bạn đọc Sông Xanh",
        "issued_on": "2024-03-15",
        "issuer": first["document"]["issuer"],
        "status": "in_force",
    }
    page = member.client.get(first["url"])
    assert page.status_code == 200
    assert f'id="{first["url"].partition("#")[2]}"' in page.text


def test_the_same_id_twice_is_one_message(member: Member) -> None:
    body = {"id": str(uuid.uuid4()), "text": "xin chào"}
    assert [member.post(body).status_code for _ in range(3)] == [202, 202, 202]
    member.answer_to(body["id"])
    assert member.answers() == {body["id"]: 1}
    assert [line["text"] for line in member.history()["messages"] if line["role"] == "member"] == ["xin chào"]


def test_events_resume_after_the_last_one_seen(member: Member) -> None:
    first, second = member.say("xin chào"), None
    member.answer_to(first)
    with member.listening() as seen:
        eventually(lambda: len(seen) == 1)
        second = member.say("cảm ơn")
        eventually(lambda: len(seen) == 2)
    assert [reply["in_reply_to"] for _, reply in seen] == [first, second]
    assert [event for event, _ in seen] == sorted(event for event, _ in seen)
    with member.listening(last_event_id=seen[0][0]) as resumed:
        eventually(lambda: len(resumed) == 1)
    assert resumed == seen[1:]
    assert member.history()["last_event_id"] == seen[1][0]


def test_a_question_without_an_answer_reaches_a_person_and_the_answer_comes_back(
    installation: Installation, member: Member
) -> None:
    answer = member.ask(FAR_OFF)
    assert answer["citations"] == []
    [choice] = [choice for choice in answer["choices"] if choice["title"] == SEND]
    assert installation.json("questions", "list") == []
    member.answer_to(member.say(choice=choice["token"]))
    [kept] = installation.json("questions", "list")
    assert {**kept, "id": 0, "asked_on": ""} == {"id": 0, "question": FAR_OFF, "asked_on": "", "answered": False}
    assert len(kept["asked_on"]) == len("2026-01-31")
    installation.run("questions", "answer", str(kept["id"]), "Việc này nằm ngoài quy định của Hội.")
    given = eventually(
        lambda: [line for line in member.history()["messages"] if "nằm ngoài quy định của Hội" in line["text"]]
    )
    assert FAR_OFF in given[0]["text"]
    assert installation.json("questions", "list")[0]["answered"] is True
    installation.run("questions", "answer", str(kept["id"]), "lần nữa", expect=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("xin chào", "Xin chào"),
        ("chao ban", "Xin chào"),
        ("bạn là người hay máy vậy", "Tôi là máy"),
        ("giúp tôi với, dùng thế nào", None),
        ("thôi dừng lại", None),
    ],
)
def test_small_talk(member: Member, words: str, said: str | None) -> None:
    answer = member.ask(words)
    assert answer["citations"] == []
    assert answer["text"].startswith(said or "")


@pytest.mark.parametrize(
    "words", ["/restart", "/session_start", "/help{}", "/send_question", "/ /stop", "👍👍👍", "<b>?</b>"]
)
def test_what_looks_like_a_command_is_only_text(installation: Installation, member: Member, words: str) -> None:
    before = installation.json("questions", "list")
    answer = member.ask(words)
    assert answer["citations"] == []
    assert answer["text"]
    assert installation.json("questions", "list") == before


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (json.dumps({"id": str(uuid.uuid4()), "text": ""}).encode(), {}, 422, "empty"),
        (json.dumps({"id": str(uuid.uuid4()), "text": " \u200b\x00 "}).encode(), {}, 422, "empty"),
        (json.dumps({"id": str(uuid.uuid4()), "text": "\ud800"}).encode(), {}, 422, "empty"),
        (json.dumps({"id": str(uuid.uuid4()), "text": "dài " * 2500}).encode(), {}, 413, "too_long"),
        (b"x" * 100_000, {}, 413, "too_long"),
        (json.dumps({"id": "7", "text": "chào"}).encode(), {}, 422, "bad_message"),
        (json.dumps({"text": "chào"}).encode(), {}, 422, "bad_message"),
        (json.dumps(["chào"]).encode(), {}, 422, "bad_message"),
        (b"{", {}, 400, "bad_json"),
        (b"[" * 30_000, {}, 400, "bad_json"),
        ('{"text": "chào"}'.encode("utf-16"), {}, 400, "bad_encoding"),
        (b'{"text": "ch\xe0o"}', {}, 400, "bad_encoding"),
        (b"text=x", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "not_json"),
        (
            json.dumps({"id": str(uuid.uuid4()), "text": "", "choice": "x" * 24}).encode(),
            {},
            422,
            "unknown_choice",
        ),
    ],
)
def test_bad_input_is_a_clear_message_and_nothing_is_kept(
    member: Member, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    response = member.client.post(
        "/api/chat/messages", content=content, headers={"Content-Type": "application/json", **headers}
    )
    assert response.status_code == status
    error = response.json()["error"]
    assert error["code"] == code
    assert error["message"].endswith(".")
    assert member.history()["messages"] == []


def test_one_member_never_sees_anothers_conversation(installation: Installation, member: Member) -> None:
    member.ask("xin chào")
    with closing(Member(installation.address)) as other:
        assert other.history() == {"messages": [], "last_event_id": 0}
    forged = httpx.get(f"{installation.address}/api/chat/history", cookies={"sotay_session": "x" * 43})
    assert forged.json() == {"messages": [], "last_event_id": 0}


def test_actions_answer_only_to_the_engine(installation: Installation) -> None:
    call = {"next_action": "action_ask", "tracker": {"latest_message": {"text": "hội phí"}}, "domain": {}}
    response = httpx.post(f"{installation.address}/internal/actions", json=call)
    assert response.status_code == 403
    wrong = httpx.post(f"{installation.address}/internal/actions", json=call, headers={"X-Sotay-Secret": "x" * 43})
    assert wrong.status_code == 403


def test_the_interface_is_described_without_scripts_from_elsewhere(installation: Installation) -> None:
    described = httpx.get(f"{installation.address}/openapi.json").json()
    assert {"/api/chat/messages", "/api/chat/events", "/api/chat/history", "/health"} <= set(described["paths"])
    assert not any(path.startswith("/internal") for path in described["paths"])
    assert httpx.get(f"{installation.address}/docs").status_code == 404


def test_every_answer_carries_the_security_headers(installation: Installation) -> None:
    for path in ("/", "/documents", "/health", "/api/chat/history", "/static/base.css", "/nothing"):
        response = httpx.get(f"{installation.address}{path}")
        assert "script-src 'unsafe" not in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
