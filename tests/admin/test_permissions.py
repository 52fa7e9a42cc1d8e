"""Every page of the console, asked for by every role: in its own part of the organisation, in another one, for what does not exist.

The table says who may, in plain words of its own; a page that it does not name fails the test.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from sqlalchemy import text

from admin import console as admin_console
from admin import sign_in
from core import audit, clock
from core.database import unit_of_work
from knowledge import curation, questions
from members import passwords, register, registration_report, requests
from members.access import SYSTEM, Actor, Role
from members.models import Grant, RegisterImport, SignIn
from members.register import Private
from messaging import inbox
from sotay.app import create_app
from tests.people import Console, make_account, make_units
from tests.sign_ups import make_waiting, photo_ids

ALL = frozenset(Role)
A = Role.ADMINISTRATOR
S, C, P, R, U = Role.SECRETARY, Role.CURATOR, Role.APPROVER, Role.REVIEWER, Role.AUDITOR


@dataclass(frozen=True)
class Rule:
    """Who may ask for a page. ``where``: "object" (the path names something that lies somewhere), "anywhere" (a role
    anywhere is enough; what is shown is scoped), "everywhere" (the role must be given on the root)."""

    roles: frozenset[Role]
    where: str = "anywhere"
    data: dict[str, Any] = field(default_factory=dict)
    query: str = ""


def of(*roles: Role, where: str = "object", query: str = "", **data: Any) -> Rule:
    return Rule(frozenset(roles), where, data, query)


RULES = {
    "GET ": Rule(ALL),
    "GET /own": Rule(ALL),
    "GET /own/password": Rule(ALL),
    "GET /own/authenticator": Rule(ALL),
    "POST /own/password": Rule(ALL),
    "POST /own/authenticator": Rule(ALL),
    "POST /own/authenticator/confirm": Rule(ALL),
    "POST /own/sign-ins/end-others": Rule(ALL),
    "POST /own/sign-ins/{sign_in_id}/end": Rule(frozenset(), "object"),  # of somebody else: nobody
    "POST /sign-out": Rule(ALL),
    "GET /units": of(S, A, U, where="anywhere"),
    "GET /units/new": of(A, query="parent={unit_id}"),
    "POST /units": of(A, parent="{unit_id}", name="Chi hội mới", kind="Chi hội"),
    "GET /units/{unit_id}": of(S, A, U),
    "GET /units/{unit_id}/children": of(S, A, U),
    "GET /units/{unit_id}/edit": of(A),
    "POST /units/{unit_id}/edit": of(A, name="Tên khác", code="MA-KHAC", kind="Chi hội", position="0"),
    "GET /units/{unit_id}/move": of(A),
    "POST /units/{unit_id}/move": of(A, parent="A", reason="thử"),
    "POST /units/{unit_id}/deployment": of(A, deployed="true"),
    "GET /units/{unit_id}/close": of(A),
    "POST /units/{unit_id}/close": of(A),
    "POST /units/{unit_id}/reopen": of(A),
    "GET /choices/units": Rule(ALL, query="permission=units.read"),
    "GET /members": of(S, A, where="anywhere"),
    "GET /members/export": of(A, query="unit_id={unit_id}"),
    "GET /members/new": of(A, where="anywhere"),
    "POST /members/new": of(A, where="anywhere", unit="A1", name="Người Mới"),
    "GET /members/{member_id}": of(S, A),
    "GET /members/{member_id}/edit": of(A),
    "POST /members/{member_id}/edit": of(A, version="1", name="Tên Khác"),
    "POST /members/{member_id}/unit": of(A, version="1", unit="A1"),
    "POST /members/{member_id}/code": of(S, A),
    "GET /imports": of(A, where="anywhere"),
    "POST /imports": of(A, where="anywhere"),
    "GET /imports/{import_id}": of(A),
    "GET /imports/{import_id}/problems.csv": of(A),
    "POST /imports/{import_id}/mapping": of(A),
    "POST /imports/{import_id}/confirm": of(A),
    "POST /imports/{import_id}/cancel": of(A),
    "POST /imports/{import_id}/undo": of(A),
    "GET /registration": of(S, A, U, where="anywhere"),
    "GET /registration/export": of(S, A, U, where="anywhere"),
    "GET /registration/{unit_id}": of(S, A, U),
    "GET /registration/{unit_id}/export": of(S, A, U),
    "POST /registration/reports": of(A, where="everywhere"),
    "GET /registration/reports/{report_id}": of(S, A, U, where="everywhere"),
    "POST /registration/reports/{report_id}/delete": of(A, where="everywhere", sure="true"),
    "GET /documents": of(C, P, A, where="everywhere"),
    "POST /documents": of(C, A, where="everywhere"),
    "GET /documents/{revision_id}": of(C, P, A, where="everywhere"),
    "POST /documents/{revision_id}/publish": of(C, P, A, where="everywhere"),
    "POST /documents/{revision_id}/withdraw": of(C, P, A, where="everywhere"),
    "GET /questions": of(C, A, where="everywhere"),
    "POST /questions/{question_id}": of(C, A, where="everywhere", words="Có."),
    "GET /requests": of(A, where="anywhere"),
    "GET /requests/new": of(A, query="member={member_id}"),
    "POST /requests/new": of(A, member="{member_id}", kind="erasure"),
    "GET /requests/{request_id}": of(A),
    "POST /requests/{request_id}/complete": of(A, word="XÓA"),
    "POST /requests/{request_id}/refuse": of(A, answer="Chưa đủ căn cứ.", ground=""),
    "GET /sign-ups": of(R, A, where="anywhere"),
    "GET /sign-ups/in-person": of(S, A, where="anywhere"),
    "GET /sign-ups/in-person/{member_id}": of(S, A),
    "POST /sign-ups/in-person/{member_id}": of(S, A, card_seen="true", person_seen="true"),
    "GET /signed-up": of(S, A, where="anywhere"),
    "GET /signed-up/{member_id}": of(S, A),
    "POST /signed-up/{member_id}/revoke": of(S, A, registered_at="2026-01-01T00:00:00+00:00", sure="true"),
    "GET /sign-ups/{sign_up_id}": of(R, A),
    "GET /sign-ups/{sign_up_id}/photos/{photo_id}": of(R, A),
    "GET /sign-ups/{sign_up_id}/members": of(R, A),
    "POST /sign-ups/{sign_up_id}/members": of(R, A, q="Trần"),
    "POST /sign-ups/{sign_up_id}/member": of(R, A, member_id="{member_id}"),
    "POST /sign-ups/{sign_up_id}/accept": of(R, A, reason="same_person", seen=""),
    "POST /sign-ups/{sign_up_id}/reject": of(R, A, reason=""),
    "POST /sign-ups/{sign_up_id}/ask-again": of(R, A, reason=""),
    "GET /accounts": of(A, where="anywhere"),
    "GET /accounts/new": of(A, where="anywhere"),
    "POST /accounts": of(A, where="anywhere"),
    "GET /accounts/{account_id}": of(A),
    "POST /accounts/{account_id}/grants": of(A, role="curator", unit_id="{unit_id}"),
    "POST /accounts/{account_id}/grants/{grant_id}/revoke": of(A),
    "POST /accounts/{account_id}/disable": of(A),
    "POST /accounts/{account_id}/enable": of(A),
    "POST /accounts/{account_id}/reset": of(A),
    "GET /audit": of(A, U, where="anywhere"),
    "GET /audit/{entry_id}": of(A, U),
}


def pages(routers: tuple[APIRouter, ...]) -> Iterator[str]:
    for router in routers:
        for route in router.routes:
            for method in sorted(route.methods - {"HEAD"}):  # type: ignore[attr-defined]
                yield f"{method} {route.path}"  # type: ignore[attr-defined]


PAGES = sorted(pages(admin_console.PAGES))


def test_the_table_names_every_page_and_nothing_else() -> None:
    assert sorted(RULES) == PAGES
    assert sorted(pages((sign_in.router,))) == [
        "GET /sign-in",
        "GET /sign-in/oidc",
        "GET /sign-in/oidc/callback",
        "POST /sign-in",
    ]


class World:
    """Two committees with one of everything in each, and every role on committee A and on the province."""

    def __init__(self, app: Any) -> None:
        with unit_of_work() as session:
            self.units = make_units(session)
            self.own = self._things(session, self.units.a1, 1)
            self.foreign = self._things(session, self.units.b1, 2)
            self.whole = self._documents(session)
            people = {}
            for role in Role:
                for where, unit in (("a", self.units.a), ("root", self.units.province)):
                    account = make_account(session, f"{role} {where}", (role, unit))
                    account.password_hash = PASSWORD_HASH
                    people[role, where] = account.id
        self.browsers = {key: Console(app, account_id) for key, account_id in people.items()}

    def _things(self, session: Any, unit_id: int, number: int) -> dict[str, Any]:
        private = Private(card_number=f"9900000{number}", date_of_birth=date(1980, 1, number))
        member = register.add(session, SYSTEM, unit_id=unit_id, name=f"Trần Thị {number}", private=private)
        account = make_account(session, f"Tài khoản {number}", (Role.SECRETARY, unit_id))
        holder = make_account(session, f"Hội viên {number}", member_id=member.id)
        granted = session.query(Grant).filter_by(account_id=account.id).one()
        person = Actor(holder.id, member.name, (), member.id)
        receipt = requests.open_request(session, person, kind="erasure", channel="web").receipt
        request_id = session.scalar(text("select id from data_request where receipt = :receipt"), {"receipt": receipt})
        taken_in = RegisterImport(
            id=uuid.uuid4(),
            state="cancelled",
            unit_id=unit_id,
            file_name="ds.csv",
            sha256="",
            mapping={},
            created_at=clock.now(),
        )
        sign_in_row = SignIn(
            id=uuid.uuid4(), account_id=account.id, kind="console", rotated_at=clock.now(), csrf="x", channel="console",
            device="Thử", created_at=clock.now(), last_seen_at=clock.now(), expires_at=clock.now(),
        )  # fmt: skip
        session.add_all([taken_in, sign_in_row])
        audit.record(session, "unit.thử", actor_id=None, object_type="unit", object_id=unit_id, unit_id=unit_id)
        sign_up_id = make_waiting(session, member.id, unit_id=unit_id)
        return {
            "unit_id": unit_id,
            "member_id": member.id,
            "account_id": account.id,
            "grant_id": granted.id,
            "request_id": request_id,
            "import_id": taken_in.id,
            "sign_in_id": sign_in_row.id,
            "sign_up_id": sign_up_id,
            "photo_id": photo_ids(session, sign_up_id)[0],
            "entry_id": f"audit of {unit_id}",
        }

    def _documents(self, session: Any) -> dict[str, Any]:
        words = "HỘI THỬ\nSố: 1/QĐ-HT\n\nQUY ĐỊNH\nVề thử\n\nĐiều 1. Thử\nMột."
        revision_id = curation.upload(session, SYSTEM, file_name="thu.txt", content=words.encode())
        conversation = inbox.open_conversation(session, channel="web", external_id="một người")
        questions.send(session, question="Thử?", conversation_id=conversation.id, message_id="1")
        question = questions.list_questions(session)[0]
        report = b"tt,dang_bo,tong_so,moi_ket_nap,chinh_thuc,da_dang_ky,chua_dang_ky\n1,A,10,1,9,5,5\n"
        stored = registration_report.import_report(session, SYSTEM, file_name="bao-cao.csv", content=report)
        return {"revision_id": revision_id, "question_id": question.id, "report_id": stored.id}

    def settle(self) -> None:
        """Ids that exist only once the making is committed."""
        with unit_of_work() as session:
            for things, unit_id in ((self.own, self.units.a1), (self.foreign, self.units.b1)):
                statement = text("select id from audit_entry where action = 'unit.thử' and unit_id = :unit")
                things["entry_id"] = session.scalar(statement, {"unit": unit_id})


class Snapshot:
    """Every row of the database as it is now, to be put back: many times quicker than making the world anew."""

    def __init__(self) -> None:
        self.columns: dict[str, str] = {}
        with unit_of_work() as session:
            session.execute(text("create schema snapshot"))
            found = session.execute(
                text(
                    "select quote_ident(c.relname) as name, string_agg(quote_ident(a.attname), ', ') as columns"
                    " from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
                    " where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attgenerated = ''"
                    " and c.relname not in ('alembic_version', 'procrastinate_version') group by c.relname"
                )
            )
            for name, columns in found.all():
                self.columns[name] = columns
                session.execute(text(f"create table snapshot.{name} as table public.{name}"))

    def put_back(self) -> None:
        with unit_of_work() as session:
            session.execute(text("set local session_replication_role = replica"))  # no triggers, no order of tables
            for name, columns in self.columns.items():
                session.execute(text(f"delete from public.{name}"))
                session.execute(
                    text(
                        f"insert into public.{name} ({columns}) overriding system value"
                        f" select {columns} from snapshot.{name}"
                    )
                )

    def drop(self) -> None:
        with unit_of_work() as session:
            session.execute(text("drop schema snapshot cascade"))


PASSWORD_HASH = passwords.hash_password("mật khẩu của bài kiểm thử")

MISSING = {
    "unit_id": 987654, "member_id": uuid.uuid4(), "account_id": uuid.uuid4(), "grant_id": 987654, "request_id": 987654,
    "import_id": uuid.uuid4(), "sign_in_id": uuid.uuid4(), "entry_id": 987654, "revision_id": 987654,
    "question_id": 987654, "report_id": 987654, "sign_up_id": uuid.uuid4(), "photo_id": 987654,
}  # fmt: skip


def ask(browser: Console, page: str, rule: Rule, things: dict[str, Any]) -> Any:
    method, path = page.split(" ", 1)
    address = path.format(**things) + (f"?{rule.query.format(**things)}" if rule.query else "")
    if method == "GET":
        # A part of the tree without htmx leads to the unit's own page, which refuses.
        return browser.get(address, headers={"hx-request": "true"} if path.endswith("/children") else {})
    return browser.post(address, {name: str(value).format(**things) for name, value in rule.data.items()})


@pytest.fixture(scope="module")
def app() -> Any:
    return create_app()


@pytest.fixture(scope="module")
def made(app: Any, shared_database: None) -> Iterator[tuple[World, Snapshot]]:
    world = World(app)
    world.settle()
    snapshot = Snapshot()
    yield world, snapshot
    snapshot.drop()


@pytest.fixture
def world(made: tuple[World, Snapshot], page: str) -> Iterator[World]:
    """The world as it was made, whatever a page before has changed."""
    found, snapshot = made
    yield found
    if not page.startswith("GET "):
        snapshot.put_back()
        for browser in found.browsers.values():
            browser.keep_cookie()


@pytest.mark.parametrize("page", PAGES)
def test_every_role_gets_what_is_its_own_and_nothing_else(world: World, page: str) -> None:
    rule = RULES[page]
    own, foreign = {**world.own, **world.whole}, {**world.foreign, **world.whole}
    # Refusals first: they change nothing.
    for (role, where), browser in world.browsers.items():
        allowed = role in rule.roles
        if where == "a":
            if not allowed or rule.where == "everywhere":
                assert ask(browser, page, rule, own).status_code == 404, f"{role} at A"
            if rule.where == "object" or (rule.where == "everywhere"):
                elsewhere = ask(browser, page, rule, foreign)
                assert elsewhere.status_code == 404, f"{role} of A looks at B"
                missing = ask(browser, page, rule, {**foreign, **MISSING})
                assert missing.status_code == 404
                assert missing.text == elsewhere.text, "a refusal tells what exists"
        elif not allowed:
            assert ask(browser, page, rule, own).status_code == 404, f"{role} at the root"
    for (role, where), browser in world.browsers.items():
        if role in rule.roles and (where == "root" or rule.where != "everywhere"):
            status = ask(browser, page, rule, own).status_code
            assert status in (200, 303, 422), f"{role} at {where}"


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_gets_the_sign_in_and_a_forged_form_changes_nothing(app: Any, page: str) -> None:
    method, path = page.split(" ", 1)
    stranger = TestClient(app, follow_redirects=False)
    answer = stranger.request(
        method, "/admin" + path.format(**MISSING), data={"csrf": "x"} if method == "POST" else None
    )
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/admin/sign-in")


def test_how_many_pairs_there_are(record_property: Any) -> None:
    pairs = len(PAGES) * len(Role)
    record_property("pairs of route and role", pairs)
    assert pairs == len(RULES) * 8
