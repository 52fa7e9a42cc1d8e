"""The widget in a real Chromium against the stand-in server: what people see, and what the server got."""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.e2e.chat_page import DESKTOP, PHONE, ChatPage, chromium_path
from tests.e2e.chat_stand_in import DECIDING, FEE_QUOTE, SUGGESTIONS, Fault, StandIn, serving

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

STATIC = Path(__file__).resolve().parents[2] / "web" / "static"
FEE_SOURCE = "Điều 12, khoản 2 — Điều lệ Hội Bạn Đọc Sông Lam số 01/ĐL-HBĐ, ngày 05/02/2026"

# A browser with one Vietnamese voice that comes late, as in Chromium, and keeps what it was told to say.
FAKE_VOICE = """
const voices = [], listeners = [];
window.spoken = [];
Object.defineProperty(window, "speechSynthesis", { value: {
    getVoices: () => voices,
    addEventListener: (type, listener) => listeners.push(listener),
    removeEventListener: () => {},
    speak: (utterance) => spoken.push([utterance.lang, utterance.text]),
    cancel: () => spoken.push("cancelled"),
} });
window.SpeechSynthesisUtterance = function (text) { this.text = text; };
window.voiceComes = (lang) => { voices.push({ lang, name: lang }); listeners.forEach((listener) => listener()); };
"""


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with serving() as running:
        yield running


@pytest.fixture
def stand_in(server: StandIn) -> StandIn:
    server.reset()
    return server


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    yield opened
    opened.close()


@pytest.fixture
def chat(context: BrowserContext, stand_in: StandIn) -> ChatPage:
    return ChatPage(context.new_page(), stand_in.base_url)


def texts(chat: ChatPage) -> list[str]:
    """What stands in the log from top to bottom, one string a message, without the words for screen readers and the times."""
    found: list[str] = chat.log.evaluate(
        "log => Array.from(log.querySelectorAll('.message:not(.greeting)'), "
        "m => (m.matches('.member') ? '> ' : '') + m.querySelector('.text, blockquote').textContent)"
    )
    return found


# ---- asking and answering


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_question_with_accents_is_sent_as_typed_and_its_answer_shown(
    chat: ChatPage, stand_in: StandIn, form: Literal["NFC", "NFD"]
) -> None:
    question = unicodedata.normalize(form, "Đảng viên dự bị được biểu quyết không?")
    chat.open().asked_and_answered(question)
    assert [message["text"] for message in stand_in.accepted] == [question]
    assert texts(chat) == [f"> {question}", f"Đã nhận: {question}"]
    expect(chat.field).to_have_value("")
    expect(chat.field).to_be_focused()
    expect(chat.typing).to_be_hidden()


def test_every_message_has_an_id_of_its_own_in_the_form_of_a_uuid(chat: ChatPage, stand_in: StandIn) -> None:
    chat.open().asked_and_answered("một")
    chat.asked_and_answered("hai", 2)
    ids = [message["id"] for message in stand_in.accepted]
    assert len(set(ids)) == 2
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", id_) for id_ in ids)


def test_a_quotation_stands_apart_with_its_deciding_sentence_marked_and_its_source_linked(chat: ChatPage) -> None:
    answer = chat.open().asked_and_answered("Hội phí bao nhiêu?")
    assert answer.locator(".text").all_text_contents() == [
        "Điều lệ quy định về hội phí như sau:"
    ]  # citations not said twice
    assert answer.locator("blockquote").text_content() == FEE_QUOTE
    assert answer.locator("mark").all_text_contents() == [DECIDING]  # holds an emoji: offsets are code points
    source = answer.locator("figcaption a")
    assert source.text_content() == FEE_SOURCE
    assert source.get_attribute("href") == f"{chat.base_url}/documents/dieu-le?q=1#dieu-12-khoan-2"
    assert answer.locator(".badge").count() == 0
    assert answer.locator(".links a").all_text_contents() == [
        "Điều 6 — Điều lệ Hội Bạn Đọc Sông Lam số 01/ĐL-HBĐ, ngày 05/02/2026"
    ]


def test_a_replaced_rule_says_so(chat: ChatPage) -> None:
    answer = chat.open().asked_and_answered("Quy chế cũ nói gì?")
    assert answer.locator(".badge").all_text_contents() == ["Đã được thay thế"]
    assert answer.locator(".text").all_text_contents() == [
        "Lưu ý: Quy chế thu, chi hội phí (số 07/QC-HBĐ) đã được thay thế; hãy xem Điều 3 của bản mới."
    ]


def test_the_source_opens_the_document_and_back_shows_the_conversation_again(chat: ChatPage) -> None:
    chat.open().asked_and_answered("Hội phí bao nhiêu?")
    chat.field.fill("câu đang gõ dở")
    chat.answers.locator("figcaption a").click()
    expect(chat.page).to_have_title("Văn bản")
    chat.page.go_back()
    chat.ready()
    assert texts(chat) == ["> Hội phí bao nhiêu?", "Điều lệ quy định về hội phí như sau:"]
    expect(chat.field).to_have_value("câu đang gõ dở")


def test_an_abstention_links_the_nearest_headings(chat: ChatPage) -> None:
    answer = chat.open().asked_and_answered("thời tiết hôm nay")
    assert [(a.text_content(), a.get_attribute("href")) for a in answer.locator(".links a").all()] == [
        ("Điều 4. Hội viên", f"{chat.base_url}/documents/dieu-le#dieu-4"),
        ("Điều 19. Sinh hoạt thường kỳ của chi hội", f"{chat.base_url}/documents/dieu-le#dieu-19"),
    ]


def test_a_sentence_that_names_a_suggested_document_is_kept(chat: ChatPage) -> None:
    answer = chat.open().asked_and_answered("Điều 99 nói gì?")
    assert answer.locator(".text").all_text_contents() == [
        "Không có Điều 99 trong Điều lệ Hội Bạn Đọc Sông Lam (số 01/ĐL-HBĐ)."
    ]
    assert answer.locator(".links a").all_text_contents() == ["Điều lệ Hội Bạn Đọc Sông Lam"]


def test_html_from_people_and_from_the_server_is_shown_as_text(chat: ChatPage) -> None:
    question = "mã độc <img src=x onerror=alert(1)>"
    answer = chat.open().asked_and_answered(question)
    assert chat.members.locator(".text").text_content() == question
    assert answer.locator(".text").text_content() == "<img src=x onerror=alert(1)><b>đậm</b>"
    assert answer.locator("blockquote").text_content() == "<script>alert(2)</script>"
    assert chat.log.locator("img, b:text('đậm'), script").count() == 0
    assert answer.locator("a").count() == 0  # the address was a script
    assert chat.violations() == []


# ---- suggestions and choices


def test_the_page_offers_three_questions_that_go_away_once_one_is_asked(chat: ChatPage, stand_in: StandIn) -> None:
    chat.open()
    assert chat.chips.all_text_contents() == SUGGESTIONS
    chat.chips.nth(1).click()
    expect(chat.answers).to_have_count(1)
    assert [message["text"] for message in stand_in.accepted] == [SUGGESTIONS[1]]
    expect(chat.chips).to_have_count(0)


def test_a_choice_is_sent_with_its_token_and_only_once(chat: ChatPage, stand_in: StandIn) -> None:
    chat.open().asked_and_answered("thời tiết hôm nay")
    choice = chat.answers.get_by_role("button", name="Gửi câu hỏi này, không kèm tên")
    choice.click()
    expect(chat.answers).to_have_count(2)
    assert stand_in.posts[1] == stand_in.posts[1] | {"text": "Gửi câu hỏi này, không kèm tên", "choice": "question:41"}
    for button in chat.answers.first.locator(".choices button").all():
        expect(button).to_be_disabled()
    chat.reload()
    expect(chat.answers.first.locator(".choices button:disabled")).to_have_count(2)


def test_a_refused_choice_can_be_tried_again(chat: ChatPage, stand_in: StandIn) -> None:
    chat.open().asked_and_answered("thời tiết hôm nay")
    stand_in.post_faults = [Fault(422, "Lựa chọn này đã hết hạn.")]
    choice = chat.answers.get_by_role("button", name="Thôi")
    choice.click()
    expect(chat.error).to_have_text("Lựa chọn này đã hết hạn.")
    expect(chat.members).to_have_count(1)
    choice.click()
    expect(chat.answers).to_have_count(2)
    assert [message["text"] for message in stand_in.accepted] == ["thời tiết hôm nay", "Thôi"]


# ---- keyboard and screen reader


def test_everything_can_be_done_with_the_keyboard(chat: ChatPage, stand_in: StandIn) -> None:
    chat.open()
    chat.chips.first.focus()
    chat.page.keyboard.press("Enter")
    expect(chat.answers).to_have_count(1)
    expect(chat.field).to_be_focused()
    chat.page.keyboard.type("dòng một")
    chat.page.keyboard.press("Shift+Enter")
    chat.page.keyboard.type("dòng hai")
    chat.page.keyboard.press("Enter")
    expect(chat.answers).to_have_count(2)
    assert [message["text"] for message in stand_in.accepted] == [SUGGESTIONS[0], "dòng một\ndòng hai"]
    chat.page.keyboard.press("Tab")
    expect(chat.page.get_by_role("button", name="Gửi", exact=True)).to_be_focused()
    chat.page.keyboard.press("Escape")
    expect(chat.field).to_be_focused()
    for _ in range(20):  # backwards: tools of the answers, the source, the conversation, the header
        chat.page.keyboard.press("Shift+Tab")
        if chat.page.get_by_role("button", name="Chữ to").evaluate("b => b.getRootNode().activeElement === b"):
            break
    chat.page.keyboard.press("Space")
    expect(chat.page.get_by_role("button", name="Chữ to")).to_have_attribute("aria-pressed", "true")


def test_enter_that_ends_a_composed_syllable_does_not_send(chat: ChatPage, stand_in: StandIn) -> None:
    chat.open()
    chat.field.fill("tiếng")
    chat.field.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    chat.field.dispatch_event("keydown", {"key": "Enter", "keyCode": 229})
    expect(chat.field).to_have_value("tiếng")
    assert stand_in.posts == []


def test_roles_and_names_for_screen_readers(chat: ChatPage) -> None:
    chat.open()
    page = chat.page
    expect(page.get_by_role("log", name="Cuộc trò chuyện")).to_have_attribute("aria-live", "polite")
    expect(page.get_by_role("textbox", name="Câu hỏi của đồng chí")).to_be_visible()
    expect(page.get_by_role("group", name="Câu hỏi gợi ý")).to_be_visible()
    expect(page.get_by_role("region", name="Sổ tay", exact=True)).to_contain_text("Trợ lý tự động")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hỏi đáp Điều lệ")
    expect(page.locator("sotay-chat")).not_to_have_attribute("title", re.compile(".*"))


def test_targets_are_large_enough_for_a_finger(chat: ChatPage) -> None:
    chat.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    chat.open().asked_and_answered("Hội phí bao nhiêu?")
    chat.asked_and_answered("thời tiết hôm nay", 2)
    small: list[str] = chat.page.evaluate(
        """() => Array.from(document.querySelector("sotay-chat").shadowRoot.querySelectorAll("button, textarea, .links a, .source"))
            .filter((e) => e.offsetParent && (e.offsetHeight < 44 || e.offsetWidth < 44))
            .map((e) => e.className + " " + e.offsetWidth + "x" + e.offsetHeight)"""
    )
    assert small == []


# ---- when things go wrong


def test_offline_the_message_waits_and_is_sent_once_when_the_network_is_back(
    chat: ChatPage, context: BrowserContext, stand_in: StandIn
) -> None:
    chat.open().asked_and_answered("trước khi mất mạng")
    context.set_offline(True)
    chat.ask("khi mất mạng")
    expect(chat.members.last).to_contain_text("đang chờ mạng")
    expect(chat.page.get_by_text("Mất kết nối. Tin nhắn sẽ tự gửi khi có mạng.")).to_be_visible()
    chat.ask("thêm một câu")
    expect(chat.members).to_have_count(3)
    context.set_offline(False)
    expect(chat.answers).to_have_count(3)
    assert [message["text"] for message in stand_in.accepted] == ["trước khi mất mạng", "khi mất mạng", "thêm một câu"]
    expect(chat.page.locator("sotay-chat .pending")).to_have_count(0)
    expect(chat.page.locator("sotay-chat .banner")).to_be_hidden()


def test_a_message_written_offline_outlives_a_reload(
    chat: ChatPage, context: BrowserContext, stand_in: StandIn
) -> None:
    chat.open().asked_and_answered("trước")

    def refuse(route: Route) -> None:
        route.abort()

    context.route("**/api/chat/messages", refuse)
    chat.ask("viết lúc mất mạng")
    expect(chat.members.last).to_contain_text("đang chờ mạng")
    chat.reload()
    expect(chat.members).to_have_count(2)
    context.unroute("**/api/chat/messages", refuse)
    expect(chat.answers).to_have_count(2)
    assert [message["text"] for message in stand_in.accepted] == ["trước", "viết lúc mất mạng"]


def test_a_lost_acknowledgement_makes_no_second_message(
    chat: ChatPage, context: BrowserContext, stand_in: StandIn
) -> None:
    lost: list[str] = []

    def lose_first_answer(route: Route) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().text())  # the server has it, the browser never learns
        route.abort()

    context.route("**/api/chat/messages", lose_first_answer)
    chat.open().asked_and_answered("một lần thôi")
    expect(chat.page.locator("sotay-chat .pending")).to_have_count(0)
    assert [post["id"] for post in stand_in.posts] == [stand_in.posts[0]["id"]] * len(stand_in.posts)
    assert len(stand_in.accepted) == 1
    assert texts(chat) == ["> một lần thôi", "Đã nhận: một lần thôi"]


def test_an_answer_that_comes_before_the_acknowledgement_stands_below_its_question(
    chat: ChatPage, context: BrowserContext, stand_in: StandIn
) -> None:
    chat.open().asked_and_answered("một")

    def acknowledge_late(route: Route) -> None:
        route.fetch()
        expect(chat.answers).to_have_count(2)
        route.abort()

    context.route("**/api/chat/messages", acknowledge_late)
    chat.ask("hai")
    expect(chat.page.locator("sotay-chat .pending")).to_have_count(0)
    expect(chat.page.locator("sotay-chat .banner")).to_be_hidden()
    assert texts(chat) == ["> một", "Đã nhận: một", "> hai", "Đã nhận: hai"]
    context.unroute("**/api/chat/messages", acknowledge_late)
    chat.asked_and_answered("ba", 3)
    assert [post["text"] for post in stand_in.posts] == ["một", "hai", "ba"]


@pytest.mark.parametrize("stored", [False, True])
def test_a_server_that_stumbles_gets_the_same_message_again(chat: ChatPage, stand_in: StandIn, stored: bool) -> None:
    stand_in.post_faults = [Fault(503, stored=stored), Fault(500, stored=stored)]
    chat.open().asked_and_answered("bền bỉ")
    expect(chat.page.locator("sotay-chat .pending")).to_have_count(0)
    assert len(stand_in.accepted) == 1
    assert texts(chat) == ["> bền bỉ", "Đã nhận: bền bỉ"]


def test_too_many_messages_wait_as_long_as_the_server_says(chat: ChatPage, stand_in: StandIn) -> None:
    stand_in.post_faults = [Fault(429, "Đồng chí gửi hơi nhanh, xin chờ giây lát.", retry_after=1)]
    chat.open()
    chat.ask("nhanh quá")
    expect(chat.error).to_have_text("Đồng chí gửi hơi nhanh, xin chờ giây lát.")
    expect(chat.members.last).to_contain_text("đang chờ gửi lại")
    expect(chat.answers).to_have_count(1)
    expect(chat.error).to_have_text("")
    assert len(stand_in.accepted) == 1


def test_a_refusal_is_shown_beside_the_field_and_the_words_are_kept(chat: ChatPage, stand_in: StandIn) -> None:
    stand_in.post_faults = [Fault(422, "Câu hỏi chưa đọc được. Đồng chí viết lại giúp.")]
    chat.open()
    chat.ask("câu hỏi dở")
    expect(chat.error).to_have_text("Câu hỏi chưa đọc được. Đồng chí viết lại giúp.")
    expect(chat.field).to_have_value("câu hỏi dở")
    expect(chat.field).to_be_focused()
    expect(chat.members).to_have_count(0)
    chat.field.press("End")
    chat.field.press_sequentially("!")
    expect(chat.error).to_have_text("")
    chat.field.press("Enter")
    expect(chat.answers).to_have_count(1)
    assert [message["text"] for message in stand_in.accepted] == ["câu hỏi dở!"]


def test_empty_and_too_long_questions_are_not_sent(chat: ChatPage, stand_in: StandIn) -> None:
    chat.open()
    chat.ask("   ")
    expect(chat.error).to_have_text("Xin đồng chí nhập câu hỏi trước khi gửi.")
    chat.ask("a" * 10_000)
    expect(chat.error).to_have_text("Câu hỏi dài quá 2.000 ký tự. Xin rút gọn rồi gửi lại.")
    expect(chat.field).to_have_value("a" * 10_000)
    assert stand_in.posts == []
    chat.asked_and_answered(unicodedata.normalize("NFD", "ế" * 2000))  # 6,000 code points, but 2,000 letters


def test_a_cut_stream_is_taken_up_where_it_ended(chat: ChatPage, stand_in: StandIn) -> None:
    chat.open().asked_and_answered("một")
    stand_in.silent = True
    chat.ask("hai")
    expect(chat.typing).to_contain_text("Đang tìm…")
    stand_in.stream_statuses = [503, 502]
    stand_in.cut_streams()
    stand_in.release()
    expect(chat.answers).to_have_count(2)
    chat.asked_and_answered("ba", 3)
    assert texts(chat) == ["> một", "Đã nhận: một", "> hai", "Đã nhận: hai", "> ba", "Đã nhận: ba"]
    assert stand_in.opened_from == [0, 1]


def test_events_that_come_twice_are_shown_once(chat: ChatPage, stand_in: StandIn) -> None:
    chat.open().asked_and_answered("một")
    stand_in.resends = True
    stand_in.cut_streams()
    chat.asked_and_answered("hai", 2)
    chat.reload()
    chat.asked_and_answered("ba", 3)
    assert texts(chat) == ["> một", "Đã nhận: một", "> hai", "Đã nhận: hai", "> ba", "Đã nhận: ba"]


def test_an_answer_of_a_person_comes_by_itself_later(chat: ChatPage, stand_in: StandIn) -> None:
    chat.open().asked_and_answered("một")
    session = next(iter(stand_in.sessions.values()))
    reply = {"text": "Người phụ trách trả lời: được.", "citations": [], "choices": [], "suggestions": []}
    stand_in.say(session, None, reply)
    expect(chat.answers).to_have_count(2)
    expect(chat.answers.last).to_contain_text("Người phụ trách trả lời: được.")


def test_a_question_from_another_window_of_the_session_appears_with_its_answer(
    chat: ChatPage, context: BrowserContext, stand_in: StandIn
) -> None:
    chat.open().asked_and_answered("ở đây")
    other = ChatPage(context.new_page(), stand_in.base_url).open()
    other.asked_and_answered("ở cửa sổ kia", 2)
    expect(chat.members).to_have_count(2)
    assert texts(chat) == ["> ở đây", "Đã nhận: ở đây", "> ở cửa sổ kia", "Đã nhận: ở cửa sổ kia"]


def test_a_page_whose_session_was_lost_goes_over_to_the_new_one(
    chat: ChatPage, context: BrowserContext, stand_in: StandIn
) -> None:
    page = chat.page
    page.clock.install()
    chat.open().asked_and_answered("phiên cũ")
    context.clear_cookies()  # the open stream still belongs to the old session
    chat.ask("phiên mới")
    expect(chat.typing).to_be_visible()
    expect(page.locator("sotay-chat .pending")).to_have_count(0)
    page.clock.run_for(10_000)
    expect(chat.answers.last).to_contain_text("Đã nhận: phiên mới")
    chat.ask("câu sau")  # by the stream again: no time passes on the page's clock
    expect(chat.answers.last).to_contain_text("Đã nhận: câu sau")
    assert [[m["text"] for m in s.messages if m["role"] == "member"] for s in stand_in.sessions.values()] == [
        ["phiên cũ"],
        ["phiên mới", "câu sau"],
    ]


def test_an_erased_conversation_leaves_every_open_page(
    chat: ChatPage, context: BrowserContext, stand_in: StandIn
) -> None:
    chat.open().asked_and_answered("câu riêng tư")
    other = ChatPage(context.new_page(), stand_in.base_url).open()
    expect(other.answers).to_have_count(1)
    stand_in.silent = True
    chat.ask("xóa")
    expect(chat.typing).to_be_visible()
    session = next(iter(stand_in.sessions.values()))
    session.messages = session.messages[-1:]
    session.events = []
    stand_in.say(session, session.messages[0]["id"], {**stand_in_reply("Đã xóa."), "clears": True})
    stand_in.silent = False
    for page in (chat, other):
        expect(page.answers).to_have_text([re.compile("Đã xóa")])
        assert texts(page) == ["> xóa", "Đã xóa."]
    chat.ask("câu sau")
    expect(chat.answers).to_have_count(2)
    assert texts(chat) == ["> xóa", "Đã xóa.", "> câu sau", "Đã nhận: câu sau"]
    chat.reload()
    expect(chat.answers).to_have_count(2)
    assert texts(chat) == ["> xóa", "Đã xóa.", "> câu sau", "Đã nhận: câu sau"]


def test_links_to_pages_of_ours_are_not_called_provisions(chat: ChatPage, stand_in: StandIn) -> None:
    chat.open().asked_and_answered("một")
    session = next(iter(stand_in.sessions.values()))
    pages = [{"heading": "Trang đăng nhập", "url": "/sign-in"}]
    stand_in.say(session, None, {**stand_in_reply("Xin đăng nhập."), "suggestions": pages})
    expect(chat.answers).to_have_count(2)
    expect(chat.answers.last.locator(".links-label")).to_have_text("Mở trang")
    link = chat.answers.last.get_by_role("link", name="Trang đăng nhập")
    expect(link).to_have_attribute("href", f"{stand_in.base_url}/sign-in")


def stand_in_reply(text: str) -> dict[str, Any]:
    """A reply of the bot with nothing but words."""
    return {"text": text, "citations": [], "choices": [], "suggestions": []}


def test_a_history_that_fails_at_first_is_restored_later(chat: ChatPage, stand_in: StandIn) -> None:
    chat.open().asked_and_answered("một")
    stand_in.history_statuses = [503, 503]
    chat.reload()
    expect(chat.answers).to_have_count(1)
    assert texts(chat) == ["> một", "Đã nhận: một"]
    expect(chat.page.locator("sotay-chat .greeting")).to_have_count(0)
    expect(chat.page.locator("sotay-chat .banner")).to_be_hidden()


def test_a_slow_answer_is_announced_calmly(chat: ChatPage, stand_in: StandIn) -> None:
    page: Page = chat.page
    page.clock.install()
    stand_in.silent = True
    chat.open()
    chat.ask("câu khó")
    expect(chat.typing).to_contain_text("Đang tìm…")
    page.clock.run_for(8000)
    expect(chat.typing).to_contain_text("Vẫn đang tìm, xin đồng chí chờ một chút…")
    page.clock.run_for(90_000)
    expect(chat.typing).to_contain_text("Câu trả lời đến chậm hơn thường lệ, sẽ hiện ở đây khi có.")
    stand_in.release()
    page.clock.run_for(1000)
    expect(chat.answers).to_have_count(1)
    expect(chat.typing).to_be_hidden()


# ---- remembering


def test_a_reload_restores_the_conversation_once(chat: ChatPage, stand_in: StandIn) -> None:
    chat.open().asked_and_answered("Hội phí bao nhiêu?")
    chat.asked_and_answered("hai", 2)
    before = texts(chat)
    chat.reload()
    expect(chat.answers).to_have_count(2)
    chat.asked_and_answered("ba", 3)
    assert texts(chat) == [*before, "> ba", "Đã nhận: ba"]
    assert chat.answers.first.locator("mark").all_text_contents() == [DECIDING]
    expect(chat.chips).to_have_count(0)


def test_a_reload_while_the_answer_is_awaited_still_gets_it(chat: ChatPage, stand_in: StandIn) -> None:
    stand_in.silent = True
    chat.open()
    chat.ask("chờ")
    expect(chat.typing).to_be_visible()
    chat.reload()
    expect(chat.typing).to_be_visible()
    stand_in.release()
    expect(chat.answers).to_have_count(1)
    expect(chat.typing).to_be_hidden()


def test_large_text_is_kept_over_a_reload(chat: ChatPage) -> None:
    def size() -> str:
        found: str = chat.field.evaluate("field => getComputedStyle(field).fontSize")
        return found

    chat.open()
    switch = chat.page.get_by_role("button", name="Chữ to")
    assert size() == "17px"
    switch.click()
    assert size() == "22px"
    chat.reload()
    assert size() == "22px"
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    assert size() == "17px"


def test_without_storage_the_chat_works_all_the_same(chat: ChatPage) -> None:
    chat.page.add_init_script(
        "for (const name of ['localStorage', 'sessionStorage'])"
        " Object.defineProperty(window, name, { get() { throw new DOMException('no', 'SecurityError'); } });"
    )
    chat.open().asked_and_answered("không có kho")
    chat.page.get_by_role("button", name="Chữ to").click()
    assert chat.problems == []


# ---- reading aloud, copying


def test_reading_aloud_is_offered_once_there_is_a_vietnamese_voice(chat: ChatPage) -> None:
    chat.page.add_init_script(FAKE_VOICE)
    chat.open().asked_and_answered("Hội phí bao nhiêu?")
    button = chat.answers.locator(".speak")
    expect(button).to_be_hidden()
    chat.page.evaluate("voiceComes('en-US')")
    expect(button).to_be_hidden()
    chat.page.evaluate("voiceComes('vi_VN')")
    expect(button).to_be_visible()
    button.click()
    expect(button).to_have_text("Dừng đọc")
    spoken = chat.page.evaluate("spoken")
    assert {lang for lang, _ in spoken} == {"vi_VN"}
    assert "hội viên trên 70 tuổi được miễn." in [text for _, text in spoken]
    button.click()
    expect(button).to_have_text("Đọc to")
    assert chat.page.evaluate("spoken.slice(-1)") == ["cancelled"]


def test_a_browser_without_vietnamese_offers_no_reading(chat: ChatPage) -> None:
    answer = chat.open().asked_and_answered("Hội phí bao nhiêu?")
    expect(answer.locator(".speak")).to_be_hidden()


def test_the_citation_can_be_copied(chat: ChatPage, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    answer = chat.open().asked_and_answered("Hội phí bao nhiêu?")
    answer.get_by_role("button", name="Sao chép").click()
    expect(answer.get_by_role("button", name="Đã sao chép")).to_be_visible()
    issuer = "Đại hội đại biểu Hội Bạn Đọc Sông Lam"
    assert chat.page.evaluate("navigator.clipboard.readText()") == f"“{FEE_QUOTE}” ({FEE_SOURCE}, {issuer})"


# ---- looks and limits


def test_a_long_answer_is_shown_from_its_beginning(chat: ChatPage) -> None:
    answer = chat.open().asked_and_answered("Trình tự thế nào?")
    top: float = answer.evaluate(
        "a => a.getBoundingClientRect().top - a.closest('.scroll').getBoundingClientRect().top"
    )
    assert round(top) == 12


def test_who_reads_above_is_told_of_a_new_answer_and_not_moved(chat: ChatPage, stand_in: StandIn) -> None:
    chat.open().asked_and_answered("Trình tự thế nào?")
    scroll = chat.page.locator("sotay-chat .scroll")
    scroll.evaluate("s => { s.scrollTop = 40; }")
    chat.page.wait_for_function("!document.querySelector('sotay-chat')._pinned")
    reply = {"text": "Có tin mới.", "citations": [], "choices": [], "suggestions": []}
    stand_in.say(next(iter(stand_in.sessions.values())), None, reply)
    expect(chat.answers).to_have_count(2)
    assert scroll.evaluate("s => s.scrollTop") == 40
    chat.page.get_by_role("button", name="Có câu trả lời mới").click()
    expect(chat.answers.last).to_be_in_viewport()
    expect(chat.page.locator("sotay-chat .newer")).to_be_hidden()


@pytest.mark.parametrize("large", [False, True])
def test_nothing_sticks_out_at_360_pixels(chat: ChatPage, large: bool) -> None:
    chat.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    chat.open()
    if large:
        chat.page.get_by_role("button", name="Chữ to").click()
    chat.asked_and_answered("Hội phí bao nhiêu?")
    chat.asked_and_answered("thời tiết hôm nay", 2)
    chat.asked_and_answered("w" * 300, 3)
    assert chat.too_wide() == 0
    expect(chat.page.get_by_role("button", name="Gửi", exact=True)).to_be_in_viewport(ratio=1)


def test_the_chat_keeps_to_its_own_server_and_to_the_policy(chat: ChatPage) -> None:
    chat.open().asked_and_answered("Hội phí bao nhiêu?")
    chat.field.press("Shift+Enter")  # the field grows by script
    assert chat.foreign_requests() == []
    assert chat.violations() == []
    assert chat.problems == []


def test_the_widget_in_a_page_of_others(context: BrowserContext, stand_in: StandIn) -> None:
    chat = ChatPage(context.new_page(), stand_in.base_url, "/bare").open()
    assert chat.chips.all_text_contents() == SUGGESTIONS[:1]
    expect(chat.field).to_have_attribute("placeholder", "Ông/Bà hỏi gì?")
    expect(chat.page.get_by_role("heading", level=2)).to_have_text("Hỏi đáp Điều lệ")
    expect(chat.page.get_by_role("textbox", name="Câu hỏi của ông/bà")).to_be_visible()
    chat.asked_and_answered("Hội phí bao nhiêu?")
    assert chat.page.locator("sotay-chat").bounding_box() == chat.page.locator("div").first.bounding_box()
    assert (
        chat.field.evaluate("field => getComputedStyle(field).fontSize") == "17px"
    )  # whatever the page's own sizes are
    assert chat.violations() == []
    assert chat.problems == []


def test_the_element_can_be_taken_out_and_put_back(chat: ChatPage) -> None:
    chat.open().asked_and_answered("một")
    chat.page.evaluate(
        "window.kept = document.querySelector('sotay-chat'); window.place = kept.parentNode; kept.remove()"
    )
    chat.page.evaluate("place.append(kept)")
    chat.asked_and_answered("hai", 2)
    assert texts(chat) == ["> một", "Đã nhận: một", "> hai", "Đã nhận: hai"]


def test_the_page_without_script_says_so_and_leads_to_the_documents(browser: Browser, stand_in: StandIn) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(stand_in.base_url + "/")
    expect(page.get_by_text("Nếu khung hỏi đáp không hiện ra")).to_be_visible()
    assert page.locator("main a").get_attribute("href") == "/documents"
    context.close()


def test_the_script_and_its_style_sheet_stay_small() -> None:
    together = (STATIC / "sotay-chat.js").read_bytes() + (STATIC / "sotay-chat.css").read_bytes()
    assert len(gzip.compress(together)) <= 25_000


def test_the_script_keeps_to_what_old_web_views_know() -> None:
    script = re.sub(r"/\*.*?\*/|//.*", "", (STATIC / "sotay-chat.js").read_text("utf-8"), flags=re.DOTALL)
    too_new = r"\?\.(?!\d)|\?\?|replaceAll|replaceChildren|structuredClone|\.at\(|randomUUID|adoptedStyleSheets|innerHTML|allSettled"
    assert re.findall(too_new, script.replace("SVG", "")) == []
    style = re.sub(r"/\*.*?\*/", "", (STATIC / "sotay-chat.css").read_text("utf-8"), flags=re.DOTALL)
    assert re.findall(r"[^-]\bgap:|clamp\(|\bmin\(|\bmax\(|:is\(|:where\(|\binset:|\d[ds]vh|@import|url\(", style) == []
