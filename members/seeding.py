"""A synthetic province for load: the report's sixteen committees in size, made-up people below them.

Nobody in it can be taken for somebody: cards lie in 99xxxxxx, citizen numbers begin with 999 (no province has this
number), phones with 0200 (no area has this number), and every unit's code begins with GIA.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from core import audit, clock
from members import names
from members.access import SYSTEM
from members.importing.writing import BATCH, NewMember, copy_rows, insert_members
from members.models import Member, Unit
from members.particulars import OFFICIAL, PROBATIONARY, Private

PREFIX = "GIA"
"""Every unit's code begins with it."""
_BRANCH, _BRANCHES_OF_A_BASE = 30, 10
"""About so many members in a branch, and branches in a base."""


class SeedError(ValueError):
    """The synthetic province cannot be made here."""


@dataclass(frozen=True)
class Committee:
    """A committee with its figures in the report of 2 June 2022."""

    name: str
    total: int
    newly_admitted: int
    registered: int
    deployed: bool = True


COMMITTEES = (
    Committee("Đảng bộ thành phố Thái Nguyên", 27525, 474, 23993),
    Committee("Đảng bộ huyện Võ Sơn", 9509, 244, 7103),
    Committee("Đảng bộ huyện Đồng Hỷ", 5320, 131, 3544),
    Committee("Đảng bộ thành phố Phổ Yên", 8785, 221, 7591),
    Committee("Đảng bộ huyện Phú Bình", 7625, 191, 6808),
    Committee("Đảng bộ huyện Võ Nhai", 5052, 135, 3786),
    Committee("Đảng bộ huyện Định Hóa", 7921, 195, 5622),
    Committee("Đảng bộ huyện Phú Lương", 5762, 149, 4739),
    Committee("Đảng bộ thành phố Sông Công", 5936, 153, 5885),
    Committee("Đảng bộ Khối các cơ quan tỉnh", 5287, 156, 4634),
    Committee("Đảng bộ Đại học Thái Nguyên", 2935, 278, 2512),
    Committee("Đảng bộ Công ty cổ phần Gang thép Thái Nguyên", 1760, 49, 1756),
    Committee("Đảng bộ Công ty cổ phần Kim loại màu VIMICO", 548, 11, 509),
    Committee("Đảng bộ Bệnh viện Trung ương Thái Nguyên", 623, 16, 541),
    Committee("Đảng bộ Quân sự tỉnh", 405, 1, 10, deployed=False),
    Committee("Đảng bộ Công an tỉnh", 890, 20, 24, deployed=False),
)

_FAMILY = ("Nguyễn",) * 38 + ("Trần",) * 12 + ("Lê",) * 9 + ("Phạm",) * 7 + ("Hoàng",) * 5 + ("Vũ",) * 4 + (
    "Phan", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương", "Lý", "Đào", "Nông", "Ma", "Triệu", "Lưu", "Chu", "Tạ", "Hà",
)  # fmt: skip
_MIDDLE = (
    "Văn", "Thị", "Đức", "Hữu", "Minh", "Ngọc", "Thu", "Quang", "Xuân", "Thanh", "Hồng", "Đình", "Bá", "Kim", "Thế",
    "Phương", "Anh", "Công", "Mạnh", "Bích", "Duy", "Hải", "Khánh", "Trọng", "Tuyết", "Việt", "Gia", "Diệu", "Như", "Tiến",
)  # fmt: skip
_GIVEN = (
    "An", "Anh", "Ân", "Bách", "Bảo", "Bình", "Cường", "Châu", "Chi", "Chiến", "Dung", "Dũng", "Dương", "Đạt", "Đông",
    "Giang", "Hà", "Hải", "Hạnh", "Hằng", "Hiền", "Hiếu", "Hoa", "Hòa", "Hoàng", "Huệ", "Hùng", "Huy", "Huyền", "Hương",
    "Khánh", "Khoa", "Kiên", "Lan", "Lâm", "Linh", "Loan", "Long", "Lộc", "Lợi", "Mai", "Mạnh", "Minh", "My", "Nam",
    "Nga", "Ngân", "Nghĩa", "Ngọc", "Nhung", "Oanh", "Phong", "Phúc", "Phương", "Quang", "Quân", "Quyên", "Sơn", "Tâm",
    "Tân", "Thái", "Thảo", "Thắng", "Thành", "Thủy", "Tiến", "Toàn", "Trang", "Trung", "Tuấn", "Tuyết", "Tùng", "Vinh", "Yến",
)  # fmt: skip
_TOWNS = ("Xã Suối Giả", "Xã Đồi Mẫu", "Phường Bến Thử", "Xã Đồng Ví Dụ", "Phường Cầu Mẫu")

Progress = Callable[[int, int], None]


def seed(session: Session, count: int, *, progress: Progress = lambda _done, _total: None) -> int:
    """Make the province with *count* members; returns the number of units. Errors: SeedError (the register is in use)."""
    if session.execute(select(Member.id).limit(1)).first() is not None:
        raise SeedError("Sổ đã có hồ sơ, nên không tạo dữ liệu giả lập ở đây. Xin dùng một thư mục dữ liệu mới.")
    if session.execute(select(Unit.id).where(Unit.code.startswith(PREFIX)).limit(1)).first() is not None:
        raise SeedError("Cây tổ chức đã có tỉnh giả lập. Xin dùng một thư mục dữ liệu mới.")
    chance = random.Random(2022)  # noqa: S311 - the same province every time, no secret in it
    sizes = shares(count, [committee.total for committee in COMMITTEES])
    branches, units = _make_units(session, sizes)
    people = _people(chance, sizes, branches)
    done = 0
    batch: list[NewMember] = []
    for person in people:
        batch.append(person)
        if len(batch) == BATCH:
            insert_members(session, batch)
            done += len(batch)
            progress(done, count)
            batch = []
    insert_members(session, batch)
    progress(count, count)
    audit.record(
        session,
        "members.seeded",
        actor_id=SYSTEM.account_id,
        object_type="unit",
        details={"count": count, "units": units},
    )
    return units


def shares(count: int, weights: Sequence[int]) -> list[int]:
    """*count* divided in proportion to *weights*, whole numbers, by largest remainders."""
    total = sum(weights)
    whole = [count * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: (-(count * weights[place] % total), place))
    for place in by_remainder[: count - sum(whole)]:
        whole[place] += 1
    return whole


def _make_units(session: Session, sizes: Sequence[int]) -> tuple[list[list[int]], int]:
    """The tree; returns the branches' ids by committee and the number of units."""
    plan: list[tuple[int | None, str, str, str, int, bool]] = [
        (None, PREFIX, "Đảng bộ tỉnh Thái Nguyên (dữ liệu giả lập)", "Tỉnh ủy", 0, True)
    ]
    branches: list[list[int]] = []
    for number, (committee, size) in enumerate(zip(COMMITTEES, sizes, strict=True), start=1):
        own = len(plan)
        code = f"{PREFIX}-{number:02}"
        plan.append((0, code, committee.name, "Đảng bộ trực thuộc", number, committee.deployed))
        wanted = max(1, round(size / _BRANCH))
        branches.append([])
        for base in range(-(-wanted // _BRANCHES_OF_A_BASE)):
            above = len(plan)
            base_code = f"{code}-{base + 1:03}"
            plan.append((own, base_code, f"Đảng bộ cơ sở {base + 1}", "Đảng bộ cơ sở", base + 1, committee.deployed))
            for branch in range(min(_BRANCHES_OF_A_BASE, wanted - base * _BRANCHES_OF_A_BASE)):
                branches[-1].append(len(plan))
                plan.append(
                    (
                        above,
                        f"{base_code}-{branch + 1:02}",
                        f"Chi bộ {branch + 1}",
                        "Chi bộ",
                        branch + 1,
                        committee.deployed,
                    )
                )
    ids = list(
        session.scalars(
            text("select nextval(pg_get_serial_sequence('unit', 'id')) from generate_series(1, :count)"),
            {"count": len(plan)},
        )
    )
    paths: list[str] = []
    now, rows = clock.now(), []
    for place, (parent, code, name, kind, position, deployed) in enumerate(plan):
        paths.append(f"{paths[parent] if parent is not None else '/'}{ids[place]}/")
        rows.append(
            (
                ids[place], ids[parent] if parent is not None else None, paths[place], paths[place].count("/") - 2, code,
                name, names.name_key(name), names.sort_key(name), kind, position, deployed, now,
            )
        )  # fmt: skip
    columns = (
        "id", "parent_id", "path", "depth", "code", "name", "name_key", "sort_key", "kind", "position", "deployed", "created_at",
    )  # fmt: skip
    copy_rows(session, "unit", columns, rows)
    return [[ids[place] for place in places] for places in branches], len(plan)


def _people(chance: random.Random, sizes: Sequence[int], branches: Sequence[Sequence[int]]) -> Iterator[NewMember]:
    today, moment, number = clock.today(), clock.now(), 0
    known: set[tuple[str, date]] = set()
    for committee, size, units in zip(COMMITTEES, sizes, branches, strict=True):
        new = round(size * committee.newly_admitted / committee.total)
        registered = round(size * committee.registered / committee.total)
        kinds = [PROBATIONARY] * new + [OFFICIAL] * (size - new)
        signed_in = [True] * registered + [False] * (size - registered)
        chance.shuffle(kinds)
        chance.shuffle(signed_in)
        for place in range(size):
            yield _person(
                chance, number, units, place, kinds[place], today, moment if signed_in[place] else None, known
            )
            number += 1


def _person(
    chance: random.Random,
    number: int,
    units: Sequence[int],
    place: int,
    status: str,
    today: date,
    registered_at: datetime | None,
    known: set[tuple[str, date]],
) -> NewMember:
    while True:
        name = f"{chance.choice(_FAMILY)} {chance.choice(_MIDDLE)} {chance.choice(_GIVEN)}"
        if status == PROBATIONARY:
            joined = today - timedelta(days=chance.randrange(1, 364))
            born = joined - timedelta(days=chance.randrange(19 * 366, 40 * 365))
            official = None
        else:
            born = today - timedelta(days=chance.randrange(23 * 366, 85 * 365))
            joined = born + timedelta(days=chance.randrange(19 * 366, min(45 * 365, (today - born).days - 400)))
            official = joined + timedelta(days=366)
        person = (names.name_key(name), born)
        if person not in known:
            known.add(person)
            break
    offices = {0: "Bí thư", 1: "Phó Bí thư", 2: "Chi ủy viên"}
    return NewMember(
        id=uuid.uuid4(),
        unit_id=units[place % len(units)],
        name=name,
        position=offices.get(place // len(units)),
        status=status,
        exempt=(today - born).days > 75 * 365 and chance.random() < 0.5,
        private=Private(
            card_number=f"99{number:06d}",
            citizen_number=f"999{number:09d}",
            phone=f"0200{number:07d}",
            date_of_birth=born,
            joined_on=joined,
            official_on=official,
            home_town=chance.choice(_TOWNS),
        ),
        registered_at=registered_at,
    )
