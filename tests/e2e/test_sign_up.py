"""Signing up by card photograph against the whole installation, in a real Chromium: from "đăng ký" to each outcome.

The camera is Chromium's own fake device fed by a file: first the drawn card on a table, then the head of its holder, which turns as
the page asks. What the page asks is fetched before (the same challenge is given for two minutes) and recorded.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from core.settings import ROOT
from ekyc.results import Pose
from messaging.cookies import COOKIE
from tests.e2e import sign_up_pictures
from tests.e2e.chat_page import CHROMIUM_ARGS, DESKTOP, PHONE, ChatPage, chromium_path
from tests.e2e.installation import Installation, Member, eventually
from tests.e2e.sign_up_desk import UNIT
from tests.e2e.sign_up_pictures import Person

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

READ_SECONDS = 60
AGREE, LINK = "Tôi đồng ý", "Mở trang chụp thẻ"
DONE = "Đã đăng ký xong"


class Desk:
    """The organisation's side: a process in the installation's environment, asked line by line."""

    def __init__(self, installation: Installation) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.sign_up_desk"],
            cwd=ROOT,
            env=installation.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.account: str | None = None

    def ask(self, *words: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def enter(self, person: Person) -> None:
        """Enter the person of a card into the register."""
        truth = person.member.truth()
        self.ask("enter", truth["full_name"], truth["card_number"], truth["date_of_birth"])

    def judge(self, verdict: str, reason: str) -> None:
        """Decide the sign-up that came last to a person."""
        self.account = self.account or self.ask("reviewer")
        self.ask("judge", self.account, self.ask("waiting")[-1], verdict, reason)

    def close(self) -> None:
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0


@pytest.fixture(scope="module")
def desk(installation: Installation) -> Iterator[Desk]:
    with closing(Desk(installation)) as made:
        yield made


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the camera of ``with_camera`` shows from the next time that a page opens it."""
    return tmp_path_factory.mktemp("camera") / "camera.mjpeg"


@pytest.fixture(scope="module")
def with_camera(browser: Browser, recording: Path) -> Iterator[Browser]:
    """A Chromium with a camera, which asks nobody for permission."""
    started = browser.browser_type.launch(
        executable_path=chromium_path(),
        args=[
            *CHROMIUM_ARGS,
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={recording}",
        ],
    )
    yield started
    started.close()


@dataclass
class Phone:
    """A browser in which somebody signs up, and the chat in which it began."""

    context: BrowserContext
    page: Page
    installation: Installation

    def chat(self) -> Member:
        """The chat of this browser; its cookie changes when a link is opened."""
        talk = Member(self.installation.address)
        for cookie in self.context.cookies():
            if cookie["name"] == COOKIE:
                talk.client.cookies.set(COOKIE, cookie["value"])
        return talk

    def begin(self) -> str:
        """Say "đăng ký", agree, and give the link; the browser gets the chat's cookie."""
        with closing(Member(self.installation.address)) as talk:
            shown = talk.ask("đăng ký")
            [token] = [choice["token"] for choice in shown["choices"] if choice["title"] == AGREE]
            answer = talk.answer_to(talk.say(choice=token))
            [link] = [entry["url"] for entry in answer["suggestions"] if entry["heading"] == LINK]
            cookie = talk.client.cookies[COOKIE]
        self.context.add_cookies([{"name": COOKIE, "value": cookie, "url": self.installation.address}])
        return str(link)

    def open(self) -> str:
        """Begin, follow the link, press the button; gives the link."""
        link = self.begin()
        self.page.goto(link)
        self.page.get_by_role("button", name="Bắt đầu trên máy này").click()
        self.expect("card")
        return link

    def expect(self, state: str) -> Locator:
        """Wait for a step."""
        step = self.page.locator(f'.sign-up[data-state="{state}"]')
        expect(step).to_be_visible(timeout=READ_SECONDS * 1000)
        return step

    def send_file(self, content: bytes) -> None:
        """Hand in a picture by the file input."""
        self.page.locator("#photo").set_input_files({"name": "anh.jpg", "mimeType": "image/jpeg", "buffer": content})
        self.page.locator(".by-file button").click()

    def hears(self, words: str) -> None:
        """Wait until the chat says *words*."""

        def said() -> bool:
            with closing(self.chat()) as talk:
                return any(words in line["text"] for line in talk.history()["messages"] if line["role"] == "bot")

        eventually(said)


Open = Callable[..., Phone]


@pytest.fixture
def open_phone(browser: Browser, installation: Installation) -> Iterator[Open]:
    """A phone; at the end no page may have broken the policy, logged an error or asked another host."""
    opened: list[tuple[Phone, list[str], list[str]]] = []

    def open_phone(on: Browser = browser, size: tuple[int, int] = PHONE, *, script: bool = True) -> Phone:
        context = on.new_context(
            viewport={"width": size[0], "height": size[1]},
            base_url=installation.address,
            java_script_enabled=script,
        )
        requests: list[str] = []
        problems: list[str] = []
        context.on("request", lambda request: requests.append(request.url))
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if is_problem(message.text) else None)
        phone = Phone(context, page, installation)
        opened.append((phone, requests, problems))
        return phone

    yield open_phone
    for phone, requests, problems in opened:
        assert [url for url in requests if not url.startswith((f"{installation.address}/", "data:"))] == []
        assert problems == []
        phone.context.close()


def is_problem(text: str) -> bool:
    """What the policy forbade, and scripts that failed; not a refusal (409, 410) or the network that a test takes away."""
    return "Content Security Policy" in text or "Permissions policy" in text or "Uncaught" in text


def grave(page: Page) -> list[str]:
    """What axe finds: rule and where."""
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in Axe().run(page).response["violations"]]


def too_wide(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


def asked_poses(page: Page) -> list[Pose]:
    """What the page will ask for when the camera opens."""
    answer = page.evaluate(
        """async () => {
            const form = new FormData();
            form.append("csrf", document.querySelector(".sign-up").dataset.csrf);
            const answer = await fetch("/sign-up/challenge", {method: "POST", body: form, headers: {Accept: "application/json"}});
            return answer.json();
        }"""
    )
    return [Pose(one["pose"]) for one in answer["poses"]]


def test_from_the_chat_to_the_account_by_the_camera(
    with_camera: Browser, open_phone: Open, desk: Desk, recording: Path, installation: Installation
) -> None:
    person = sign_up_pictures.person(1)
    desk.enter(person)
    sign_up_pictures.record_card(person.card, recording, blur=9)
    phone = open_phone(with_camera)
    page = phone.page
    began = time.monotonic()
    chat = ChatPage(page, installation.address).open()
    consent = chat.asked_and_answered("tôi muốn đăng ký")
    consent.get_by_role("button", name=AGREE, exact=True).click()
    expect(chat.answers).to_have_count(2)
    link = chat.answers.last.get_by_role("link", name=LINK)
    page.goto(str(link.get_attribute("href")))
    assert grave(page) == []
    page.get_by_role("button", name="Bắt đầu trên máy này").click()
    phone.expect("card")
    assert page.url == f"{installation.address}/sign-up"
    assert (grave(page), too_wide(page)) == ([], 0)

    page.get_by_role("button", name="Mở máy ảnh").click()
    page.get_by_role("button", name="Chụp", exact=True).click()
    expect(page.locator(".notice li").first).to_be_visible(timeout=READ_SECONDS * 1000)
    expect(page.locator("video")).to_be_hidden()  # what to do better is read first
    sign_up_pictures.record_card(person.card, recording)
    page.get_by_role("button", name="Chụp lại").click()  # the shutter goes by itself
    step = phone.expect("confirm")
    assert page.evaluate("document.activeElement.id") == "heading"
    assert (grave(page), too_wide(page)) == ([], 0)
    expect(step.locator("dd").first).to_have_text(_as_printed(person.member.truth()["card_number"]))
    step.get_by_role("button", name="Đúng rồi").click()

    phone.expect("selfie")
    assert (grave(page), too_wide(page)) == ([], 0)
    sign_up_pictures.record_face(person.portrait, asked_poses(page), recording)
    page.get_by_role("button", name="Bắt đầu chụp mặt").click()
    expect(page.locator(".guide")).to_have_text("Nhìn thẳng vào máy")
    assert too_wide(page) == 0
    phone.expect("accepted")
    print(f"sign-up took {time.monotonic() - began:.1f} s")
    assert (grave(page), too_wide(page)) == ([], 0)
    expect(page.locator("header.site")).to_contain_text("Hồ sơ")
    page.get_by_role("link", name="Quay lại cuộc trò chuyện").click()
    expect(chat.ready().answers.last).to_contain_text(
        f"{DONE}. Chào đồng chí {person.member.truth()['full_name']}, {UNIT}."
    )
    page.goto("/me")
    expect(page.locator(".record").first).to_contain_text(UNIT)
    assert desk.ask("left_over") == 0


def _as_printed(number: str) -> str:
    return f"{number[:2]}.{number[2:]}"


def test_a_poor_photograph_is_taken_again_without_a_camera(open_phone: Open, desk: Desk) -> None:
    person = sign_up_pictures.person(2)
    phone = open_phone()
    phone.open()
    phone.page.get_by_role("button", name="Mở máy ảnh").click()
    expect(phone.page.locator(".trouble")).to_contain_text("gửi tệp ảnh ở dưới")
    phone.send_file(sign_up_pictures.photograph(person.card, blur=9))
    expect(phone.page.locator(".notice li").first).to_be_visible(timeout=READ_SECONDS * 1000)
    assert phone.page.locator(".sign-up").get_attribute("data-state") == "card"
    assert (
        "Ảnh bị nhòe. Giữ yên tay, hoặc tì tay lên bàn rồi chụp."
        in phone.page.locator(".notice li").all_text_contents()
    )
    assert grave(phone.page) == []
    phone.page.route("**/sign-up/card", lose_the_answer, times=1)
    phone.send_file(sign_up_pictures.photograph(person.card))
    phone.expect("confirm")
    phone.page.get_by_role("button", name="Sai, chụp lại").click()
    expect(phone.expect("card").locator(".notice li")).to_contain_text("Lần trước đọc chưa đúng")
    expect(phone.page.locator(".notice strong")).to_have_text("Xin chụp lại (còn 3 lần).")  # the second was taken once
    phone.page.get_by_text("Dừng và xóa ảnh").first.click()
    phone.page.get_by_role("button", name="Dừng và xóa ảnh").click()
    phone.expect("stopped")
    assert grave(phone.page) == []
    phone.hears("Đã dừng đăng ký. Ảnh đã gửi (nếu có) đã được xóa.")
    assert desk.ask("left_over") == 0


def lose_the_answer(route: Route) -> None:
    """The server gets it, the phone hears nothing."""
    route.fetch()
    route.abort()


def test_without_scripts_a_person_decides_and_the_chat_says_so(open_phone: Open, desk: Desk) -> None:
    person = sign_up_pictures.person(3)
    desk.enter(person)
    phone = open_phone(script=False)
    phone.open()
    phone.send_file(sign_up_pictures.photograph(person.card))
    step = phone.expect("confirm")  # the page reloads itself
    step.get_by_role("button", name="Đúng rồi").click()
    phone.expect("selfie")
    phone.send_file(sign_up_pictures.encode(person.portrait))
    phone.expect("review")
    phone.hears("Có người của tổ chức sẽ xem")
    desk.judge("accept", "confirmed_otherwise")
    phone.hears(f"{DONE}. Chào đồng chí {person.member.truth()['full_name']}, {UNIT}.")
    phone.page.goto("/sign-up")
    phone.expect("accepted")
    assert desk.ask("left_over") == 0


def look_away(page: Page, away: bool) -> None:
    """Bring another page before this one, or this one back."""
    page.evaluate(
        """away => {
            Object.defineProperty(document, "hidden", {value: away, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        away,
    )


def polls(page: Page, asked: list[str], seconds: int) -> int:
    """How many answers come when *seconds* of the page's time pass at once; what is due is asked for once."""
    before = len(asked)
    page.clock.fast_forward(1000 * seconds)
    page.wait_for_timeout(400)
    return len(asked) - before


def test_nobody_is_forced_to_a_face_check_and_a_rejection_is_heard_in_the_chat(open_phone: Open, desk: Desk) -> None:
    person = sign_up_pictures.person(5)
    phone = open_phone(size=DESKTOP)
    phone.page.clock.install()
    link = phone.open()
    phone.send_file(sign_up_pictures.photograph(person.card))
    phone.expect("confirm")
    phone.context.set_offline(True)
    phone.page.get_by_role("button", name="Đúng rồi").click()
    expect(phone.page.locator(".sending")).to_have_text("Mất mạng. Ảnh vẫn ở trong máy, có mạng sẽ tự gửi lại.")
    phone.context.set_offline(False)
    phone.expect("selfie")
    assert too_wide(phone.page) == 0
    phone.page.reload()
    phone.expect("selfie")
    other = open_phone()
    other.page.goto(link)
    other.page.get_by_role("button", name="Bắt đầu trên máy này").click()
    expect(other.page.get_by_role("alert")).to_contain_text("chỉ mở được trên máy")
    phone.page.goto(link)  # on the own phone the link leads on
    phone.page.get_by_role("button", name="Bắt đầu trên máy này").click()
    phone.expect("selfie").get_by_role("button", name="Không chụp mặt, nhờ người xem giúp").click()
    phone.expect("review")
    assert grave(phone.page) == []
    asked: list[str] = []
    phone.page.on("requestfinished", lambda request: asked.append(request.url))
    assert [polls(phone.page, asked, seconds) for seconds in (2, 3)] == [0, 1]
    assert [polls(phone.page, asked, 60) for _ in range(7)] == [1] * 7
    assert [polls(phone.page, asked, seconds) for seconds in (50, 10)] == [0, 1]  # seldomer by and by
    look_away(phone.page, True)
    assert polls(phone.page, asked, 1800) == 0  # nobody looks
    assert set(asked) == {f"{phone.installation.address}/sign-up/status"}
    desk.judge("reject", "not_in_register")
    look_away(phone.page, False)
    phone.page.clock.fast_forward("00:01")
    phone.expect("rejected")
    assert grave(phone.page) == []
    phone.hears("Chưa đăng ký được qua ảnh. Ảnh đã được xóa.")
    with closing(phone.chat()) as talk:
        said = json.dumps(talk.history(), ensure_ascii=False)
    truth = person.member.truth()
    assert truth["card_number"] not in said
    assert truth["full_name"] not in said
