"""The reader in a real Chromium: the cited clause, find in text, contents, print, narrow screens, without script."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.chat_page import DESKTOP, PHONE, chromium_path
from tests.web import shelf

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

CHARTER = f"/documents/{shelf.CHARTER.stem}"
NEW_FEES = f"/documents/{shelf.NEW_FEES.stem}"
OLD_FEES = f"/documents/{shelf.OLD_FEES.stem}"

_LISTEN_FOR_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(shelf.application(shelf.Shelf()), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Open]:
    """Opens a path; at the end of the test, no page may have broken the policy or asked another host for anything."""
    contexts: list[tuple[BrowserContext, Page, list[str]]] = []

    def open_page(path: str, size: tuple[int, int] = PHONE, *, script: bool = True, dark: bool = False) -> Page:
        context = browser.new_context(
            base_url=address,
            viewport={"width": size[0], "height": size[1]},
            java_script_enabled=script,
            color_scheme="dark" if dark else "light",
        )
        context.add_init_script(_LISTEN_FOR_VIOLATIONS)
        page = context.new_page()
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        contexts.append((context, page, requested))
        page.goto(path)
        return page

    yield open_page
    for context, page, requested in contexts:
        assert [url for url in requested if not url.startswith(address)] == []
        assert page.evaluate("window.violations ?? []") == []
        context.close()


def in_view(page: Page, selector: str) -> bool:
    """Whether the first element of *selector* is inside the window, below the bar that stays on top."""
    return bool(
        page.evaluate(
            """selector => {
                const box = document.querySelector(selector).getBoundingClientRect();
                const bar = document.querySelector(".find").getBoundingClientRect();
                return box.top >= bar.bottom - 1 && box.top < innerHeight;
            }""",
            selector,
        )
    )


def marked(page: Page) -> list[str]:
    return page.locator("mark").all_inner_texts()


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_link_opens_at_the_highlighted_clause(open_page: Open, size: tuple[int, int], script: bool) -> None:
    page = open_page(f"{CHARTER}#dieu-12-khoan-1", size, script=script)
    target = page.locator(":target")
    expect(target).to_have_attribute("id", "dieu-12-khoan-1")
    expect(target).to_have_css("background-color", "rgb(253, 246, 227)")
    expect(target).to_have_css("border-left-color", "rgb(140, 28, 32)")
    assert "Thời gian dự bị là 12 tháng" in target.inner_text()
    assert in_view(page, ":target") is True
    assert in_view(page, "#dieu-12 > h3") is True


def test_points_d_and_dd_are_two(open_page: Open) -> None:
    page = open_page(f"{NEW_FEES}#dieu-5-khoan-1-diem-dd")
    assert page.locator(":target").inner_text().strip() == "đ) Hội viên trong thời gian được tạm dừng sinh hoạt."
    page.goto(f"{NEW_FEES}#dieu-5-khoan-1-diem-d")
    assert page.locator(":target").inner_text().strip() == "d) Hội viên là người khuyết tật nặng, đặc biệt nặng;"


@pytest.mark.parametrize("path", ["/documents", CHARTER, NEW_FEES, OLD_FEES, "/nowhere"])
@pytest.mark.parametrize("width", [320, 360])
def test_no_sideways_scrolling(open_page: Open, path: str, width: int) -> None:
    page = open_page(path, (width, 740))
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_large_text_fits_a_phone(open_page: Open) -> None:
    page = open_page(CHARTER)
    page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]


@pytest.mark.parametrize(
    "typed", ["thẻ hội viên", "the hoi vien", "THẺ  HỘI VIÊN", "the\u0309 ho\u0323\u0302i vie\u0302n"]
)
def test_find_minds_neither_accents_nor_case(open_page: Open, typed: str) -> None:
    page = open_page(CHARTER)
    text = shelf.words(page.locator(".text").inner_text())
    page.get_by_label("Tìm trong văn bản").fill(typed)
    expect(page.locator("mark.now")).to_have_count(1)
    found = marked(page)
    assert len(found) == text.count("the hoi vien") > 3
    assert {shelf.words(mark) for mark in found} == {"the hoi vien"}
    expect(page.locator(".find output")).to_have_text(f"1 / {len(found)}")
    assert in_view(page, "mark.now") is True


def test_find_reads_decomposed_text(open_page: Open) -> None:
    page = open_page(NEW_FEES)
    page.evaluate(
        "document.querySelectorAll('.text p').forEach(p => { p.textContent = p.textContent.normalize('NFD') })"
    )
    page.get_by_label("Tìm trong văn bản").fill("người khuyết tật nặng, đặc biệt nặng")
    expect(page.locator("mark")).to_have_count(1)
    expected = "người khuyết tật nặng, đặc biệt nặng"
    assert page.locator("mark").evaluate("mark => mark.textContent.normalize('NFC')") == expected


def test_find_steps_by_keyboard_and_clears(open_page: Open) -> None:
    page = open_page(NEW_FEES)
    before = page.locator(".text").inner_html()
    field = page.get_by_label("Tìm trong văn bản")
    field.fill("đồng một tháng")
    output = page.locator(".find output")
    expect(output).to_have_text("1 / 3")
    field.press("Enter")
    expect(output).to_have_text("2 / 3")
    field.press("Shift+Enter")
    field.press("Shift+Enter")
    expect(output).to_have_text("3 / 3")
    assert page.locator("mark.now").evaluate("mark => mark.closest('.clause').id") == "dieu-4-khoan-3"
    page.get_by_label("Chỗ sau").click()
    expect(output).to_have_text("1 / 3")
    page.get_by_label("Chỗ trước").click()
    expect(output).to_have_text("3 / 3")
    field.press("Escape")
    expect(output).to_have_text("")
    assert page.locator(".text").inner_html() == before


def test_find_says_when_there_is_nothing(open_page: Open) -> None:
    page = open_page(NEW_FEES)
    page.get_by_label("Tìm trong văn bản").fill("bóng đá")
    expect(page.locator(".find output")).to_have_text("Không có")
    expect(page.get_by_label("Chỗ sau")).to_be_disabled()


def test_find_crosses_styles_and_leaves_marks_of_markdown_out(open_page: Open) -> None:
    page = open_page(NEW_FEES)
    field = page.get_by_label("Tìm trong văn bản")
    field.fill("chuong ii")
    expect(page.locator(".find output")).to_have_text("1 / 2")  # also the beginning of "Chương III"
    field.fill("###")
    expect(page.locator(".find output")).to_have_text("Không có")


def test_contents_are_closed_on_a_phone_and_open_beside_the_text(open_page: Open) -> None:
    phone = open_page(CHARTER)
    contents = phone.locator(".toc details")
    expect(contents).not_to_have_attribute("open", "")
    contents.locator("summary").click()
    phone.get_by_role("link", name="Điều 34 Ban Kiểm tra").click()
    expect(contents).not_to_have_attribute("open", "")
    expect(phone.locator(":target")).to_have_attribute("id", "dieu-34")
    assert in_view(phone, ":target") is True

    desktop = open_page(CHARTER, DESKTOP)
    expect(desktop.get_by_role("link", name="Điều 34 Ban Kiểm tra")).to_be_visible()
    beside = desktop.locator(".toc").bounding_box()
    text = desktop.locator(".text").bounding_box()
    assert beside is not None
    assert text is not None
    assert beside["x"] + beside["width"] <= text["x"]


def test_link_of_a_clause_is_copied(open_page: Open, address: str) -> None:
    page = open_page(CHARTER)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("Liên kết tới Khoản 2 Điều 9", exact=True).click()
    expect(page.locator(".toast")).to_have_text("Đã chép liên kết tới mục này")
    assert page.evaluate("navigator.clipboard.readText()") == f"{address}{CHARTER}#dieu-9-khoan-2"
    expect(page.locator(":target")).to_have_attribute("id", "dieu-9-khoan-2")


def test_print_shows_the_document_alone(open_page: Open) -> None:
    page = open_page(CHARTER, DESKTOP)
    page.emulate_media(media="print")
    for selector in (".site", ".toc", ".find", ".back", ".link >> nth=0"):
        expect(page.locator(selector)).to_be_hidden()
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("#dieu-44-khoan-2")).to_be_visible()


def test_without_script_all_is_there(open_page: Open) -> None:
    page = open_page(CHARTER, script=False)
    expect(page.locator(".find")).to_be_hidden()
    expect(page.locator("#dieu-44-khoan-2")).to_be_visible()
    page.locator(".toc summary").click()
    page.get_by_role("link", name="Điều 34 Ban Kiểm tra").click()
    expect(page.locator(":target")).to_have_attribute("id", "dieu-34")


def test_from_the_list_through_the_replaced_document_to_the_new_one(open_page: Open) -> None:
    page = open_page("/documents")
    page.get_by_label("Tìm theo tên, số hoặc cơ quan ban hành").fill("02/2021")
    page.get_by_role("button", name="Tìm").click()
    page.locator(".card h2 a").click()
    expect(page.locator(".badge")).to_have_text("Đã được thay thế")
    page.locator(".notice a").click()
    expect(page.locator(".badge")).to_have_text("Còn hiệu lực")
    assert page.url.endswith(NEW_FEES)
    page.get_by_role("link", name="Quay lại hỏi đáp").click()
    assert page.url.endswith("/")


def test_keyboard_reaches_the_text_by_the_skip_link(open_page: Open) -> None:
    page = open_page(CHARTER)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Đến phần nội dung")
    expect(page.locator(":focus")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


_CONTRAST = """() => {
    const parse = colour => colour.match(/[\\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const background = element => {
        for (let at = element; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (!own || !element.getClientRects().length || element.closest(":disabled")) continue;
        const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(background(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) poor.push(element.tagName + "." + element.className + " " + ratio.toFixed(2));
    }
    return poor;
}"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", ["/documents", f"{CHARTER}#dieu-4", OLD_FEES, "/nowhere"])
def test_contrast(open_page: Open, path: str, dark: bool) -> None:
    page = open_page(path, dark=dark)
    assert page.evaluate(_CONTRAST) == []
    if path.startswith(CHARTER):
        page.get_by_label("Tìm trong văn bản").fill("hội viên")
        expect(page.locator("mark.now")).to_have_count(1)
        assert page.evaluate(_CONTRAST) == []
