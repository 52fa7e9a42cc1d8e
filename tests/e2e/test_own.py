"""A member's own matters through the whole installation, engine included."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from core.settings import ROOT
from tests.e2e.installation import Installation, Member, eventually
from tests.e2e.services import CARD, NAME, PHONE, UNIT

PRIVATE_WORDS = "hội phí của bà Bưởi ở xóm Chợ Cũ là bao nhiêu"


@pytest.fixture
def member(installation: Installation) -> Iterator[Member]:
    with closing(Member(installation.address)) as somebody:
        yield somebody


def service(installation: Installation, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.services", *arguments],
        cwd=ROOT,
        env=installation.environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def tap(member: Member, answer: dict[str, Any], title: str) -> dict[str, Any]:
    [token] = [choice["token"] for choice in answer["choices"] if choice["title"] == title]
    return member.answer_to(member.say(choice=token))


def links(answer: dict[str, Any]) -> list[str]:
    return [suggestion["url"] for suggestion in answer["suggestions"]]


def test_a_visitor_sees_what_is_kept_and_erases_the_conversation(installation: Installation, member: Member) -> None:
    asked = member.say(PRIVATE_WORDS)
    member.answer_to(asked)
    cookie = member.client.cookies["sotay_session"]
    assert service(installation, "engine", cookie, asked) is True
    kept = member.ask("du lieu cua toi")
    assert "Cuộc trò chuyện này chỉ lưu các câu đồng chí đã gõ" in kept["text"]
    assert links(kept) == ["/sign-in"]
    sure = tap(member, kept, "Xóa cuộc trò chuyện này")
    with member.listening(last_event_id=sure["event_id"]) as seen:
        erased = tap(member, sure, "Xóa cuộc trò chuyện")
        eventually(lambda: len(seen) == 1)
    assert erased["clears"] is True
    assert [reply["clears"] for _, reply in seen] == [True]
    assert [line["id"] for line in member.history()["messages"]] == [member.sent[-1], erased["id"]]
    assert member.client.cookies["sotay_session"] == cookie
    eventually(lambda: service(installation, "engine", cookie, asked) is False, 30)
    assert member.ask("xin chào")["text"].startswith("Xin chào")


def test_a_member_sees_the_profile_and_asks_for_erasure(installation: Installation, member: Member) -> None:
    visitor = member.ask("cho tôi xem hồ sơ của tôi")
    assert links(visitor) == ["/sign-in"]
    service(installation, "sign-in", member.client.cookies["sotay_session"])
    profile = member.ask("ho so cua toi")
    assert profile["text"].startswith(f"Đồng chí là {NAME}, {UNIT}.")
    assert links(profile) == ["/me"]
    explained = member.ask("tôi muốn xóa dữ liệu của tôi")
    before = service(installation, "requests")
    confirmed = tap(member, explained, "Gửi yêu cầu xóa dữ liệu")
    [receipt] = re.findall(r"YC-\w{4}-\w{4}", confirmed["text"])
    assert service(installation, "requests") == [*before, ["erasure", receipt]]
    assert links(confirmed) == [f"/receipts/{receipt}"]
    said = json.dumps(member.history(), ensure_ascii=False)
    assert CARD not in said
    assert PHONE not in said


@pytest.mark.parametrize("words", ["mã 1234 5678 9012", "123456789012", "ma dang nhap cua toi la 1234-5678-9012"])
def test_a_code_in_the_chat_is_sent_to_the_page(member: Member, words: str) -> None:
    answer = member.ask(words)
    assert answer["text"].startswith("Nếu đây là mã đăng nhập")
    assert (links(answer), answer["choices"]) == (["/sign-in"], [])


@pytest.mark.parametrize(
    "words", ["hồ sơ xin gia nhập gồm những gì", "ai được xóa tên hội viên trong danh sách", "thong tin ca nhan cua hoi vien co duoc dua cho nguoi ngoai khong"]
)  # fmt: skip
def test_questions_about_rules_stay_questions(member: Member, words: str) -> None:
    assert member.ask(words)["citations"] != []
