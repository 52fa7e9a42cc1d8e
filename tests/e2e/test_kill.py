"""Every part is killed in the middle of conversations: no message is lost, none is answered twice."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.e2e.installation import Installation, Member

MEMBERS = 4
QUESTIONS = (
    "xin chào",
    "Hội viên chính thức nộp hội phí bao nhiêu một tháng?",
    "thoi gian du bi la bao lau",
    "khoản 2 Điều 5 Điều lệ",
    "cảm ơn nhé",
)


@pytest.mark.timeout(600)
def test_no_message_is_lost_and_none_answered_twice(installation: Installation) -> None:
    members = [Member(installation.address) for _ in range(MEMBERS)]
    stop = threading.Event()
    failures: list[BaseException] = []

    def talk(member: Member) -> None:
        try:
            number = 0
            while not stop.is_set():
                member.say(QUESTIONS[number % len(QUESTIONS)])
                number += 1
                time.sleep(0.4)
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=talk, args=(member,)) for member in members]
    for thread in threads:
        thread.start()
    for part in ("engine", "worker", "app", "chroma", "postgres"):
        time.sleep(2)
        installation.kill(part)
        time.sleep(3)
    installation.wait_until_ok()
    stop.set()
    for thread in threads:
        thread.join(90)
    assert failures == []
    for member in members:
        assert len(member.sent) >= 10
        for message_id in member.sent:
            member.answer_to(message_id)
        assert member.answers() == dict.fromkeys(member.sent, 1)
        member.close()


def test_a_second_start_keeps_the_data(tmp_path: Path) -> None:
    """Asked while the engine still trains; the second start knows question and answer."""
    made = Installation(tmp_path, DEMO="no")
    made.start()
    member = Member(made.address)
    answer = member.ask("Hội phí bao nhiêu?")
    assert "chưa có văn bản nào" in answer["text"]
    assert made.stop() == 0
    made.start()
    assert [line["text"] for line in member.history()["messages"]] == ["Hội phí bao nhiêu?", answer["text"]]
    member.close()
    assert made.stop() == 0
