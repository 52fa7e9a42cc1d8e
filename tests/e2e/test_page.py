"""The members' pages against the whole installation, in a real Chromium: what a member sees from question to clause."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.settings import ROOT, settings
from tests.e2e.chat_page import DESKTOP, PHONE, ChatPage, chromium_path
from tests.e2e.installation import Installation, Member

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

ASKED = "Hội viên bị mất thẻ thì phải báo trong mấy ngày?"
ASKED_PLAIN = "hoi vien bi mat the thi phai bao trong may ngay"
CLAUSE = "dieu-17-khoan-2"
QUOTE = (
    "2. Hội viên bị mất thẻ phải báo với chi hội trong thời hạn 07 ngày; thẻ được cấp lại trong thời hạn 15 ngày kể từ "
    "ngày chi hội nhận được đề nghị."
)
FAR_OFF = "Bay từ Hà Nội đi Đà Nẵng mất bao lâu?"
SEND = "Gửi câu hỏi này, không kèm tên"
BY_A_PERSON = "Việc này không thuộc quy định của Hội; xin hỏi hãng hàng không."

_FOCUSED = """() => {
    let at = document.activeElement;
    while (at && at.shadowRoot && at.shadowRoot.activeElement) at = at.shadowRoot.activeElement;
    return at ? at.tagName.toLowerCase() + "." + at.className : "";
}"""


Open = Callable[..., ChatPage]


@pytest.fixture
def open_chat(browser: Browser, installation: Installation) -> Iterator[Open]:
    """Opens the home page; at the end, no page may have broken the policy, logged an error or asked another host."""
    opened: list[tuple[BrowserContext, ChatPage]] = []

    def open_chat(size: tuple[int, int] = PHONE, *, dark: bool = False) -> ChatPage:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
        )
        chat = ChatPage(context.new_page(), installation.address)
        opened.append((context, chat))
        return chat.open()

    yield open_chat
    for context, chat in opened:
        assert chat.violations() == []
        assert chat.foreign_requests() == []
        assert chat.problems == []
        context.close()


def page_too_wide(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


def press_until(page: Page, key: str, wanted: str) -> None:
    """Press *key* until the focus is on an element whose tag and classes begin with *wanted*."""
    seen = []
    for _ in range(25):
        page.keyboard.press(key)
        seen.append(page.evaluate(_FOCUSED))
        if seen[-1].startswith(wanted):
            return
    pytest.fail(f"{wanted} is not reached by {key}: {seen}")


@pytest.mark.parametrize(("words", "dark"), [(ASKED, False), (ASKED_PLAIN, True)])
def test_a_question_leads_to_the_quotation_and_on_to_the_highlighted_clause(
    open_chat: Open, words: str, dark: bool
) -> None:
    chat = open_chat(dark=dark)
    answer = chat.asked_and_answered(words)
    expect(answer.locator("blockquote")).to_have_text(QUOTE)
    expect(answer.locator("mark")).to_have_text(QUOTE)
    assert chat.too_wide() == 0
    answer.locator(".source").click()
    target = chat.page.locator(".provision:target")
    expect(target).to_be_in_viewport()
    assert target.get_attribute("id") == CLAUSE
    assert target.locator("p").all_text_contents() == [QUOTE]
    assert page_too_wide(chat.page) == 0
    assert chat.violations() == []
    chat.page.locator(".find .home").click()
    expect(chat.ready().answers).to_have_count(1)
    expect(chat.answers.locator("blockquote")).to_have_text(QUOTE)


def test_a_question_without_an_answer_goes_to_a_person_whose_answer_arrives_without_reload(
    installation: Installation, open_chat: Open
) -> None:
    chat = open_chat()
    answer = chat.asked_and_answered(FAR_OFF)
    expect(answer.locator("blockquote")).to_have_count(0)
    answer.get_by_role("button", name=SEND).click()
    expect(chat.answers).to_have_count(2)
    expect(chat.answers.last).to_contain_text("Đã gửi câu hỏi, không kèm tên")
    [kept] = [
        entry
        for entry in installation.json("questions", "list")
        if entry["question"] == FAR_OFF and not entry["answered"]
    ]
    installation.run("questions", "answer", str(kept["id"]), BY_A_PERSON)
    expect(chat.answers).to_have_count(3)
    expect(chat.answers.last).to_contain_text(BY_A_PERSON)
    before = chat.log.locator(".message .text").all_text_contents()
    chat.reload()
    expect(chat.answers).to_have_count(3)
    assert chat.log.locator(".message .text").all_text_contents() == before
    expect(chat.page.get_by_role("button", name=SEND)).to_be_disabled()


def test_everything_is_reached_by_keyboard(open_chat: Open) -> None:
    chat = open_chat(DESKTOP)
    press_until(chat.page, "Tab", "textarea")
    chat.page.keyboard.type(ASKED)
    chat.page.keyboard.press("Enter")
    expect(chat.answers.locator("blockquote")).to_have_text(QUOTE)
    press_until(chat.page, "Shift+Tab", "a.source")
    chat.page.keyboard.press("Enter")
    expect(chat.page.locator(".provision:target")).to_be_in_viewport()
    assert chat.page.url.endswith(f"#{CLAUSE}")
    chat.page.go_back()  # the browser has a key of its own for this
    expect(chat.ready().answers).to_have_count(1)


def test_a_suggested_question_is_one_tap_and_the_large_text_fits_a_phone(open_chat: Open) -> None:
    chat = open_chat()
    assert chat.chips.all_text_contents() == settings().suggestions
    chat.chips.last.click()
    expect(chat.answers.locator("blockquote")).to_have_text(QUOTE)
    chat.page.get_by_role("button", name="Chữ to").click()
    assert chat.too_wide() == 0
    expect(chat.reload().answers).to_have_count(1)
    expect(chat.page.get_by_role("button", name="Chữ to")).to_have_attribute("aria-pressed", "true")


def test_back_from_a_document_the_member_reads_on_where_he_was(open_chat: Open) -> None:
    chat = open_chat()
    chat.asked_and_answered("Điều 14 Điều lệ")
    first = chat.answers.first
    chat.asked_and_answered("xin chào", 2)
    first.locator(".source").click()
    expect(chat.page.locator(".provision:target")).to_be_in_viewport()
    chat.page.go_back()
    expect(chat.ready().answers).to_have_count(2)
    expect(first.locator(".source")).to_be_in_viewport()


def test_the_shelf_fits_a_phone_and_a_replaced_document_names_its_successor(open_chat: Open) -> None:
    chat = open_chat()
    chat.page.get_by_role("link", name="Văn bản").click()
    expect(chat.page.locator(".card")).to_have_count(4)
    assert page_too_wide(chat.page) == 0
    chat.page.locator(".card.past h2 a").click()
    expect(chat.page.locator(".notice")).to_contain_text("không còn hiệu lực kể từ ngày 01/07/2025")
    assert page_too_wide(chat.page) == 0
    chat.page.locator(".notice a").click()
    expect(chat.page.locator(".about .badge")).to_have_text("Còn hiệu lực")


def test_the_page_recovers_from_a_killed_application_and_shows_each_answer_once(
    installation: Installation, browser: Browser
) -> None:
    context = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]})
    chat = ChatPage(context.new_page(), installation.address).open()
    chat.asked_and_answered("xin chào")
    installation.kill("app")
    chat.ask(ASKED)
    expect(chat.answers).to_have_count(2, timeout=60_000)
    expect(chat.answers.last.locator("blockquote")).to_have_text(QUOTE)
    expect(chat.members).to_have_count(2)
    expect(chat.page.locator("sotay-chat .banner")).to_be_hidden()
    expect(chat.reload().answers).to_have_count(2)
    expect(chat.members).to_have_count(2)
    context.close()
    installation.wait_until_ok()


# ---- what the pages are made of


def test_every_page_names_itself(installation: Installation) -> None:
    titles = {
        "/": "Hỏi đáp – Sổ tay",
        "/documents": "Văn bản – Sổ tay",
        "/documents/dieu-le-01-2024-dl-hbdsx": "Điều lệ Hội Bạn đọc Sông Xanh – Sổ tay",
    }
    for path, title in titles.items():
        page = httpx.get(f"{installation.address}{path}").text
        assert '<html lang="vi">' in page
        assert re.findall("<title>(.*)</title>", page) == [title]
        assert len(re.findall('<meta name="description" content="[^"]{40,300}">', page)) == 1
        assert len(re.findall('<meta name="theme-color" content="#[0-9a-f]{6}">', page)) == 1
        [icon] = re.findall('<link rel="icon" href="([^"]+)"', page)
        assert httpx.get(f"{installation.address}{icon}").headers["content-type"].startswith("image/svg+xml")


@pytest.mark.parametrize("path", ["/", "/documents", "/documents/dieu-le-01-2024-dl-hbdsx", "/static/sotay-chat.js"])
def test_pages_travel_compressed(installation: Installation, path: str) -> None:
    with httpx.stream("GET", f"{installation.address}{path}", headers={"Accept-Encoding": "gzip"}) as response:
        raw = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in response.headers["vary"].lower()
    assert response.headers["x-content-type-options"] == "nosniff"
    plain = httpx.get(f"{installation.address}{path}", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(raw) == plain.content


def test_the_event_stream_is_neither_compressed_nor_held_back(installation: Installation) -> None:
    with closing(Member(installation.address)) as member:
        asked = member.say("xin chào")
        member.answer_to(asked)
        headers = {"Accept-Encoding": "gzip, deflate, br"}
        with member.client.stream("GET", "/api/chat/events", headers=headers) as stream:
            assert "content-encoding" not in stream.headers
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.headers["x-content-type-options"] == "nosniff"
            seen = b""
            for chunk in stream.iter_raw():
                seen += chunk
                if asked.encode() in seen:
                    break
    assert b"event: message" in seen


def test_the_questions_we_propose_are_answered_by_the_right_clause(installation: Installation) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"Ba câu để hỏi thử:\n\n```\n(.*?)```", readme, re.DOTALL)
    with closing(Member(installation.address)) as member:
        ids = [member.say(question) for question in [*settings().suggestions, *block.splitlines()]]
        answers = [member.answer_to(id_) for id_ in ids]
    places = [(Path(cited["url"]).name.partition("#")) for cited in (answer["citations"][0] for answer in answers)]
    assert [(slug, anchor) for slug, _, anchor in places] == [
        ("dieu-le-01-2024-dl-hbdsx", "dieu-9"),
        ("quy-dinh-05-2025-qd-hbdsx", "dieu-4-khoan-1"),
        ("dieu-le-01-2024-dl-hbdsx", "dieu-17-khoan-2"),
        ("dieu-le-01-2024-dl-hbdsx", "dieu-17-khoan-2"),
        ("dieu-le-01-2024-dl-hbdsx", "dieu-12-khoan-1"),
        ("dieu-le-01-2024-dl-hbdsx", "dieu-5-khoan-2"),
    ]
