from __future__ import annotations

from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient

from tests.web import shelf
from web import pages
from web.security import HEADERS


class _Reading(HTMLParser):
    """What of a page matters here: the text of its article, its ids, where its links and files point, and inline code."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.inline: list[str] = []
        self._in_article = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in_article = self._in_article or tag == "article"
        if given.get("id"):
            self.ids.append(str(given["id"]))
        self.links += [str(given[name]) for name in ("href", "src", "action") if given.get(name)]
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._in_article = self._in_article and tag != "article"

    def handle_data(self, data: str) -> None:
        if self._in_article:
            self.text.append(data)


def read(page: str) -> _Reading:
    reading = _Reading()
    reading.feed(page)
    return reading


@pytest.fixture(scope="module")
def books() -> shelf.Shelf:
    return shelf.Shelf()


@pytest.fixture(scope="module")
def client(books: shelf.Shelf) -> TestClient:
    return TestClient(shelf.application(books), raise_server_exceptions=False)


def test_list_shows_every_document_with_its_state(client: TestClient, books: shelf.Shelf) -> None:
    page = client.get("/documents").text
    listed = [link for link in read(page).links if link.startswith("/documents/")]
    new, old = shelf.NEW_FEES.stem, shelf.OLD_FEES.stem
    assert listed == [*(f"/documents/{slug}" for slug in books.views), f"/documents/{new}"]
    assert listed[-2] == f"/documents/{old}"
    assert page.count("Còn hiệu lực") == 3
    assert page.count("Đã được thay thế") == 1


@pytest.mark.parametrize(
    ("q", "slugs"),
    [
        ("chi hoi", [shelf.BRANCHES.stem]),
        ("Điều lệ", [shelf.CHARTER.stem]),
        ("  05/2025 ", [shelf.NEW_FEES.stem]),
        ("hội phí", [shelf.NEW_FEES.stem, shelf.OLD_FEES.stem]),
        ("không có gì như thế", []),
    ],
)
def test_filter_minds_neither_accents_nor_spaces(client: TestClient, q: str, slugs: list[str]) -> None:
    page = client.get("/documents", params={"q": q}).text
    titles = [line for line in page.splitlines() if "<h2>" in line]
    assert [line.split('"')[1] for line in titles] == [f"/documents/{slug}" for slug in slugs]
    assert f"Có {len(slugs)} trên 4 văn bản" in page


def test_filter_is_shown_back_escaped(client: TestClient) -> None:
    page = client.get("/documents", params={"q": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_reader_shows_the_whole_text(client: TestClient, books: shelf.Shelf) -> None:
    for slug, shown in books.views.items():
        reading = read(client.get(f"/documents/{slug}").text)
        assert shelf.without_space("".join(reading.text)) == shelf.without_space(shown.text)


def test_reader_gives_every_provision_its_id_once(client: TestClient) -> None:
    reading = read(client.get(f"/documents/{shelf.NEW_FEES.stem}").text)
    assert len(reading.ids) == len(set(reading.ids))
    wanted = ["dieu-5", "dieu-5-khoan-1", *(f"dieu-5-khoan-1-diem-{letter}" for letter in ("a", "b", "c", "d", "dd"))]
    at = reading.ids.index("dieu-5")
    assert reading.ids[at : at + len(wanted)] == wanted
    fragments = [link[1:] for link in reading.links if link.startswith("#")]
    assert set(fragments) <= set(reading.ids)


def test_replaced_document_leads_to_its_successor(client: TestClient) -> None:
    page = client.get(f"/documents/{shelf.OLD_FEES.stem}").text
    assert "Văn bản này không còn hiệu lực kể từ ngày 01/07/2025." in page
    assert f"/documents/{shelf.NEW_FEES.stem}" in read(page).links


@pytest.mark.parametrize("path", ["/", "/documents", f"/documents/{shelf.CHARTER.stem}", "/nowhere"])
def test_pages_load_nothing_from_elsewhere_and_have_no_inline_code(client: TestClient, path: str) -> None:
    reading = read(client.get(path).text)
    assert reading.inline == []
    assert [link for link in reading.links if not link.startswith(("/", "#")) or link.startswith("//")] == []


def test_unchanged_page_is_not_sent_again(client: TestClient) -> None:
    path = f"/documents/{shelf.CHARTER.stem}"
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": f'"other", W/{first.headers["ETag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert client.get(path, headers={"If-None-Match": '"other"'}).content == first.content
    assert client.get("/documents").headers["ETag"] != first.headers["ETag"]


def test_head_has_no_body(client: TestClient) -> None:
    response = client.head("/documents")
    assert (response.status_code, response.content) == (200, b"")


def test_static_files_are_kept_only_with_their_version(client: TestClient) -> None:
    versioned = client.get(pages.static_url("base.css"))
    assert versioned.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert client.get("/static/base.css").headers["Cache-Control"] == "no-cache"
    assert client.get("/static/base.css?v=0").headers["Cache-Control"] == "no-cache"
    assert client.get("/static/../pages.py").status_code == 404
    assert client.get("/static/%2e%2e/pages.py").status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/nowhere", 404, "Không tìm thấy trang"),
        ("/documents/khong-co", 404, "Không tìm thấy trang"),
        ("/documents/..%2f..%2fetc", 404, "Không tìm thấy trang"),
        ("/static/none.css", 404, "Không tìm thấy trang"),
        ("/broken", 500, "Có lỗi xảy ra"),
    ],
)
def test_errors_are_pages_in_vietnamese(client: TestClient, path: str, status: int, title: str) -> None:
    response = client.get(path)
    assert response.status_code == status
    assert f"<h1>{title}</h1>" in response.text
    assert "purpose" not in response.text
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "status", "code"), [("/api/none", 404, "not_found"), ("/api/broken", 500, "internal_server_error")]
)
def test_errors_of_the_interface_are_json(client: TestClient, path: str, status: int, code: str) -> None:
    response = client.get(path)
    assert response.status_code == status
    assert response.json()["error"]["code"] == code


def test_only_the_beginning_of_a_long_filter_counts(client: TestClient) -> None:
    page = client.get("/documents", params={"q": "chi hội" + " " * 200 + "x" * 10_000}).text
    assert "Có 1 trên 4 văn bản" in page
    assert "xxx" not in page


@pytest.mark.parametrize(
    "path", ["/", "/documents", "/nowhere", "/broken", "/api/none", "/api/broken", "/static/base.css"]
)
def test_every_response_has_the_security_headers_once(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert {name: response.headers.get_list(name) for name in HEADERS} == {
        name: [value] for name, value in HEADERS.items()
    }
