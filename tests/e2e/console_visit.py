"""Run in an installation's environment: an administrator who is signed in, and one of everything that pages show.

Prints JSON: the tokens of an administrator and of a secretary, and an id for each parameter that paths have.
"""

from __future__ import annotations

import json
import time
import uuid

from sqlalchemy import func, select

from core import clock
from core.audit import AuditEntry
from core.database import unit_of_work
from knowledge.models import OpenQuestion, Revision
from members import accounts, importing, register, registration_report, requests, sessions, units
from members.access import SYSTEM, Role
from members.models import Account, DataRequest, Member, Unit
from members.register import Private
from tests.people import make_account
from tests.sign_ups import make_waiting, photo_ids

PEOPLE = "\n".join(
    [
        "Họ và tên,Đơn vị,Số thẻ,Ngày sinh",
        *(f"Người Mới {number},THU-1,{88000000 + number},05/09/1990" for number in range(5)),
        *(f"Người Sai {number},nơi nào đó,12,31/02/1990" for number in range(5)),
    ]
)
FIGURES = """\
TT,Đảng bộ,Tổng số,Mới kết nạp,Chính thức,Đã đăng ký,Tỷ lệ (%),Chưa đăng ký,Thứ hạng
1,Hội huyện Đồng Mai,100,10,90,95,95.00,5,1
2,Hội thành phố Bến Ngự,200,0,200,150,75.00,50,1
"""


def main() -> None:
    """Make what is missing and print where it is."""
    with unit_of_work() as session:
        root = session.scalars(select(Unit).where(Unit.parent_id.is_(None)).order_by(Unit.id).limit(1)).one()
        above = units.create(
            session, SYSTEM, parent_id=root.id, name="Hội huyện Thử", kind="Hội trực thuộc", code="THU"
        )
        branch = units.create(session, SYSTEM, parent_id=above.id, name="Chi hội Thử", kind="Chi hội", code="THU-1")
        members = [
            register.add(session, SYSTEM, unit_id=branch.id, name=f"Lê Thử {number}", private=Private()).id
            for number in range(60)
        ]
        session.get_one(Member, members[2]).registered_at = clock.now()
        made = accounts.create_account(session, SYSTEM, name="Quản trị Thử", email="thu@example.org")
        accounts.grant(session, SYSTEM, made.account_id, role=Role.ADMINISTRATOR, unit_id=root.id)
        administrator = session.get_one(Account, made.account_id)
        administrator.must_change_password = False
        secretary = make_account(session, "Bí thư Thử", (Role.SECRETARY, branch.id))
        tokens = [sessions.start_console(session, one, device="Thử") for one in (administrator, secretary)]
        receipt = requests.open_on_behalf(session, SYSTEM, members[0], kind="erasure").receipt
        sign_up_id = make_waiting(session, members[1], unit_id=branch.id)
        photo_id = photo_ids(session, sign_up_id)[0]
        report = registration_report.import_report(session, SYSTEM, file_name="thử.csv", content=FIGURES.encode())
        session.add(OpenQuestion(question="Thử hỏi gì đó?", asked_on=clock.today(), message_key=uuid.uuid4().hex))
        import_id = importing.start(session, SYSTEM, file_name="thử.csv", content=PEOPLE.encode())
    importing.check_import(str(import_id))  # the worker may be at it already
    while _state(import_id) == "checking":
        time.sleep(0.2)
    with unit_of_work() as session:
        ids = {
            "unit_id": above.id,
            "member_id": str(members[0]),
            "signed_up_id": str(members[2]),
            "import_id": str(import_id),
            "account_id": str(secretary.id),
            "request_id": session.scalar(select(DataRequest.id).where(DataRequest.receipt == receipt)),
            "report_id": report.id,
            "sign_up_id": str(sign_up_id),
            "photo_id": photo_id,
            "revision_id": session.scalar(select(func.min(Revision.id))),
            "entry_id": session.scalar(select(func.max(AuditEntry.id))),
        }
    print(json.dumps({"administrator": tokens[0], "secretary": tokens[1], "ids": ids}))


def _state(import_id: uuid.UUID) -> str:
    with unit_of_work() as session:
        return importing.status(session, SYSTEM, import_id).state


if __name__ == "__main__":
    main()
