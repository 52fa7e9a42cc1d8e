"""A small server that speaks exactly the chat's HTTP contract, for developing and testing the widget alone.

It answers from a few fixed replies about a fictitious association and can misbehave on demand: refuse, lose the answer
to a POST, cut streams, stay silent. Everything it received is kept, so a test can count what arrived.
``python -m tests.e2e.chat_stand_in [PORT]`` serves it for a look by eye.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import threading
import time
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, select_autoescape

WEB = Path(__file__).resolve().parents[2] / "web"
COOKIE = "chat_session"
MAX_LENGTH = 2000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
SUGGESTIONS = [
    "Mỗi tháng hội viên đóng hội phí bao nhiêu?",
    "Muốn xin ra khỏi Hội thì làm thế nào?",
    "Bao nhiêu người dự thì hội nghị được tiến hành?",
]

CHARTER = {
    "number": "01/ĐL-HBĐ",
    "title": "Điều lệ Hội Bạn Đọc Sông Lam",
    "issued_on": "2026-02-05",
    "issuer": "Đại hội đại biểu Hội Bạn Đọc Sông Lam",
    "status": "in_force",
}
OLD_RULES = CHARTER | {
    "number": "07/QC-HBĐ",
    "title": "Quy chế thu, chi hội phí",
    "issued_on": "2021-04-20",
    "issuer": "Ban Chấp hành Hội Bạn Đọc Sông Lam",
    "status": "replaced",
}
FEE_QUOTE = (
    "2. Hội viên đóng hội phí theo tháng, trước ngày 20. Mức đóng là 10.000 đồng một tháng 📚; hội viên trên 70 tuổi "
    "được miễn. Chi hội trưởng thu, ghi sổ và nộp về Hội trong mười ngày."
)
DECIDING = "Mức đóng là 10.000 đồng một tháng 📚; hội viên trên 70 tuổi được miễn."
LONG_QUOTE = "\n".join(
    f"{n}. Khoản thứ {n} của điều này quy định trình tự từng bước một cách đầy đủ, rõ ràng." for n in range(1, 41)
)


def citation(
    document: dict[str, str], article: str, clause: str | None, quote: str, mark: str | None
) -> dict[str, Any]:
    """A citation as the contract has it; *mark* is the deciding sentence inside *quote*."""
    anchor = f"dieu-{article}" + (f"-khoan-{clause}" if clause else "")
    start = quote.index(mark) if mark else 0  # Python counts code points, as the contract does
    return {
        "document": document,
        "article": article,
        "clause": clause,
        "point": None,
        "quote": quote,
        "url": f"/documents/dieu-le?q=1#{anchor}",
        "highlight": {"start": start, "end": start + len(mark)} if mark else None,
    }


def reply_to(text: str, choice: str | None) -> dict[str, Any]:
    """The fixed reply to a question: chosen by a word in it, else an echo."""
    asked = unicodedata.normalize("NFC", text).lower()
    reply: dict[str, Any] = {"text": f"Đã nhận: {text}", "citations": [], "choices": [], "suggestions": []}
    if choice is not None:
        reply["text"] = f"Đã ghi lựa chọn {choice}. Câu trả lời của người phụ trách sẽ hiện ở đây."
    elif "hội phí" in asked:
        further = citation(CHARTER, "6", None, "Hội viên có quyền mượn sách và dự mọi buổi sinh hoạt của Hội.", None)
        reply["citations"] = [citation(CHARTER, "12", "2", FEE_QUOTE, DECIDING), further]
        reply["text"] = (
            "Điều lệ quy định về hội phí như sau:\n\n“" + FEE_QUOTE + "”\n\n"
            "— Khoản 2 Điều 12, Điều lệ Hội Bạn Đọc Sông Lam số 01/ĐL-HBĐ, ngày 05/02/2026\n\n"
            "Xem thêm:\n- Điều 6, Điều lệ Hội Bạn Đọc Sông Lam"
        )
    elif "quy chế cũ" in asked:
        quote = "Hội phí là 5.000 đồng một tháng."
        reply["citations"] = [citation(OLD_RULES, "3", "1", quote, quote)]
        reply["text"] = (
            f"Khoản 1 Điều 3, Quy chế thu, chi hội phí (số 07/QC-HBĐ, ngày 20/04/2021):\n\n{quote}\n\n"
            "Lưu ý: Quy chế thu, chi hội phí (số 07/QC-HBĐ) đã được thay thế; hãy xem Điều 3 của bản mới."
        )
    elif "trình tự" in asked:
        reply["citations"] = [citation(CHARTER, "20", None, LONG_QUOTE, None)]
        reply["text"] = LONG_QUOTE
    elif "thời tiết" in asked:
        reply["text"] = "Tôi chưa tìm thấy điều khoản nào trả lời câu hỏi này. Các mục gần nhất:"
        reply["suggestions"] = [
            {"heading": "Điều 4. Hội viên", "url": "/documents/dieu-le#dieu-4"},
            {"heading": "Điều 19. Sinh hoạt thường kỳ của chi hội", "url": "/documents/dieu-le#dieu-19"},
        ]
        reply["choices"] = [
            {"title": "Gửi câu hỏi này, không kèm tên", "token": "question:41"},
            {"title": "Thôi", "token": "question:no"},
        ]
    elif "điều 99" in asked:
        reply["text"] = f"Không có Điều 99 trong {CHARTER['title']} (số {CHARTER['number']})."
        reply["suggestions"] = [{"heading": CHARTER["title"], "url": "/documents/dieu-le"}]
    elif "mã độc" in asked:
        reply["text"] = "<img src=x onerror=alert(1)><b>đậm</b>"
        bad = citation(CHARTER, "1", None, "<script>alert(2)</script>", None) | {"url": "javascript:alert(3)"}
        reply["text"] += "\n" + bad["quote"]
        reply["citations"] = [bad]
    return reply


@dataclass
class Fault:
    """How one POST goes wrong: *status* with *message*, before (default) or after the message was stored."""

    status: int
    message: str = ""
    retry_after: int | None = None
    stored: bool = False


@dataclass
class Session:
    """One conversation: its messages in order, and the events by ascending number."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    events: list[tuple[int, dict[str, Any]]] = field(default_factory=list)


class StandIn:
    """The state of the server, and the levers that a test pulls."""

    def __init__(self) -> None:
        self.base_url = ""
        self._generation = 0
        self.reset()

    def reset(self) -> None:
        """As freshly started: nothing received, nothing wrong."""
        self.sessions: dict[str, Session] = {}
        self.posts: list[dict[str, Any]] = []
        self.opened_from: list[int] = []
        self.post_faults: list[Fault] = []
        self.stream_statuses: list[int] = []
        self.history_statuses: list[int] = []
        self.silent = False
        self.resends = False
        self._numbers = 0
        self.cut_streams()

    @property
    def accepted(self) -> list[dict[str, Any]]:
        """The messages of people that were stored, of all sessions, in order."""
        return [m for session in self.sessions.values() for m in session.messages if m["role"] == "member"]

    def cut_streams(self) -> None:
        """End every open event stream, as a restart or a proxy does."""
        self._generation += 1

    def say(self, session: Session, in_reply_to: str | None, reply: dict[str, Any]) -> None:
        """Put a message of the bot into *session*."""
        self._numbers += 1
        event = {"in_reply_to": in_reply_to, **reply}
        session.events.append((self._numbers, event))
        at = datetime.now(UTC).isoformat()
        session.messages.append(
            {"role": "bot", "id": f"b{self._numbers}", "event_id": self._numbers, "at": at, **event}
        )

    def release(self) -> None:
        """Answer everything that was left unanswered while silent."""
        self.silent = False
        for session in self.sessions.values():
            answered = {m["in_reply_to"] for m in session.messages if m["role"] == "bot"}
            for message in [m for m in session.messages if m["role"] == "member" and m["id"] not in answered]:
                self.say(session, message["id"], reply_to(message["text"], None))

    def store(self, session: Session, message: dict[str, Any]) -> None:
        """Store a message and answer it; a known id changes nothing."""
        if any(known["id"] == message["id"] for known in session.messages):
            return
        session.messages.append(
            {
                "role": "member", "id": message["id"], "event_id": None, "in_reply_to": None, "text": message["text"],
                "citations": [], "choices": [], "suggestions": [], "at": datetime.now(UTC).isoformat(),
            }
        )  # fmt: skip
        if not self.silent:
            self.say(session, message["id"], reply_to(message["text"], message.get("choice")))

    async def stream(self, session: Session, last: int) -> AsyncIterator[str]:
        """The events after *last* (all, if told to resend), then new ones as they come, until the streams are cut."""
        generation = self._generation
        last = 0 if self.resends else last
        yield "retry: 1000\n\n: ping\n\n"
        while generation == self._generation:
            for number, event in [pair for pair in session.events if pair[0] > last]:
                last = number
                yield f"id: {number}\nevent: message\ndata: {json.dumps(event, ensure_ascii=False)}\n\n"
            await asyncio.sleep(0.02)


def refused(status: int, code: str, message: str, retry_after: int | None = None) -> JSONResponse:
    """An error in the contract's form."""
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else None
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


def checked(body: bytes) -> dict[str, Any] | JSONResponse:
    """The message in *body*, or the refusal that the contract asks for."""
    try:
        message = json.loads(body)
    except ValueError:
        return refused(400, "bad_json", "Tin nhắn gửi lên không đọc được.")
    match message:
        case {"id": str(), "text": str(text)}:
            pass
        case _:
            return refused(422, "bad_message", "Tin nhắn gửi lên thiếu nội dung.")
    if not text.strip():
        return refused(422, "empty", "Đồng chí chưa nhập câu hỏi.")
    if len(unicodedata.normalize("NFC", text)) > MAX_LENGTH:
        return refused(422, "too_long", "Câu hỏi dài quá 2.000 ký tự.")
    return dict(message)


def chat_up(stand_in: StandIn) -> APIRouter:
    """The address that takes messages."""
    router = APIRouter(prefix="/api/chat")

    @router.post("/messages")
    async def post_message(request: Request) -> JSONResponse:
        message = checked(await request.body())
        if isinstance(message, JSONResponse):
            return message
        stand_in.posts.append(message)
        fault = stand_in.post_faults.pop(0) if stand_in.post_faults else None
        if fault and not fault.stored:
            return refused(fault.status, "fault", fault.message, fault.retry_after)
        token = request.cookies.get(COOKIE, "")
        if token not in stand_in.sessions:
            token = secrets.token_urlsafe(16)
            stand_in.sessions[token] = Session()
        stand_in.store(stand_in.sessions[token], message)
        if fault:
            answer = refused(fault.status, "fault", fault.message, fault.retry_after)
        else:
            answer = JSONResponse({"id": message["id"]}, 202)
        answer.set_cookie(COOKIE, token, httponly=True, samesite="lax")
        return answer

    return router


def chat_down(stand_in: StandIn) -> APIRouter:
    """The two addresses that give messages."""
    router = APIRouter(prefix="/api/chat")

    def session_of(request: Request) -> Session | None:
        return stand_in.sessions.get(request.cookies.get(COOKIE, ""))

    @router.get("/events")
    async def events(request: Request, last_event_id: int = 0) -> Response:
        if stand_in.stream_statuses:
            return refused(stand_in.stream_statuses.pop(0), "fault", "Máy chủ đang bận.")
        session = session_of(request)
        if session is None:
            return refused(401, "no_session", "Chưa có cuộc trò chuyện nào.")
        last = int(request.headers.get("Last-Event-ID", last_event_id))
        stand_in.opened_from.append(last)
        headers = {"Cache-Control": "no-store"}
        return StreamingResponse(stand_in.stream(session, last), media_type="text/event-stream", headers=headers)

    @router.get("/history")
    async def history(request: Request) -> Response:
        if stand_in.history_statuses:
            return refused(stand_in.history_statuses.pop(0), "fault", "Máy chủ đang bận.")
        session = session_of(request) or Session()
        last = session.events[-1][0] if session.events else 0
        return JSONResponse({"messages": session.messages, "last_event_id": last})

    return router


def pages() -> APIRouter:
    """The home page, a page of others that embeds the widget, and something for citations to lead to."""
    router = APIRouter(default_response_class=HTMLResponse)
    templates = Environment(loader=FileSystemLoader(WEB / "templates"), autoescape=select_autoescape())
    templates.globals["static_url"] = "/static/{}".format
    templates.globals["is_signed_in"] = lambda _request: False  # the stand-in knows no members

    @router.get("/")
    async def home(request: Request) -> str:
        return templates.get_template("home.html").render(request=request, suggestions=SUGGESTIONS)

    @router.get("/bare")
    async def bare() -> str:
        return (
            "<!doctype html><html lang=vi><meta charset=utf-8><meta name=viewport content='width=device-width'>"
            "<title>Trang khác</title><link rel=stylesheet href=/bare.css><script src=/static/sotay-chat.js defer></script>"
            "<h1>Trang của Hội</h1><div><sotay-chat title='Hỏi đáp Điều lệ' placeholder='Ông/Bà hỏi gì?' address='Ông/Bà'>"
            f"<script type=application/json>{json.dumps(SUGGESTIONS[:1])}</script></sotay-chat></div></html>"
        )

    @router.get("/bare.css")
    async def bare_style() -> Response:
        return Response("html { font-size: 10px } div { height: 560px; max-width: 420px }", media_type="text/css")

    @router.get("/documents/{slug}")
    async def document(slug: str) -> str:
        return f"<!doctype html><html lang=vi><meta charset=utf-8><title>Văn bản</title><h1>{slug.encode().hex()}</h1></html>"

    @router.get("/favicon.ico")
    async def icon() -> Response:
        return Response(status_code=204)

    return router


def create_app(stand_in: StandIn) -> FastAPI:
    """The web application, under the strict policy."""
    app = FastAPI()

    @app.middleware("http")
    async def policy(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    app.include_router(chat_up(stand_in))
    app.include_router(chat_down(stand_in))
    app.include_router(pages())
    app.mount("/static", StaticFiles(directory=WEB / "static"), name="static")
    return app


@contextmanager
def serving(port: int = 0) -> Iterator[StandIn]:
    """Serve a fresh stand-in on a free loopback port inside the block; its address is ``base_url``."""
    stand_in = StandIn()
    config = uvicorn.Config(
        create_app(stand_in), host="127.0.0.1", port=port, log_level="warning", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="chat stand-in", daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the stand-in server did not start")
        time.sleep(0.01)
    stand_in.base_url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield stand_in
    finally:
        stand_in.cut_streams()
        server.should_exit = True
        thread.join(timeout=10)


if __name__ == "__main__":
    with serving(int(sys.argv[1]) if len(sys.argv) > 1 else 8099) as running:
        print(running.base_url, flush=True)
        threading.Event().wait()
