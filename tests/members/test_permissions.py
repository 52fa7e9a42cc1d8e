"""Every service that takes an actor, called by every role: on what is its own, on what is another branch's.

The table says who may, in words of its own; a service that it does not name fails the test.
"""

from __future__ import annotations

import importlib
import inspect
import io
import pkgutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

import knowledge
import members
from core import audit, clock
from core.audit import AuditEntry
from core.database import unit_of_work
from knowledge import curation, questions
from members import register, registration_report, requests
from members.access import SYSTEM, Actor, NotVisibleError, Permission, Role, actor_of
from members.journal import Search
from members.models import Account, DataRequest, Grant, RegisterImport
from members.register import Private
from messaging import inbox
from tests.people import make_account, make_units
from tests.sign_ups import make_waiting, photo_ids

S, C, P, A, U = Role.SECRETARY, Role.CURATOR, Role.APPROVER, Role.ADMINISTRATOR, Role.AUDITOR
R = Role.REVIEWER

NO_ENTRANCE = {
    "members.access": "what the services are built from; every case below goes through it",
    "members.accounts.grantable": "says what an actor may give, shows no object",
    "members.account_lists.own_account": "the actor's own",
    "members.asking.open_request": "the actor's own",
    "members.asking.own_requests": "the actor's own",
    "members.asking.note": "an entry of the log, part of other services",
    "members.erasure.erase": "part of completing a request, and of the command line",
    "members.export.hand_over": "the actor's own",
    "members.export.own_data": "the actor's own",
    "members.register.own_profile": "the actor's own",
    "members.importing.tasks.run_now": "the command line's",
    "members.importing.working.judge": "part of an import",
    "members.signup.in_person.done_today": "the actor's own",
    "members.units.reading.crumbs": "part of a page, of a unit already accessed",
}
"""Services that need no case, and why."""


@dataclass(frozen=True)
class Case:
    """A service: who may, how it is called. ``where``: "object" (names something), "list" (must show nothing foreign),
    "everywhere" (the role must be given on the root)."""

    roles: frozenset[Role]
    call: Callable[[Any, Actor, dict[str, Any]], Any]
    where: str = "object"


def of(call: Callable[..., Any], *roles: Role, where: str = "object") -> Case:
    return Case(frozenset(roles), call, where)


def cases() -> dict[str, Case]:
    from members import account_lists, accounts, asking, codes, handling, journal, listing, registration, units
    from members.importing import service as importing
    from members.signup import in_person, looking, review, revoking
    from members.units import changing

    read, everywhere = Permission.READ_UNITS, "everywhere"
    return {
        "members.account_lists.list_accounts": of(lambda s, a, t: account_lists.list_accounts(s, a), A, where="list"),
        "members.account_lists.view_account": of(
            lambda s, a, t: account_lists.view_account(s, a, t["account_id"]), A
        ),
        "members.account_lists.member_to_extend": of(
            lambda s, a, t: account_lists.member_to_extend(s, a, t["member_id"]), A
        ),
        "members.accounts.create_account": of(
            lambda s, a, t: accounts.create_account(
                s, a, name="Mới", email="moi@example.org", role=Role.SECRETARY, unit_id=t["unit_id"]
            ),
            A,
        ),
        "members.accounts.grant": of(
            lambda s, a, t: accounts.grant(s, a, t["account_id"], role=Role.CURATOR, unit_id=t["unit_id"]), A
        ),
        "members.accounts.revoke": of(lambda s, a, t: accounts.revoke(s, a, t["account_id"], t["grant_id"]), A),
        "members.accounts.disable": of(lambda s, a, t: accounts.disable(s, a, t["account_id"]), A),
        "members.accounts.enable": of(lambda s, a, t: accounts.enable(s, a, t["account_id"]), A),
        "members.accounts.reset_credentials": of(
            lambda s, a, t: accounts.reset_credentials(s, a, t["account_id"]), A
        ),
        "members.asking.open_on_behalf": of(
            lambda s, a, t: asking.open_on_behalf(s, a, t["member_id"], kind="erasure"), A
        ),
        "members.codes.issue": of(lambda s, a, t: codes.issue(s, a, t["member_id"]), S, A),
        "members.handling.list_requests": of(
            lambda s, a, t: handling.list_requests(s, a, open_only=False), A, where="list"
        ),
        "members.handling.counts": of(lambda s, a, t: handling.counts(s, a), A, where="list"),
        "members.handling.find": of(lambda s, a, t: handling.find(s, a, t["receipt"]), A),
        "members.handling.view_request": of(lambda s, a, t: handling.view_request(s, a, t["request_id"]), A),
        "members.handling.complete": of(
            lambda s, a, t: handling.complete(s, a, t["request_id"], word="XÓA"), A
        ),
        "members.handling.refuse": of(
            lambda s, a, t: handling.refuse(s, a, t["request_id"], answer="Chưa đủ căn cứ."), A
        ),
        "members.importing.service.start": of(
            lambda s, a, t: importing.start(
                s, a, file_name="a.csv", content="Họ và tên;Chi bộ\n".encode(), unit_id=t["unit_id"]
            ),
            A,
        ),
        "members.importing.service.set_mapping": of(
            lambda s, a, t: importing.set_mapping(s, a, t["import_id"], {}), A
        ),
        "members.importing.service.confirm": of(lambda s, a, t: importing.confirm(s, a, t["import_id"]), A),
        "members.importing.service.cancel": of(lambda s, a, t: importing.cancel(s, a, t["import_id"]), A),
        "members.importing.service.undo": of(lambda s, a, t: importing.undo(s, a, t["import_id"]), A),
        "members.importing.service.status": of(lambda s, a, t: importing.status(s, a, t["import_id"]), A),
        "members.importing.service.problems": of(lambda s, a, t: importing.problems(s, a, t["import_id"]), A),
        "members.importing.service.list_imports": of(lambda s, a, t: importing.list_imports(s, a), A, where="list"),
        "members.importing.service.place": of(lambda s, a, t: importing.place(s, a, t["unit_id"]), A),
        "members.journal.search": of(lambda s, a, t: journal.search(s, a, Search()), A, U, where="list"),
        "members.journal.view": of(lambda s, a, t: journal.view(s, a, t["entry_id"]), A, U),
        "members.listing.list_members": of(lambda s, a, t: listing.list_members(s, a), S, A, where="list"),
        "members.listing.export_members": of(
            lambda s, a, t: listing.export_members(s, a, unit_id=t["unit_id"], file=io.BytesIO()), A
        ),
        "members.register.add": of(
            lambda s, a, t: register.add(s, a, unit_id=t["unit_id"], name="Người Mới", private=Private()), A
        ),
        "members.register.change": of(
            lambda s, a, t: register.change(s, a, t["member_id"], version=1, name="Tên Khác"), A
        ),
        "members.register.view": of(lambda s, a, t: register.view(s, a, t["member_id"]), S, A),
        "members.registration.statistics": of(
            lambda s, a, t: registration.statistics(s, a, t["unit_id"]), S, A, U
        ),
        "members.registration.export": of(
            lambda s, a, t: registration.export(s, a, unit_id=t["unit_id"], file=io.BytesIO()), S, A, U
        ),
        "members.registration_report.import_report": of(
            lambda s, a, t: registration_report.import_report(s, a, file_name="b.csv", content=b""), A, where=everywhere
        ),
        "members.registration_report.list_reports": of(
            lambda s, a, t: registration_report.list_reports(s, a), S, A, U, where="list"
        ),
        "members.registration_report.view_report": of(
            lambda s, a, t: registration_report.view_report(s, a, t["report_id"]), S, A, U, where=everywhere
        ),
        "members.registration_report.delete_report": of(
            lambda s, a, t: registration_report.delete_report(s, a, t["report_id"]), A, where=everywhere
        ),
        "members.signup.in_person.confirm": of(
            lambda s, a, t: in_person.confirm(s, a, t["member_id"], card_seen=True, person_seen=True), S, A
        ),
        "members.signup.in_person.person": of(lambda s, a, t: in_person.person(s, a, t["member_id"]), S, A),
        "members.signup.in_person.waiting": of(lambda s, a, t: in_person.waiting(s, a), S, A, where="list"),
        "members.signup.looking.counts": of(lambda s, a, t: looking.counts(s, a), R, A, where="list"),
        "members.signup.looking.queue": of(lambda s, a, t: looking.queue(s, a), R, A, where="list"),
        "members.signup.looking.view": of(lambda s, a, t: looking.view(s, a, t["sign_up_id"]), R, A),
        "members.signup.looking.photo": of(
            lambda s, a, t: looking.photo(s, a, t["sign_up_id"], t["photo_id"]), R, A
        ),
        "members.signup.looking.reviewable": of(lambda s, a, t: looking.reviewable(s, a, t["sign_up_id"]), R, A),
        "members.signup.looking.waiting": of(lambda s, a, t: looking.waiting(s, a, t["sign_up_id"]), R, A),
        "members.signup.review.find_members": of(
            lambda s, a, t: review.find_members(s, a, t["sign_up_id"], q="Riêng"), R, A
        ),
        "members.signup.review.choose_member": of(
            lambda s, a, t: review.choose_member(s, a, t["sign_up_id"], t["member_id"]), R, A
        ),
        "members.signup.review.accept": of(
            lambda s, a, t: review.accept(s, a, t["sign_up_id"], reason="same_person", seen=""), R, A
        ),
        "members.signup.review.reject": of(
            lambda s, a, t: review.reject(s, a, t["sign_up_id"], reason="other_person"), R, A
        ),
        "members.signup.review.ask_again": of(
            lambda s, a, t: review.ask_again(s, a, t["sign_up_id"], reason="card_cut"), R, A
        ),
        "members.signup.revoking.signed_up": of(lambda s, a, t: revoking.signed_up(s, a), S, A, where="list"),
        "members.signup.revoking.lately": of(lambda s, a, t: revoking.lately(s, a), S, A, where="list"),
        "members.signup.revoking.one": of(lambda s, a, t: revoking.one(s, a, t["member_id"]), S, A),
        "members.signup.revoking.revoke": of(
            lambda s, a, t: revoking.revoke(s, a, t["member_id"], registered_at=clock.now()), S, A
        ),
        "members.units.changing.create": of(
            lambda s, a, t: units.create(s, a, parent_id=t["unit_id"], name="Mới", kind="Tổ"), A
        ),
        "members.units.changing.move": of(
            lambda s, a, t: units.move(s, a, t["unit_id"], parent_id=t["committee_id"], reason="thử"), A
        ),
        "members.units.changing.rename": of(lambda s, a, t: units.rename(s, a, t["unit_id"], name="Khác"), A),
        "members.units.changing.set_deployed": of(
            lambda s, a, t: units.set_deployed(s, a, t["unit_id"], deployed=False), A
        ),
        "members.units.changing.close": of(lambda s, a, t: units.close(s, a, t["unit_id"]), A),
        "members.units.changing.reopen": of(lambda s, a, t: changing.reopen(s, a, t["unit_id"]), A),
        "members.units.reading.children": of(lambda s, a, t: units.children(s, a, t["unit_id"]), S, A, U),
        "members.units.reading.count_children": of(
            lambda s, a, t: units.count_children(s, a, t["unit_id"]), S, A, U
        ),
        "members.units.reading.search": of(lambda s, a, t: units.search(s, a, "chi hoi"), S, A, U, where="list"),
        "members.units.reading.choices": of(lambda s, a, t: units.choices(s, a, read), S, A, U, where="list"),
        "members.units.reading.descendant_ids": of(
            lambda s, a, t: units.descendant_ids(s, a, t["unit_id"]), S, A, U
        ),
        "members.units.reading.view": of(lambda s, a, t: units.view(s, a, t["unit_id"]), S, A, U),
        "knowledge.curation.list_revisions": of(
            lambda s, a, t: curation.list_revisions(s, a), C, P, A, where=everywhere
        ),
        "knowledge.curation.view": of(
            lambda s, a, t: curation.view(s, a, t["revision_id"]), C, P, A, where=everywhere
        ),
        "knowledge.curation.upload": of(
            lambda s, a, t: curation.upload(s, a, file_name="x.txt", content=b"x"), C, A, where=everywhere
        ),
        "knowledge.curation.publish": of(
            lambda s, a, t: curation.publish(s, a, t["revision_id"]), C, P, A, where=everywhere
        ),
        "knowledge.curation.withdraw": of(
            lambda s, a, t: curation.withdraw(s, a, t["revision_id"]), C, P, A, where=everywhere
        ),
        "knowledge.curation.counts": of(lambda s, a, t: curation.counts(s, a), C, P, A, where=everywhere),
        "knowledge.questions.list_questions": of(
            lambda s, a, t: questions.list_questions(s, a), C, A, where=everywhere
        ),
        "knowledge.questions.waiting": of(lambda s, a, t: questions.waiting(s, a), C, A, where=everywhere),
        "knowledge.questions.answer": of(
            lambda s, a, t: questions.answer(s, t["question_id"], "Có.", actor=a), C, A, where=everywhere
        ),
    }  # fmt: skip


CASES = cases()


def services() -> Iterator[str]:
    """Every public function of members and knowledge that takes an actor."""
    for room in (members, knowledge):
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            module = importlib.import_module(found.name)
            for name, function in vars(module).items():
                own = inspect.isfunction(function) and function.__module__ == found.name
                if own and not name.startswith("_") and "actor" in inspect.signature(function).parameters:
                    yield f"{found.name}.{name}"


def test_the_table_names_every_service_and_nothing_else() -> None:
    found = {name for name in services() if name not in NO_ENTRANCE and name.rpartition(".")[0] not in NO_ENTRANCE}
    assert found == set(CASES)


@dataclass(frozen=True)
class World:
    own: dict[str, Any]
    foreign: dict[str, Any]
    accounts: dict[tuple[Role, str], uuid.UUID]


def things(session: Any, unit_id: int, committee_id: int, number: int) -> dict[str, Any]:
    private = Private(card_number=f"9900000{number}", date_of_birth=date(1980, 1, number))
    member = register.add(session, SYSTEM, unit_id=unit_id, name=f"Riêng Biệt {number}", private=private)
    account = make_account(session, f"Riêng Biệt {number}", (Role.SECRETARY, unit_id))
    holder = make_account(session, f"Riêng Biệt {number}", member_id=member.id)
    receipt = requests.open_request(
        session, Actor(holder.id, member.name, (), member.id), kind="erasure", channel="web"
    ).receipt
    taken_in = RegisterImport(
        id=uuid.uuid4(), state="cancelled", unit_id=unit_id, file_name=f"rieng-biet-{number}.csv", sha256="", mapping={},
        created_at=clock.now(),
    )  # fmt: skip
    session.add(taken_in)
    audit.record(session, "unit.renamed", actor_id=None, object_type="unit", object_id=unit_id, unit_id=unit_id)
    sign_up_id = make_waiting(session, member.id, unit_id=unit_id)
    return {
        "unit_id": unit_id,
        "committee_id": committee_id,
        "member_id": member.id,
        "account_id": account.id,
        "grant_id": session.scalars(select(Grant.id).where(Grant.account_id == account.id)).one(),
        "receipt": receipt,
        "request_id": session.scalars(select(DataRequest.id).where(DataRequest.receipt == receipt)).one(),
        "import_id": taken_in.id,
        "sign_up_id": sign_up_id,
        "photo_id": photo_ids(session, sign_up_id)[0],
    }


@pytest.fixture(scope="module")
def world(shared_database: None) -> World:
    """Made once: ``outcome`` undoes every call."""
    with unit_of_work() as session:
        units = make_units(session)
        own, foreign = things(session, units.a1, units.a, 1), things(session, units.b1, units.b, 2)
        text = "HỘI THỬ\nSố: 1/QĐ-HT\n\nQUY ĐỊNH\nVề thử\n\nĐiều 1. Thử\nMột."
        revision_id = curation.upload(session, SYSTEM, file_name="thu.txt", content=text.encode())
        conversation = inbox.open_conversation(session, channel="web", external_id="một người")
        questions.send(session, question="Thử?", conversation_id=conversation.id, message_id="1")
        whole = {"revision_id": revision_id, "question_id": questions.list_questions(session)[0].id, "report_id": 1}
        accounts = {
            (role, where): make_account(session, f"{role} {where}", (role, unit)).id
            for role in Role
            for where, unit in (("a", units.a), ("root", units.province))
        }
    with unit_of_work() as session:
        for found in (own, foreign):
            statement = select(AuditEntry.id).where(
                AuditEntry.action == "unit.renamed", AuditEntry.unit_id == found["unit_id"]
            )
            found.update(entry_id=session.scalars(statement).one(), **whole)
    return World(own, foreign, accounts)


def outcome(case: Case, account_id: uuid.UUID, found: dict[str, Any]) -> tuple[bool, Any]:
    """Whether the actor got past the permissions, and what came back. Nothing of the call is kept."""
    with unit_of_work() as session:
        actor = actor_of(session, session.get_one(Account, account_id))
        try:
            return True, case.call(session, actor, found)
        except ValueError:  # a service's words for somebody who may
            return True, None
        except NotVisibleError:
            return False, None
        finally:
            session.rollback()


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_role_reaches_what_is_its_own_and_nothing_else(world: World, name: str) -> None:
    case = CASES[name]
    for (role, where), account_id in world.accounts.items():
        allowed = role in case.roles and (where == "root" or case.where != "everywhere")
        passed, result = outcome(case, account_id, world.own)
        if case.where == "list":
            assert allowed or not passed or "Riêng Biệt" not in repr(result), f"{role} at {where}"
            if where == "a":
                assert "Riêng Biệt 2" not in repr(result)
                assert "rieng-biet-2" not in repr(result)
        elif case.where == "object" or not allowed:
            is_missing = name.startswith("members.registration_report.") and "report_id" in inspect.getsource(case.call)
            assert passed == allowed or is_missing, f"{role} at {where}"
        if case.where == "object" and where == "a":
            assert outcome(case, account_id, world.foreign) == (False, None), f"{role} of A reaches B"
