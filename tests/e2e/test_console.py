"""Every page of the console in a real Chromium, on a phone and on a desk: no axe finding, no foreign request, no overflow.

The pages are those of ``admin.console.PAGES``: a new one is visited here without being named.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi.routing import APIRoute
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from admin import console
from core.settings import ROOT
from tests.e2e.chat_page import DESKTOP, PHONE, chromium_path
from tests.e2e.installation import Installation

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

QUERIES = {
    "/choices/units": "permission=members.read",
    "/members/export": "unit_id={unit_id}",
    "/requests/new": "member={member_id}",
    "/units/new": "parent={unit_id}",
}
"""What a page's address needs beside its path."""
MORE = ("/members?q=khong+co+ai", "/members?unit=THU", "/imports/{import_id}?code=unknown_unit", "/units?q=thu")
"""The same pages in other states."""
WITHOUT_SIGN_IN = ("/sign-in",)

_LISTEN_FOR_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective + " " + event.blockedURI));
"""


def paths() -> list[str]:
    """The path of every page, with its parameters in braces."""
    found = []
    for router in console.PAGES:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            if "GET" in route.methods:
                query = QUERIES.get(route.path)
                found.append(f"{route.path}?{query}" if query else route.path)
    return [*found, *MORE]


@dataclass
class Visit:
    address: str
    administrator: str
    secretary: str
    ids: dict[str, Any]


@pytest.fixture(scope="module")
def visit(installation: Installation) -> Visit:
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.console_visit"],
        cwd=ROOT,
        env=installation.environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return Visit(address=installation.address, **json.loads(done.stdout.splitlines()[-1]))


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, visit: Visit) -> Iterator[Open]:
    """Opens a path of the console; at the end no page may have broken the policy or asked another host for anything."""
    opened: list[tuple[BrowserContext, list[str], list[str]]] = []

    def open_page(path: str, size: tuple[int, int] = PHONE, *, token: str | None = None, script: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, java_script_enabled=script, base_url=visit.address
        )
        url = f"{visit.address}/admin"
        context.add_cookies([{"name": "sotay_console", "value": token or visit.administrator, "url": url}])
        requests: list[str] = []
        problems: list[str] = []
        context.on("request", lambda request: requests.append(request.url))
        page = context.new_page()
        page.add_init_script(_LISTEN_FOR_VIOLATIONS)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if is_problem(message) else None)
        opened.append((context, requests, problems))
        page.goto(f"/admin{path}")
        return page

    yield open_page
    for context, requests, problems in opened:
        assert [url for url in requests if not url.startswith(f"{visit.address}/")] == []
        assert problems == []
        context.close()


def is_problem(message: ConsoleMessage) -> bool:
    """Errors, but for what htmx says of a request of its own that a newer one, or the next page, took the place of."""
    return message.type == "error" and not message.text.startswith(("htmx:afterRequest,", "htmx:sendAbort,"))


def too_wide(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


def grave(page: Page) -> list[str]:
    """What axe finds that keeps people out: rule and where."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desk"])
def test_every_page_is_usable_and_keeps_to_itself(open_page: Open, visit: Visit, size: tuple[int, int]) -> None:
    page = open_page("", size)
    found: dict[str, list[str]] = {}
    visited = 0
    for path in (*paths(), *WITHOUT_SIGN_IN):
        signed_up = {"member_id": visit.ids["signed_up_id"]} if path.startswith("/signed-up/") else {}
        address = f"{visit.address}/admin{path.format(**visit.ids | signed_up)}"
        if path in WITHOUT_SIGN_IN:
            page.context.clear_cookies()
        answer = page.request.get(address)
        assert answer.status == 200, f"{path}: {answer.status} {answer.text()[:300]}"
        if not answer.text().lstrip().lower().startswith("<!doctype html>"):
            continue  # a file, or a part of a page
        page.goto(address)
        visited += 1
        wrong = grave(page)
        wrong += [f"{too_wide(page)} pixels too wide"] if too_wide(page) else []
        wrong += page.evaluate("window.violations")
        wrong += [] if page.locator("h1").count() == 1 else ["not exactly one h1"]
        wrong += [] if re.fullmatch(".+ · Sổ tay", page.title()) else [f"title {page.title()!r}"]
        if wrong:
            found[path] = wrong
    assert found == {}
    assert visited >= 20


def test_the_menu_of_a_phone_opens_by_keyboard_and_leads_on(open_page: Open) -> None:
    page = open_page("")
    link = page.get_by_role("navigation", name="Mục quản trị").get_by_role("link", name="Thành viên")
    expect(link).to_be_hidden()
    focus(page, page.get_by_text("Danh mục"))
    page.keyboard.press("Enter")
    expect(link).to_be_visible()
    focus(page, link)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Thành viên", exact=True)).to_be_visible()
    expect(page.locator(".menu [aria-current=page]")).to_have_text("Thành viên")


def focus(page: Page, wanted: Any) -> None:
    """Press Tab until *wanted* has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if wanted.evaluate(
            "(element) => element === document.activeElement || element === document.activeElement?.firstChild"
        ):
            return
    pytest.fail("not reached by Tab")


def test_the_first_tab_leads_past_the_menu(open_page: Open) -> None:
    page = open_page("/members", DESKTOP)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Đến phần nội dung")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Thêm hồ sơ")).to_be_focused()


def test_a_search_shows_as_one_types_and_back_returns(open_page: Open) -> None:
    page = open_page("/members?unit=THU", DESKTOP)
    expect(page.locator("[role=status]")).to_have_text("60 người")
    page.get_by_label("Họ tên, số thẻ").press_sequentially("le thu 33")
    expect(page.locator("[role=status]")).to_have_text("1 người")
    expect(page.locator("tbody a")).to_have_text("Lê Thử 33")
    assert "q=le+thu+33" in page.url or "q=le%20thu%2033" in page.url
    page.locator("tbody a").click()
    expect(page.get_by_role("heading", name="Lê Thử 33")).to_be_visible()
    page.go_back()
    expect(page.locator("[role=status]")).to_have_text("1 người")
    expect(page.get_by_role("navigation", name="Mục quản trị")).to_have_count(1)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_search_and_pages_work_with_and_without_a_script(open_page: Open, script: bool) -> None:
    page = open_page("/members", DESKTOP, script=script)
    page.get_by_label("Đơn vị").fill("Hội huyện Thử (THU)")
    page.get_by_role("button", name="Tìm").click()
    expect(page.locator("[role=status]")).to_have_text("60 người")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("link", name="Trang sau").click()
    expect(page.locator("tbody tr")).to_have_count(10)
    page.get_by_role("link", name="Trang trước").click()
    expect(page.locator("tbody tr")).to_have_count(50)


def test_a_secretary_makes_a_code_on_the_phone_by_keyboard(open_page: Open, visit: Visit) -> None:
    page = open_page(f"/members/{visit.ids['member_id']}", token=visit.secretary)
    button = page.get_by_role("button", name="Cấp mã đăng nhập")
    focus(page, button)
    page.keyboard.press("Enter")
    code = page.locator(".once")
    expect(code).to_have_text(re.compile(r"^\d{4} \d{4} \d{4}$"))
    expect(page.get_by_role("button", name="In phiếu này")).to_be_visible()
    assert too_wide(page) == 0
    assert code.evaluate("(element) => element.scrollWidth <= element.clientWidth")
    assert grave(page) == []


def test_a_secretary_takes_one_after_another_face_to_face_by_keyboard(open_page: Open, visit: Visit) -> None:
    page = open_page("/sign-ups/in-person", token=visit.secretary)
    first = page.locator("tbody a").first
    name = first.inner_text()
    focus(page, first)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    for box in page.get_by_role("checkbox").all():
        focus(page, box)
        page.keyboard.press("Space")
    focus(page, page.get_by_role("button", name="Xác nhận và cấp mã"))
    page.keyboard.press("Enter")
    code = page.locator(".once")
    expect(code).to_have_text(re.compile(r"^\d{4} \d{4} \d{4}$"))
    assert code.evaluate("(element) => element.scrollWidth <= element.clientWidth")
    assert (too_wide(page), grave(page)) == (0, [])
    focus(page, page.get_by_role("link", name="Người tiếp theo"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("Hôm nay đã xác nhận 1 người.")).to_be_visible()
    expect(page.locator("tbody tr").first).to_contain_text("đã trao, chưa dùng")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_sign_up_is_looked_at_and_not_decided_without_a_reason(open_page: Open, visit: Visit, script: bool) -> None:
    page = open_page(f"/sign-ups/{visit.ids['sign_up_id']}", DESKTOP, script=script)
    pictures = page.locator(".photos img")
    expect(pictures).to_have_count(5)
    widths = [picture.bounding_box() for picture in pictures.all()]
    assert all(box is not None and box["width"] > 80 for box in widths)
    enlarged = page.request.get(visit.address + str(page.locator(".photos a").first.get_attribute("href")))
    assert (enlarged.status, enlarged.headers["content-type"], enlarged.headers["cache-control"]) == (
        200,
        "image/jpeg",
        "no-store",
    )
    page.get_by_role("button", name="Từ chối").click()
    expect(page.get_by_role("heading", name="Quyết định")).to_be_visible()  # without a reason nothing is sent


def test_a_file_is_sent_with_progress_and_its_page_follows_the_check(open_page: Open) -> None:
    page = open_page("/imports", DESKTOP)
    rows = "\n".join(
        ["Họ và tên,Đơn vị,Số thẻ", *(f"Người {number},THU-1,{77000000 + number}" for number in range(20))]
    )
    page.get_by_label("Tệp danh sách").set_input_files(
        {"name": "gửi thử.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    )
    page.get_by_role("button", name="Gửi và kiểm tra").click()
    expect(page.get_by_role("heading", name="gửi thử.csv")).to_be_visible()
    button = page.get_by_role("button", name="Nhập tất cả 20 dòng")
    expect(button).to_be_visible(timeout=60_000)  # the page asks by itself until the worker has looked through the file
    button.click()
    expect(page.get_by_role("heading", name="Đã nhập vào sổ")).to_be_visible(timeout=60_000)
    page.locator("summary", has_text="Hoàn tác lần nhập này").click()
    page.get_by_label("Đúng, hoàn tác lần nhập này").check()
    page.get_by_role("button", name="Hoàn tác", exact=True).click()
    expect(page.get_by_text("bỏ 20 người mới nhập")).to_be_visible()


def test_a_file_that_is_too_large_is_not_even_sent(open_page: Open) -> None:
    page = open_page("/imports", DESKTOP)
    page.evaluate(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(65 * 1024 * 1024)], "lớn.csv"));
            document.querySelector("input[type=file]").files = transfer.files;
        }"""
    )
    page.get_by_role("button", name="Gửi và kiểm tra").click()
    expect(page.locator("main [role=alert]")).to_contain_text("Tệp lớn quá 64 MB")
