"""A whole installation on a data folder of its own, started as people start it, and members who talk to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from core.ports import free_port
from core.settings import ROOT

START_SECONDS = 240
ANSWER_SECONDS = 60


def eventually(condition: Callable[[], Any], seconds: float = ANSWER_SECONDS) -> Any:
    """Wait until *condition* gives something true, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


class Installation:
    """``sotay up`` with the demo documents."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.data_dir = folder / "dữ liệu"
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "SOTAY_DATA_DIR": str(self.data_dir),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            **environment,
        }
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start and wait until the address is printed; returns it."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sotay", "up"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def stop(self) -> int:
        """Ctrl-C; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=90)
        return self.process.returncode

    def run(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run ``sotay …`` on this data folder."""
        done = subprocess.run(
            [sys.executable, "-m", "sotay", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            check=False,
            text=True,
            timeout=280,
        )
        assert done.returncode == expect, done.stderr
        return done

    def json(self, *arguments: str, expect: int = 0) -> Any:
        """What ``sotay … --json`` prints."""
        return json.loads(self.run(*arguments, "--json", expect=expect).stdout)

    def health(self) -> dict[str, Any]:
        """``GET /health``; empty while the application is away."""
        try:
            content: dict[str, Any] = httpx.get(f"{self.address}/health", timeout=10).json()
        except (httpx.HTTPError, ValueError):
            return {}
        return content

    def wait_until_ok(self, seconds: float = START_SECONDS) -> None:
        """Wait until every part answers."""
        eventually(lambda: self.health().get("status") == "ok", seconds)

    def kill(self, part: str) -> None:
        """Kill -9 a part ("app", "worker", "engine", "postgres", "chroma")."""

        def pid() -> Any:
            parts = json.loads((self.data_dir / "run" / "parts.json").read_text(encoding="utf-8"))
            return parts.get(part, {}).get("pid")

        os.kill(eventually(pid), signal.SIGKILL)


class Member:
    """Somebody with the chat page open: a cookie, messages that are sent until they are taken, history."""

    def __init__(self, address: str) -> None:
        self.client = httpx.Client(base_url=address, timeout=20)
        self.sent: list[str] = []

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def history(self) -> dict[str, Any]:
        """``GET /api/chat/history``."""
        content: dict[str, Any] = self.client.get("/api/chat/history").raise_for_status().json()
        return content

    def post(self, body: Any) -> httpx.Response:
        """``POST /api/chat/messages``, once."""
        return self.client.post("/api/chat/messages", json=body)

    def say(self, text: str = "", *, choice: str | None = None) -> str:
        """Send a message as the page does: the same id again and again until it is taken. Returns the id."""
        message_id = str(uuid.uuid4())
        body = {"id": message_id, "text": text, **({"choice": choice} if choice else {})}

        def taken() -> bool:
            try:
                response = self.post(body)
            except httpx.TransportError:
                return False
            assert response.status_code in (202, 429, 503), response.text
            return response.status_code == 202

        eventually(taken)
        self.sent.append(message_id)
        return message_id

    def answers(self) -> Counter[str | None]:
        """How many answers each message has."""
        return Counter(line["in_reply_to"] for line in self.history()["messages"] if line["role"] == "bot")

    def answer_to(self, message_id: str) -> dict[str, Any]:
        """The answer to a message, waited for."""

        def found() -> dict[str, Any] | None:
            with contextlib.suppress(httpx.HTTPError):
                for line in self.history()["messages"]:
                    if line["role"] == "bot" and line["in_reply_to"] == message_id:
                        return dict(line)
            return None

        answer: dict[str, Any] = eventually(found)
        return answer

    def ask(self, text: str) -> dict[str, Any]:
        """Say something and wait for the answer."""
        return self.answer_to(self.say(text))

    @contextlib.contextmanager
    def listening(self, last_event_id: int | None = None) -> Iterator[list[tuple[int, dict[str, Any]]]]:
        """Read the event stream in the background; the list grows as events come."""
        seen: list[tuple[int, dict[str, Any]]] = []
        headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
        opened, done = threading.Event(), threading.Event()

        def read() -> None:
            with (
                httpx.Client(base_url=self.client.base_url, cookies=self.client.cookies, timeout=1) as client,
                contextlib.suppress(httpx.HTTPError),
                client.stream("GET", "/api/chat/events", headers=headers) as stream,
            ):
                event: dict[str, str] = {}
                opened.set()
                lines = stream.iter_lines()
                while not done.is_set():
                    line = next(lines)
                    key, _, value = line.partition(": ")
                    if line:
                        event[key] = value
                    elif event.get("event") == "message":
                        seen.append((int(event["id"]), json.loads(event["data"])))
                        event = {}
                    else:
                        event = {}
            opened.set()

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        assert opened.wait(10)
        yield seen
        done.set()
        thread.join(5)
