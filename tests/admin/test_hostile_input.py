"""Every page of the console with values that no form of ours sends: refused or taken as text, never an error of the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel

from admin import console as admin_console
from members.access import Role
from sotay.app import create_app
from tests.admin.test_permissions import PAGES, RULES, World
from tests.people import Console

pytestmark = pytest.mark.usefixtures("database")

TEXTS = {
    "nul": "A\0B",
    "beyond_64_bits": "9" * 25,
    "largest_64_bits": str(2**63 - 1),
    "above_64_bits": str(2**63),
    "above_32_bits": str(2**31),
    "negative": "-1",
    "digits_of_another_script": "٣٤٥",
    "direction": "\u202e\u200b\ufeff",
    "decomposed": "Nguye\u0302\u0303n",
    "markup": "<script>alert(1)</script>\"'",
    "pattern": "%_\\' or 1=1 --",
    "long": "ă" * 70_000,
    "blank": "   ",
}
IN_PATH = {name: TEXTS[name] for name in ("beyond_64_bits", "largest_64_bits", "above_64_bits", "negative", "blank")}
ROUTES: dict[str, Any] = {
    f"{method} {route.path}": route  # type: ignore[attr-defined]
    for router in admin_console.PAGES
    for route in router.routes
    for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
}


@pytest.fixture(scope="module")
def app() -> Any:
    return create_app()


@pytest.fixture
def world(app: Any) -> World:
    made = World(app)
    made.settle()
    return made


def _fields(parameters: list[Any]) -> Iterator[str]:
    """The names of what a route reads; those of a model one by one."""
    for parameter in parameters:
        kind = parameter.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from kind.model_fields
        else:
            yield parameter.alias


def _ask(browser: Console, page: str, path: str, **given: str) -> int:
    if page.startswith("POST"):
        return int(browser.post(path, {**RULES[page].data, **given}).status_code)
    return int(browser.get(path, params=given).status_code)


@pytest.mark.parametrize("page", PAGES)
def test_no_value_breaks_a_page(world: World, app: Any, page: str) -> None:
    browser = world.browsers[Role.ADMINISTRATOR, "root"]
    browser.client = _with_errors_as_answers(browser.client, app)
    things = {**world.own, **world.whole}
    route = ROUTES[page].dependant
    broken = []
    template = page.partition(" ")[2]
    for parameter in route.path_params:
        for kind, value in IN_PATH.items():
            path = template.format(**{**things, parameter.alias: value})
            if _ask(browser, page, path) >= 500:
                broken.append(f"path {parameter.alias}: {kind}")
    names = [*_fields(route.query_params), *_fields(route.body_params)]
    if page == "POST /imports/{import_id}/mapping":
        names += ["name", "unit"]
    for name in names:
        for kind, value in TEXTS.items():
            if len(value) > 5000 and page.startswith("GET"):
                continue  # no browser sends such an address
            if _ask(browser, page, template.format(**things), **{name: value}) >= 500:
                broken.append(f"{name}: {kind}")
    assert broken == []


def _with_errors_as_answers(client: TestClient, app: Any) -> TestClient:
    other = TestClient(app, follow_redirects=False, raise_server_exceptions=False)
    other.cookies = client.cookies
    return other


@pytest.mark.parametrize("kind", sorted(TEXTS))
@pytest.mark.parametrize(
    ("method", "path", "names"),
    [
        ("GET", "/admin/sign-in", ("next",)),
        ("POST", "/admin/sign-in", ("email", "password", "code", "next")),
        ("GET", "/admin/sign-in/oidc/callback", ("state", "code", "iss")),
        ("GET", "/documents", ("q",)),
        ("GET", "/receipts", ("code",)),
        ("POST", "/sign-in", ("code", "agreed", "text_id")),
        ("POST", "/demo/personas/member", ("key",)),
    ],
)
def test_a_stranger_breaks_nothing(app: Any, method: str, path: str, names: tuple[str, ...], kind: str) -> None:
    stranger = TestClient(app, follow_redirects=False, raise_server_exceptions=False)
    for name in names:
        if method == "GET" and kind == "long":
            continue
        sent: dict[str, Any] = {"params": {name: TEXTS[kind]}} if method == "GET" else {"data": {name: TEXTS[kind]}}
        assert stranger.request(method, path, **sent).status_code < 500, name


@pytest.mark.parametrize(
    "path", ["/receipts/{}", "/documents/{}", "/static/{}", "/admin/static/{}", "/me/corrections/{}"]
)
def test_no_address_breaks_anything(app: Any, path: str) -> None:
    stranger = TestClient(app, follow_redirects=False, raise_server_exceptions=False)
    for value in (
        "%00",
        "A%00B",
        "%FF",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/pyproject.toml",
        "9" * 400,
        "a" * 300,
    ):
        assert stranger.get(path.format(value)).status_code in (303, 307, 404, 422), value
