"""The engine as it is started: its door, its actions' calls, its memory of a conversation."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bot.model import ROOT, model_path

pytestmark = pytest.mark.filterwarnings("ignore")
SECRET = "a secret of this test run"
BUTTONS = (
    "sign_up_link",
    "form_answer",
    "confirm_erasure",
    "confirm_withdrawal",
    "erase_conversation",
    "confirm_erase_conversation",
    "cancel",
)


LISTEN = [{"event": "session_started"}, {"event": "action", "name": "action_listen"}]
LOOP = [
    {"event": "active_loop", "name": "step_by_step"},
    {"event": "slot", "name": "answer", "value": None},
    {"event": "slot", "name": "requested_slot", "value": "answer"},
]
# The answer's slot, too: without it the engine takes an unfilled answer for a refusal, and lets the intent's rule speak as well.
NO_LOOP = [LOOP[1], {"event": "slot", "name": "requested_slot", "value": None}]
ASK = "action_ask_step_by_step_answer"


class Actions(BaseHTTPRequestHandler):
    """Stands for the application: every action replies with its own name and what it was told.

    Signing up opens a form for the senders in ``forms``, which "dừng" ends; a text of two words and more is answered in between.
    """

    protocol_version = "HTTP/1.1"
    calls: ClassVar[list[dict[str, Any]]] = []
    connections: ClassVar[set[Any]] = set()
    fail: ClassVar[bool] = False
    forms: ClassVar[dict[str, bool]] = {}

    def do_POST(self) -> None:
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).calls.append({**call, "secret": self.headers["X-Sotay-Secret"]})
        type(self).connections.add(self.client_address)
        events, replies = self.act(call["next_action"], call["sender_id"], call["tracker"]["latest_message"])
        responses = [{"custom": {"reply": {"text": text}}} for text in replies]
        answer = b"{}" if self.fail else json.dumps({"events": events, "responses": responses}).encode()
        self.send_response(500 if self.fail else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def act(self, action: str, sender: str, message: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
        """The events and the replies of an action."""
        text = message.get("text") or ""
        if action == "action_session_start":
            return [LISTEN[0], *(LOOP if self.forms.get(sender) else []), LISTEN[1]], []
        if action == "action_sign_up" and sender in self.forms:
            self.forms[sender] = True
            return LOOP, []
        if action == "validate_step_by_step":
            self.forms[sender] = self.forms[sender] and text != "dừng"
            ended = not self.forms[sender]
            return NO_LOOP if ended else LOOP, [action] if ended or (" " in text and "đăng ký" not in text) else []
        return [], [action]

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@dataclass
class Engine:
    port: int
    sent: int = field(default=0)

    def post(self, route: str, body: Any, secret: str = SECRET) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/webhooks/sotay/{route}", data)
        request.add_header("Content-Type", "application/json")
        request.add_header("X-Sotay-Secret", secret)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def say(self, text: str, *, sender: str = "s1", intent: Any = None, message_id: Any = None) -> tuple[int, Any]:
        self.sent += 1
        metadata = {"message_id": message_id or f"m{self.sent}", "conversation_id": "c", "payload": None}
        status, body = self.post("messages", {"sender": sender, "text": text, "intent": intent, "metadata": metadata})
        return status, [m["custom"]["reply"]["text"] for m in body["messages"]] if status == 200 else body["error"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def engine(trained: Path) -> Iterator[Engine]:
    actions = ThreadingHTTPServer(("127.0.0.1", 0), Actions)
    threading.Thread(target=actions.serve_forever, daemon=True).start()
    serving = Engine(free_port())
    environment = {
        **os.environ,
        "SOTAY_ENGINE_SECRET": SECRET,
        "SOTAY_ACTIONS_URL": f"http://127.0.0.1:{actions.server_port}/internal/actions",
        "RASA_TRACKER_URL": f"sqlite:///{trained}/tracker.db",
    }
    command = [sys.executable, "-m", "bot.serve", "--data-dir", str(trained), "--model", str(model_path(trained))]
    process = subprocess.Popen([*command, "--port", str(serving.port)], cwd=ROOT, env=environment)
    try:
        for _ in range(600):
            assert process.poll() is None, "the engine ended"
            try:
                if serving.post("parse", {"text": "xin chào"})[0] == 200:
                    break
            except OSError:
                pass
            time.sleep(0.2)
        yield serving
    finally:
        process.terminate()
        process.wait(20)
        actions.shutdown()


def test_every_rule_leads_to_its_action(engine: Engine) -> None:
    expected = {
        "xin chào": "action_greet",
        "tam biet nhe": "action_goodbye",
        "cảm ơn bạn": "action_thank",
        "huong dan su dung": "action_help",
        "sổ tay là gì": "action_about",
        "ban la nguoi hay may": "action_who_are_you",
        "dừng lại": "action_stop",
        "điều kiện kết nạp hội viên": "action_ask",
        "thời tiết hôm nay": "action_out_of_scope",
        "😀": "action_out_of_scope",
        "hồ sơ của tôi": "action_my_profile",
        "ho so ket nap can giay to gi": "action_ask",
        "du lieu cua toi": "action_my_data",
        "quy định về bảo vệ dữ liệu": "action_ask",
        "xóa dữ liệu của tôi": "action_erase_my_data",
        "ai được xóa tên trong danh sách": "action_ask",
        "rut lai dong y": "action_withdraw_consent",
        "đăng nhập": "action_sign_in",
        "tôi có mã": "action_sign_in",
        "doi dien thoai": "action_sign_in",
        "tôi muốn đăng ký": "action_sign_up",
        "dang ky thanh vien": "action_sign_up",
        "chụp thẻ để đăng ký": "action_sign_up",
        "điều kiện đăng ký kết nạp là gì": "action_ask",
    }
    assert {text: engine.say(text) for text in expected} == {text: (200, [action]) for text, action in expected.items()}


def test_the_secret_is_wanted_and_given(engine: Engine) -> None:
    assert engine.post("parse", {"text": "xin chào"}, secret="wrong")[0] == 403
    assert {call["secret"] for call in Actions.calls} == {SECRET}


def test_the_engines_own_http_api_is_off(engine: Engine) -> None:
    for path in ("/model/parse", "/conversations/s1/tracker", "/status", "/domain"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{engine.port}{path}", timeout=10)
        assert refused.value.code == 404


@pytest.mark.parametrize(
    "text",
    ["/send_question", " /send_question{}", "/restart", "//session_start", "/back", *(f"/{name}" for name in BUTTONS)],
)
def test_typed_commands_do_nothing_special(engine: Engine, text: str) -> None:
    status, replies = engine.say(text, sender="commander")
    assert status == 200
    assert replies not in [[f"action_{name}"] for name in ("send_question", *BUTTONS)]
    assert replies[0].startswith("action_")


def test_a_button_reaches_its_action_and_only_known_intents_pass(engine: Engine) -> None:
    assert engine.say("Gửi", intent="send_question") == (200, ["action_send_question"])
    for name in BUTTONS:
        assert engine.say("Nút", intent=name) == (200, [f"action_{name}"])
    assert engine.say("x", intent="restart")[0] == 400


def test_an_action_gets_the_metadata_and_only_this_turn(engine: Engine) -> None:
    engine.say("xin chào", sender="meta", message_id="first")
    engine.say("cảm ơn", sender="meta", message_id="second")
    tracker = Actions.calls[-1]["tracker"]
    assert tracker["latest_message"]["metadata"]["message_id"] == "second"
    assert [event["text"] for event in tracker["events"] if event["event"] == "user"] == ["cảm ơn"]


def test_calls_of_actions_share_connections(engine: Engine) -> None:
    Actions.connections.clear()
    for _ in range(5):
        engine.say("xin chào", sender="kept")
    assert len(Actions.connections) == 1


def test_replies_are_rebuilt_from_the_conversation_also_after_a_new_session(engine: Engine) -> None:
    engine.say("xin chào", sender="crash", message_id="told")
    wanted = (200, {"messages": [{"recipient_id": "crash", "custom": {"reply": {"text": "action_greet"}}}]})
    assert engine.post("replies", {"sender": "crash", "message_id": "told"}) == wanted
    assert engine.post("session", {"sender": "crash"}) == (200, {})
    assert engine.post("replies", {"sender": "crash", "message_id": "told"}) == wanted
    assert engine.post("replies", {"sender": "crash", "message_id": "other"}) == (200, {"messages": None})
    assert engine.post("forget", {"sender": "crash"}) == (200, {})
    assert engine.post("replies", {"sender": "crash", "message_id": "told"}) == (200, {"messages": None})


def test_while_a_form_is_open_every_message_goes_to_it(engine: Engine) -> None:
    Actions.forms["form 1"] = False

    def say(text: str, **button: Any) -> list[str]:
        status, replies = engine.say(text, sender="form 1", **button)
        assert status == 200
        return list(replies)

    assert say("xin chào") == ["action_greet"]
    assert say("tôi muốn đăng ký") == [ASK]
    assert say("ừ") == [ASK]
    assert say("hội phí bao nhiêu") == ["validate_step_by_step", ASK]
    assert say("Nút", intent="form_answer") == [ASK]
    assert say("Nút", intent="cancel") == [ASK]
    assert say("dừng") == ["validate_step_by_step"]
    assert say("xin chào") == ["action_greet"]
    assert say("Nút", intent="form_answer") == ["action_form_answer"]


def test_a_form_goes_on_in_a_new_session_and_its_replies_are_rebuilt(engine: Engine) -> None:
    Actions.forms["form 2"] = False
    assert engine.say("đăng ký", sender="form 2") == (200, [ASK])
    assert engine.post("session", {"sender": "form 2"}) == (200, {})
    assert engine.say("hội phí bao nhiêu", sender="form 2", message_id="between") == (
        200,
        ["validate_step_by_step", ASK],
    )
    _, rebuilt = engine.post("replies", {"sender": "form 2", "message_id": "between"})
    assert [message["custom"]["reply"]["text"] for message in rebuilt["messages"]] == ["validate_step_by_step", ASK]
    Actions.forms["form 2"] = False  # ended by the page, or while the engine was away
    assert engine.say("xin chào", sender="form 2") == (200, ["validate_step_by_step"])
    assert engine.say("xin chào", sender="form 2") == (200, ["action_greet"])
    Actions.forms["form 2"] = True  # begun while the engine was away: the next session knows
    assert engine.post("session", {"sender": "form 2"}) == (200, {})
    assert engine.say("ừ", sender="form 2") == (200, [ASK])


def test_a_message_without_a_form_costs_one_call_after_the_sessions_first(engine: Engine) -> None:
    engine.say("xin chào", sender="calls")
    before = len(Actions.calls)
    engine.say("cảm ơn", sender="calls")
    assert [call["next_action"] for call in Actions.calls[before:]] == ["action_thank"]


def test_a_failing_action_is_said_and_leaves_no_reply(engine: Engine) -> None:
    Actions.fail = True
    try:
        assert engine.say("xin chào", sender="failing", message_id="lost") == (502, "no reply")
    finally:
        Actions.fail = False
    assert engine.post("replies", {"sender": "failing", "message_id": "lost"}) == (200, {"messages": None})
    assert engine.say("xin chào", sender="failing", message_id="lost") == (200, ["action_greet"])


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"sender": "s"}'])
def test_malformed_requests_are_400(engine: Engine, body: bytes) -> None:
    assert engine.post("messages", body)[0] == 400
