"""The demo's organisation: fictitious, three levels, 300 members, and accounts to try each role with one click.

Names are put together from common syllables by a fixed seed; card numbers begin with 99, phones with 0999: nobody's.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock, crypto
from members import register, units
from members.access import SYSTEM, Role
from members.models import Account, Grant, Member, Unit
from members.register import Private

SEED = 20260315
ROOT_NAME = "Hội Bạn đọc Sông Xanh"
DISTRICTS = (
    ("Hội thành phố Sông Xanh", True),
    ("Hội huyện Đồng Mai", True),
    ("Hội huyện Thượng Lâm", True),
    ("Hội thị xã Bến Ngự", True),
    ("Hội khối Trường học", False),
)
"""The middle level, and whether the service has been introduced there."""
BRANCHES = ("Đầu Nguồn", "Ao Sen", "Chợ Cũ", "Bãi Bồi")
MEMBERS_IN_BRANCH = 15
REGISTERED_SHARE = 0.72

SURNAMES = (
    "Nguyễn",
    "Trần",
    "Lê",
    "Phạm",
    "Hoàng",
    "Vũ",
    "Đặng",
    "Bùi",
    "Đỗ",
    "Hồ",
    "Ngô",
    "Dương",
    "Lý",
    "Nông",
    "Ma",
)
MIDDLES = {"nam": ("Văn", "Đức", "Minh", "Quang", "Hữu"), "nữ": ("Thị", "Thu", "Ngọc", "Thanh", "Bích")}
GIVEN = {
    "nam": ("An", "Bình", "Cường", "Dũng", "Đạt", "Hải", "Khoa", "Long", "Phúc", "Sơn", "Tùng", "Việt"),
    "nữ": ("Ánh", "Chi", "Diệp", "Hà", "Hoa", "Lan", "Mai", "Nga", "Phượng", "Quỳnh", "Trang", "Yến"),
}
TOWNS = ("xã Đầu Nguồn", "xã Ao Sen", "phường Chợ Cũ", "xã Bãi Bồi", "thị trấn Đồng Mai")


@dataclass(frozen=True)
class Persona:
    """Somebody whose part a newcomer can take."""

    key: str
    title: str
    can: str
    role: Role | None
    """The role in the console; None: a member in the chat."""


PERSONAS = (
    Persona("member", "Hội viên", "hỏi đáp, xem hồ sơ và quyền với dữ liệu của mình", None),
    Persona("secretary", "Bí thư chi hội", "xem hội viên của chi hội, tạo mã đăng nhập cho họ", Role.SECRETARY),
    Persona("curator", "Người biên tập", "nạp, công bố văn bản, trả lời câu hỏi mở", Role.CURATOR),
    Persona(
        "administrator", "Quản trị viên", "cây tổ chức, danh sách, tài khoản, số liệu, nhật ký", Role.ADMINISTRATOR
    ),
)


@dataclass(frozen=True)
class Invented:
    """Somebody of the demo before there is a register. ``registered_ago``: days since the sign-up; None: not signed up."""

    card_number: str
    name: str
    woman: bool
    born: date
    joined: date
    probationary: bool
    home_town: str
    registered_ago: int | None

    @property
    def official(self) -> date | None:
        """The day of full membership; None while on probation."""
        return None if self.probationary else self.joined + timedelta(days=365)


def not_signed_up() -> Iterator[tuple[str, Invented]]:
    """Full members of the demo who have no account, with the district that issues their cards: for specimen cards.

    Those of the first branch are left out: it is the personas' own.
    """
    chance = random.Random(SEED)  # noqa: S311 - the same people as in the register
    number = 0
    for district, deployed in DISTRICTS:
        for _ in BRANCHES:
            for place in range(MEMBERS_IN_BRANCH):
                number += 1
                person = _invent(chance, number, first=place == 0, deployed=deployed)
                if number > MEMBERS_IN_BRANCH and person.registered_ago is None and not person.probationary:
                    yield district, person


def load_organisation(session: Session) -> int:
    """Make the demo's organisation where there is none at all; returns the number of its members."""
    if session.scalar(select(Unit.id).limit(1)) is not None:
        return 0
    chance = random.Random(SEED)  # noqa: S311 - invented people, nothing secret
    root = units.create(session, SYSTEM, parent_id=None, name=ROOT_NAME, code="SX", kind="Hội")
    number, branch_ids = 0, []
    for place, (name, deployed) in enumerate(DISTRICTS, 1):
        district = units.create(
            session, SYSTEM, parent_id=root.id, name=name, code=f"SX{place}", kind="Hội cơ sở", deployed=deployed
        )
        for order, branch_name in enumerate(BRANCHES, 1):
            branch = units.create(
                session, SYSTEM, parent_id=district.id, name=f"Chi hội {branch_name}",
                code=f"SX{place}{order}", kind="Chi hội", deployed=deployed,
            )  # fmt: skip
            branch_ids.append(branch.id)
            for place_in_branch in range(MEMBERS_IN_BRANCH):
                number += 1
                _add_member(session, chance, branch.id, number, first=place_in_branch == 0, deployed=deployed)
    _add_personas(session, root.id, branch_ids[0])
    return number


def _invent(chance: random.Random, number: int, *, first: bool, deployed: bool) -> Invented:
    kind = chance.choice(("nam", "nữ"))
    born = date(1942, 1, 1) + timedelta(days=chance.randrange(60 * 365))
    joined = born + timedelta(days=chance.randrange(19 * 366, 23 * 366))
    probationary = not first and chance.random() < 0.05
    if probationary:
        joined = clock.today() - timedelta(days=chance.randrange(20, 330))
        born = min(born, joined - timedelta(days=19 * 366))
    name = f"{chance.choice(SURNAMES)} {chance.choice(MIDDLES[kind])} {chance.choice(GIVEN[kind])}"
    home_town = chance.choice(TOWNS)
    registered = deployed and not first and chance.random() < REGISTERED_SHARE
    return Invented(
        card_number=f"99{number:06d}",
        name=name,
        woman=kind == "nữ",
        born=born,
        joined=joined,
        probationary=probationary,
        home_town=home_town,
        registered_ago=chance.randrange(1, 200) if registered else None,
    )


def _add_member(
    session: Session, chance: random.Random, unit_id: int, number: int, *, first: bool, deployed: bool
) -> None:
    person = _invent(chance, number, first=first, deployed=deployed)
    member = register.add(
        session,
        SYSTEM,
        unit_id=unit_id,
        name=person.name,
        position="Bí thư chi hội" if first else None,
        status="probationary" if person.probationary else "official",
        exempt=person.born < clock.today() - timedelta(days=78 * 366),
        private=Private(
            card_number=person.card_number,
            citizen_number=f"999{number:09d}",
            phone=f"0999{number:06d}",
            date_of_birth=person.born,
            joined_on=person.joined,
            official_on=person.official,
            home_town=person.home_town,
        ),
        same_person_is_another=True,
    )
    if person.registered_ago is not None:
        member.registered_at = clock.now() - timedelta(days=person.registered_ago)


def persona_email(key: str) -> str:
    """By what a persona's account is found; nobody signs in with it (it has no password)."""
    return f"{key}@demo.invalid"


def persona_account(session: Session, persona: Persona) -> Account | None:
    """The account of a persona, while there is one."""
    return session.scalars(
        select(Account).where(
            Account.email_key == persona_email(persona.key), Account.demo, Account.disabled_at.is_(None)
        )
    ).one_or_none()


def living_personas(session: Session) -> tuple[Persona, ...]:
    """The personas that have their account still; none where the demo never made them."""
    emails = {persona_email(persona.key): persona for persona in PERSONAS}
    found = set(
        session.scalars(
            select(Account.email_key).where(Account.email_key.in_(emails), Account.demo, Account.disabled_at.is_(None))
        )
    )
    return tuple(persona for email, persona in emails.items() if email in found)


def _add_personas(session: Session, root_id: int, branch_id: int) -> None:
    """The secretary is the first branch's; the member is the one after."""
    people = session.scalars(
        select(Member).where(Member.unit_id == branch_id).order_by(Member.position.is_(None), Member.sort_key).limit(2)
    ).all()
    for persona in PERSONAS:
        person = {"secretary": people[0], "member": people[1]}.get(persona.key)
        email = persona_email(persona.key)
        account = Account(
            id=uuid.uuid4(),
            member_id=person.id if person else None,
            name=person.name if person else f"{persona.title} (mẫu)",
            email=email,
            email_key=email,
            demo=True,
            created_at=clock.now(),
        )
        session.add(account)
        crypto.create_keys(session, [account.id])
        session.flush()
        if person:
            person.registered_at = person.registered_at or clock.now()
        if persona.role:
            unit_id = branch_id if persona.role is Role.SECRETARY else root_id
            session.add(Grant(account_id=account.id, role=persona.role.value, unit_id=unit_id, granted_at=clock.now()))
    session.flush()
