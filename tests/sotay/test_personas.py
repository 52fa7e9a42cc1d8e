"""The demo's organisation and its one-click personas: there on this machine only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from core import settings as core_settings
from core.database import unit_of_work
from members.models import Account, Member, Unit
from sotay.app import create_app
from sotay.demo_loader import load_people, take_first_administrator
from sotay.demo_organisation import PERSONAS, load_organisation
from sotay.ingestion import ingest_file

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(scope="module")
def app() -> Any:
    return create_app()


@pytest.fixture
def demo(database: None) -> None:
    with unit_of_work() as session:
        assert load_organisation(session) == 300


def client(app: Any, *, host: str = "127.0.0.1", base_url: str = "http://127.0.0.1:8000") -> TestClient:
    return TestClient(app, base_url=base_url, client=(host, 50000), follow_redirects=False)


@pytest.mark.usefixtures("demo")
def test_the_organisation_has_three_levels_and_300_members_and_is_made_once() -> None:
    with unit_of_work() as session:
        assert load_organisation(session) == 0
        depths = session.execute(select(Unit.depth, func.count()).group_by(Unit.depth).order_by(Unit.depth)).all()
        assert [tuple(row) for row in depths] == [(0, 1), (1, 5), (2, 20)]
        assert session.scalar(select(func.count()).select_from(Member)) == 300
        assert session.scalar(select(func.count()).where(~Unit.deployed)) == 5
        assert session.scalar(select(func.count()).where(Account.demo)) == len(PERSONAS)


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("key", "sees", "does_not_see"),
    [
        ("secretary", "Thành viên", "Nhật ký"),
        ("curator", "Văn bản", "Cây tổ chức"),
        ("administrator", "Nhật ký", None),
    ],
)
def test_one_click_opens_the_console_in_a_role(app: Any, key: str, sees: str, does_not_see: str | None) -> None:
    browser = client(app)
    answer = browser.post(f"/demo/personas/{key}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin")
    menu = re.findall(r'<a href="/admin[^"]*"[^>]*>([^<]+)</a>', browser.get("/admin").text)
    assert sees in menu
    assert does_not_see not in menu


@pytest.mark.usefixtures("demo")
def test_one_click_opens_the_chat_as_a_member(app: Any) -> None:
    browser = client(app)
    answer = browser.post("/demo/personas/member")
    assert (answer.status_code, answer.headers["location"]) == (303, "/me")
    assert browser.get("/me").status_code == 200


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("place", "headers"),
    [
        ({"host": "192.0.2.7"}, {}),
        ({"base_url": "http://sotay.example"}, {}),
        ({}, {"x-forwarded-for": "127.0.0.1"}),
        ({}, {"sec-fetch-site": "cross-site"}),
    ],
)
def test_nobody_else_gets_a_persona(app: Any, place: dict[str, str], headers: dict[str, str]) -> None:
    browser = client(app, **place)
    assert "dùng thử với vai" not in browser.get("/", headers=headers).text or "sec-fetch-site" in headers
    answer = browser.post("/demo/personas/administrator", headers=headers)
    assert answer.status_code in (403, 404)
    assert "sotay_console" not in browser.cookies


@pytest.mark.usefixtures("demo")
def test_outside_of_the_demo_there_are_none(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_settings.settings(), "demo", False)
    assert client(app).post("/demo/personas/administrator").status_code == 404


def test_an_installation_with_documents_of_its_own_gets_no_invented_people(tmp_path: Path) -> None:
    file = tmp_path / "quy-dinh.txt"
    file.write_text("QUY ĐỊNH\nVề thử\n\nĐiều 1. Thử\nMột.", encoding="utf-8")
    assert ingest_file(file, publish=False)["status"] == "created"
    assert load_people(only_first_start=True) == 0
    assert load_people(only_first_start=False) == 300
    shown = take_first_administrator()
    assert shown is not None
    assert shown["email"] == "quan-tri@song-xanh.example"
    assert take_first_administrator() is None


def test_without_the_demos_organisation_none_is_offered(app: Any) -> None:
    assert "dùng thử với vai" not in client(app).get("/").text


@pytest.mark.usefixtures("demo")
def test_with_the_demos_organisation_they_stand_on_the_first_page_and_at_the_sign_in(app: Any) -> None:
    for page in ("/", "/admin/sign-in"):
        assert client(app).get(page).text.count('action="/demo/personas/') == len(PERSONAS)


def test_an_unknown_persona_and_an_organisation_without_personas_are_not_found(app: Any) -> None:
    assert client(app).post("/demo/personas/emperor").status_code == 404
    assert client(app).post("/demo/personas/administrator").status_code == 404
