"""A small organisation for tests: a province, two committees, three branches, and accounts with roles in it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock, crypto
from core.database import unit_of_work
from members import names, sessions
from members.access import Actor, Role, actor_of
from members.models import Account, Grant, SignIn, Unit


@dataclass(frozen=True)
class Units:
    """Ids: the province; committee A with branches A1 and A2; committee B with branch B1."""

    province: int
    a: int
    a1: int
    a2: int
    b: int
    b1: int


def add_unit(session: Session, name: str, *, code: str, kind: str, parent: Unit | None = None) -> Unit:
    """A unit as the service makes them."""
    unit = Unit(
        parent_id=parent.id if parent else None,
        path="",
        depth=parent.depth + 1 if parent else 0,
        code=code,
        name=name,
        name_key=names.name_key(name),
        sort_key=names.sort_key(name),
        kind=kind,
        created_at=clock.now(),
    )
    unit.path = f"new {uuid.uuid4()}"
    session.add(unit)
    session.flush()
    unit.path = f"{parent.path if parent else '/'}{unit.id}/"
    session.flush()
    return unit


def make_units(session: Session) -> Units:
    """The small organisation's tree."""
    province = add_unit(session, "Hội Bạn đọc tỉnh Sông Xanh", code="T", kind="Tỉnh hội")
    a = add_unit(session, "Hội huyện Đồng Mai", code="A", kind="Hội trực thuộc", parent=province)
    a1 = add_unit(session, "Chi hội Đầu Nguồn", code="A1", kind="Chi hội", parent=a)
    a2 = add_unit(session, "Chi hội Ao Sen", code="A2", kind="Chi hội", parent=a)
    b = add_unit(session, "Hội thành phố Bến Ngự", code="B", kind="Hội trực thuộc", parent=province)
    b1 = add_unit(session, "Chi hội Chợ Cũ", code="B1", kind="Chi hội", parent=b)
    return Units(province.id, a.id, a1.id, a2.id, b.id, b1.id)


def make_account(session: Session, name: str, *grants: tuple[Role, int], member_id: uuid.UUID | None = None) -> Account:
    """An account of the console with roles on units; it signs in by ``sign_in`` below, not by password."""
    account = Account(id=uuid.uuid4(), name=name, member_id=member_id, created_at=clock.now())
    account.email = account.email_key = f"{account.id}@example.org"
    session.add(account)
    crypto.create_keys(session, [account.id])
    session.flush()
    session.add_all(
        Grant(account_id=account.id, role=role.value, unit_id=unit, granted_at=clock.now()) for role, unit in grants
    )
    session.flush()
    return account


def actor(session: Session, name: str, *grants: tuple[Role, int]) -> Actor:
    """Somebody with these roles."""
    return actor_of(session, make_account(session, name, *grants))


class Console:
    """A browser in the console, signed in as an account; forms carry the session's token."""

    def __init__(self, app: Any, account_id: uuid.UUID) -> None:
        with unit_of_work() as session:
            token = sessions.start_console(session, session.get_one(Account, account_id), device="Thử")
            found = session.scalars(select(SignIn).where(SignIn.token_hash == sessions.token_hash(token))).one()
            self.csrf = found.csrf
        self.token = token
        self.client = TestClient(app, follow_redirects=False)
        self.keep_cookie()

    def keep_cookie(self) -> None:
        """Hold the token of the sign-in and nothing else, whatever pages have made of it."""
        self.client.cookies.clear()
        self.client.cookies.set("sotay_console", self.token, domain="testserver.local", path="/admin")

    def get(self, path: str, **options: Any) -> Any:
        """GET ``/admin`` + *path*."""
        return self.client.get(f"/admin{path}", **options)

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> Any:
        """POST a form with its token."""
        return self.client.post(f"/admin{path}", data={"csrf": self.csrf, **(data or {})}, **options)
