"""The overview: what waits and the figures, each only to those who may see what is behind it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.database import unit_of_work
from knowledge.models import OpenQuestion
from members import register, requests
from members.access import SYSTEM, Role
from members.models import DataRequest
from members.register import Private
from sotay.app import create_app
from tests.people import Console, Units, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def units() -> Units:
    with unit_of_work() as session:
        units = make_units(session)
        for place, unit in enumerate((units.a1, units.a1, units.b1)):
            member = register.add(session, SYSTEM, unit_id=unit, name=f"Người {place}", private=Private())
            member.registered_at = clock.now() if place else None
        return units


def console(role: Role, unit: int) -> Console:
    with unit_of_work() as session:
        account_id = make_account(session, "Ai đó", (role, unit)).id
    return Console(create_app(), account_id)


def test_nothing_waits(units: Units) -> None:
    text = console(Role.ADMINISTRATOR, units.province).get("").text
    assert "Không có việc nào đang chờ." in text
    assert '<span class="figure">3</span>' in text
    assert '<span class="figure">66,67 %</span>' in text
    assert "2 trên 3 người; còn 1" in text


def test_what_waits_stands_first_and_leads_to_its_page(units: Units) -> None:
    with unit_of_work() as session:
        add_request(session, units.a1, due_in=timedelta(days=1))
        add_request(session, units.a1, due_in=-timedelta(minutes=1))
        add_request(session, units.b1, due_in=timedelta(days=1))
        session.add(OpenQuestion(question="Hỏi gì đó", asked_on=clock.today(), message_key="k"))
    text = console(Role.ADMINISTRATOR, units.province).get("").text
    late, soon, asked = (
        '<a href="/admin/requests"><span class="badge bad">1</span> <span>yêu cầu về dữ liệu đã quá hạn</span></a>',
        '<a href="/admin/requests"><span class="badge warn">2</span> <span>yêu cầu về dữ liệu chờ giải quyết</span></a>',
        '<a href="/admin/questions"><span class="badge warn">1</span> <span>câu hỏi chờ trả lời</span></a>',
    )
    assert 0 < text.index(late) < text.index(soon) < text.index(asked) < text.index("Số liệu</h2>")


def add_request(session: Any, unit_id: int, *, due_in: timedelta) -> None:
    number = uuid.uuid4().hex
    session.add(
        DataRequest(
            receipt=number,
            unit_id=unit_id,
            kind="correction",
            state="received",
            channel="web",
            message_key=number,
            created_at=clock.now(),
            due_at=clock.now() + due_in,
        )
    )


def test_a_secretary_sees_the_figures_of_the_own_branch_only(units: Units) -> None:
    with unit_of_work() as session:
        add_request(session, units.a1, due_in=timedelta(days=1))
    text = console(Role.SECRETARY, units.a1).get("").text
    assert '<span class="figure">2</span>' in text
    assert '<span class="figure">50,00 %</span>' in text
    assert "/admin/requests" not in text
    assert "/admin/documents" not in text


def test_an_administrator_of_a_branch_is_told_of_the_branch_only(units: Units) -> None:
    with unit_of_work() as session:
        add_request(session, units.a1, due_in=timedelta(days=1))
        counted = requests.counts(session, SYSTEM)
    assert (counted.open, counted.overdue) == (1, 0)
    assert "chờ giải quyết" not in console(Role.ADMINISTRATOR, units.b).get("").text


def test_a_curator_is_shown_documents_and_no_people(units: Units) -> None:
    text = console(Role.CURATOR, units.province).get("").text
    assert "Văn bản đang công bố" in text
    assert "Trong danh sách" not in text
    assert "Đã đăng ký" not in text


def test_somebody_without_a_role_is_told_what_is_missing(units: Units) -> None:
    with unit_of_work() as session:
        account_id = make_account(session, "Chưa có vai trò").id
    assert "chưa được giao vai trò nào" in Console(create_app(), account_id).get("").text
