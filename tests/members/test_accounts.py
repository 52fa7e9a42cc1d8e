"""Accounts and roles: made and given by people who may, never beyond their own rights."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyotp
import pytest
from sqlalchemy import event, func, select

from core import clock, crypto
from core.audit import AuditEntry
from core.database import engine, unit_of_work
from members import account_lists, accounts, passwords, sessions, totp
from members.access import SYSTEM, Actor, NotVisibleError, Role, actor_of
from members.accounts import AccountError
from members.models import Account, Grant, Member, Unit
from messaging import inbox
from tests.people import Units, actor, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture
def units() -> Units:
    with unit_of_work() as session:
        return make_units(session)


def somebody(name: str, *grants: tuple[Role, int]) -> Actor:
    with unit_of_work() as session:
        return actor(session, name, *grants)


def again(account_id: uuid.UUID | None) -> Actor:
    assert account_id is not None
    with unit_of_work() as session:
        return actor_of(session, session.get_one(Account, account_id))


def make_member(unit_id: int, name: str = "Phạm Thị Mơ") -> uuid.UUID:
    with unit_of_work() as session:
        member = Member(id=uuid.uuid4(), unit_id=unit_id, name=name, name_key="", sort_key="", status="official")
        member.sealed, member.created_at, member.updated_at = b"", NOW, NOW
        crypto.create_keys(session, [member.id])
        session.add(member)
        return member.id


def grants_of(account_id: uuid.UUID) -> list[tuple[str, int]]:
    with unit_of_work() as session:
        rows = session.execute(
            select(Grant.role, Grant.unit_id)
            .where(Grant.account_id == account_id, Grant.revoked_at.is_(None))
            .order_by(Grant.id)
        )
        return [(row.role, row.unit_id) for row in rows]


def refused(call: Callable[[Any], object], error: type[Exception]) -> str:
    """What is refused changes nothing and logs nothing of its kind."""
    with pytest.raises(error) as caught, unit_of_work() as session:
        call(session)
    return str(caught.value)


def test_a_new_account_signs_in_with_what_is_shown_once(units: Units) -> None:
    boss = somebody("Quản trị", (Role.ADMINISTRATOR, units.province))
    with unit_of_work() as session, clock.fixed(NOW):
        made = accounts.create_account(session, boss, name="  Trần  Thị Thư ", email=" Thu@Song-Xanh.VN ")
    with unit_of_work() as session, clock.fixed(NOW):
        account = session.get_one(Account, made.account_id)
        assert (account.name, account.email, account.email_key) == (
            "Trần Thị Thư",
            "Thu@Song-Xanh.VN",
            "thu@song-xanh.vn",
        )
        assert account.must_change_password
        assert passwords.verify(account.password_hash, made.password)
        secret = pyotp.parse_uri(made.totp_uri).secret
        assert (totp.secret_of(session, account), len(secret)) == (secret, 32)
        assert secret.encode() not in (account.totp_sealed or b"")
        entry = session.scalars(select(AuditEntry)).one()
        assert (entry.action, entry.object_id, entry.actor_id) == (
            "account.created",
            str(made.account_id),
            boss.account_id,
        )
        assert "Thư" not in str(entry.details)


@pytest.mark.parametrize(
    "email",
    ["", "thu", "thu@", "@song.vn", "thu@song", "thu@@song.vn", "a b@song.vn", "thu@song..vn", "thu@-song.vn", "<x>@song.vn",
     "thu@song.vn, la@song.vn", "a\n@song.vn", "x" * 250 + "@song.vn", "thu@song.v"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(units: Units, email: str) -> None:
    message = refused(lambda session: accounts.create_account(session, SYSTEM, name="Thư", email=email), AccountError)
    assert message == "Địa chỉ email không hợp lệ. Ví dụ: ten@coquan.vn"


@pytest.mark.parametrize("email", ["thu@song.vn", "t.h-u+1@a.b.vn", "thủ.kho@sông-xanh.vn", "o'hara@song.vn"])
def test_an_address_that_is_one_is_taken(email: str) -> None:
    assert accounts.clean_email(f" {email} ") == email


def test_an_address_has_one_account(units: Units) -> None:
    with unit_of_work() as session:
        accounts.create_account(session, SYSTEM, name="Thư", email="thu@song.vn")
    message = refused(
        lambda session: accounts.create_account(session, SYSTEM, name="Khác", email="THU@song.vn"), AccountError
    )
    assert message == "Đã có tài khoản dùng địa chỉ email này."


def test_who_manages_a_part_gives_a_role_there_at_once(units: Units) -> None:
    local = somebody("Quản trị A", (Role.ADMINISTRATOR, units.a))
    message = refused(
        lambda session: accounts.create_account(session, local, name="Thư", email="t@song.vn"), AccountError
    )
    assert message == "Xin chọn vai trò và đơn vị cho tài khoản mới."
    for unit_id in (units.b1, units.province, 10**12):
        refused(
            lambda session: accounts.create_account(
                session,
                local,
                name="Thư",
                email="t@song.vn",
                role=Role.SECRETARY,
                unit_id=unit_id,  # noqa: B023
            ),
            NotVisibleError,
        )
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(Account).where(Account.email_key == "t@song.vn")) == 0
        made = accounts.create_account(
            session, local, name="Thư", email="t@song.vn", role=Role.SECRETARY, unit_id=units.a1
        )
    assert grants_of(made.account_id) == [("secretary", units.a1)]
    with unit_of_work() as session:
        assert account_lists.view_account(session, local, made.account_id).name == "Thư"


def test_only_who_manages_accounts_makes_them(units: Units) -> None:
    for role in Role:
        if role is not Role.ADMINISTRATOR:
            other = somebody(role.value, (role, units.province))
            for call in (
                lambda session, by: accounts.create_account(session, by, name="A", email="a@song.vn"),
                account_lists.list_accounts,
            ):
                with pytest.raises(NotVisibleError), unit_of_work() as session:
                    call(session, other)


def test_the_account_of_a_member_who_signs_in_by_code_is_extended(units: Units) -> None:
    member_id = make_member(units.a1)
    local = somebody("Quản trị A", (Role.ADMINISTRATOR, units.a))
    with unit_of_work() as session:
        own = accounts.make_member_account(session, session.get_one(Member, member_id))
        own_id = own.id
    stranger = somebody("Quản trị B", (Role.ADMINISTRATOR, units.b))

    def extend(by: Actor) -> Callable[[Any], accounts.NewAccount]:
        return lambda session: accounts.create_account(
            session, by, name="Phạm Thị Mơ", email="mo@song.vn", member_id=member_id
        )

    refused(extend(stranger), NotVisibleError)
    with unit_of_work() as session:
        assert extend(local)(session).account_id == own_id
    assert refused(extend(local), AccountError) == "Người này đã có tài khoản quản trị."


def test_a_role_is_given_with_an_end_and_counts_until_then(units: Units) -> None:
    boss = somebody("Quản trị", (Role.ADMINISTRATOR, units.province))
    person = somebody("Thư")
    assert person.account_id is not None
    with clock.fixed(NOW):
        with unit_of_work() as session:
            accounts.grant(
                session, boss, person.account_id, role=Role.SECRETARY, unit_id=units.a1, ends_on=date(2026, 11, 30)
            )
        for bad, message in (
            (date(2026, 11, 22), "Ngày hết hạn không được ở trong quá khứ."),
            (
                date(2027, 1, 1),
                "Người này đang có vai trò đó tại đơn vị này. Muốn đổi ngày hết hạn, xin thu hồi rồi giao lại.",
            ),
        ):
            assert (
                refused(
                    lambda session: accounts.grant(
                        session,
                        boss,
                        person.account_id,
                        role=Role.SECRETARY,
                        unit_id=units.a1,
                        ends_on=bad,  # noqa: B023
                    ),
                    AccountError,
                )
                == message
            )
        assert [granted.role for granted in again(person.account_id).grants] == [Role.SECRETARY]
    with clock.fixed(datetime(2026, 11, 30, 16, 59, tzinfo=UTC)):
        assert len(again(person.account_id).grants) == 1, "the last minute of the day in Vietnam"
    with clock.fixed(datetime(2026, 11, 30, 17, 0, tzinfo=UTC)):
        assert again(person.account_id).grants == ()
        with unit_of_work() as session:  # what has ended can be given again
            accounts.grant(session, boss, person.account_id, role=Role.SECRETARY, unit_id=units.a1)
        assert len(again(person.account_id).grants) == 1


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.MEMBER])
def test_no_role_is_given_outside_of_ones_own_part_nor_to_accounts_that_reach_beyond_it(
    units: Units, role: Role
) -> None:
    local = somebody("Quản trị A", (Role.ADMINISTRATOR, units.a))
    inside = somebody("Trong A", (Role.SECRETARY, units.a1))
    outside = somebody("Trong B", (Role.SECRETARY, units.b1))
    both = somebody("Hai nơi", (Role.SECRETARY, units.a1), (Role.SECRETARY, units.b1))
    for target, unit_id in (
        (inside, units.province),
        (inside, units.b),
        (inside, units.b1),
        (local, units.province),
        (outside, units.a1),
        (both, units.a2),
    ):
        refused(
            lambda session: accounts.grant(session, local, target.account_id, role=role, unit_id=unit_id),  # noqa: B023
            NotVisibleError,
        )
    assert inside.account_id is not None
    with unit_of_work() as session:
        accounts.grant(session, local, inside.account_id, role=role, unit_id=units.a2)
    assert grants_of(inside.account_id)[-1] == (role.value, units.a2)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_other_roles_change_nobodys_account(units: Units, role: Role) -> None:
    nosy = somebody("Tò mò", (role, units.province))
    person = somebody("Thư", (Role.SECRETARY, units.a1))
    with unit_of_work() as session:
        grant_id = session.scalars(select(Grant.id).where(Grant.account_id == person.account_id)).one()
    calls: list[Callable[[Any], object]] = [
        lambda session: accounts.grant(session, nosy, person.account_id, role=Role.CURATOR, unit_id=units.a1),
        lambda session: accounts.grant(session, nosy, nosy.account_id, role=Role.ADMINISTRATOR, unit_id=units.province),
        lambda session: accounts.revoke(session, nosy, person.account_id, grant_id),
        lambda session: accounts.disable(session, nosy, person.account_id),
        lambda session: accounts.enable(session, nosy, person.account_id),
        lambda session: accounts.reset_credentials(session, nosy, person.account_id),
        lambda session: account_lists.view_account(session, nosy, person.account_id),
    ]
    for call in calls:
        refused(call, NotVisibleError)


def test_the_rights_that_a_role_needs_are_those_of_whoever_gives_it(
    units: Units, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should another role manage accounts one day, it cannot give, nor touch, more than it has."""
    from members import access

    more = access.PERMISSIONS[Role.REVIEWER] | {access.Permission.MANAGE_ACCOUNTS, access.Permission.READ_UNITS}
    monkeypatch.setitem(access.PERMISSIONS, Role.REVIEWER, more)
    reviewer = somebody("Người xét", (Role.REVIEWER, units.province))
    person, curator = somebody("Thư"), somebody("Biên tập", (Role.CURATOR, units.a1))
    with unit_of_work() as session:
        path = session.get_one(Unit, units.a1).path
    assert accounts.grantable(reviewer, path) == [Role.EXAMINER, Role.REVIEWER]
    for role in (Role.ADMINISTRATOR, Role.AUDITOR, Role.SECRETARY, Role.CURATOR, Role.APPROVER):
        refused(
            lambda session: accounts.grant(session, reviewer, person.account_id, role=role, unit_id=units.a1),  # noqa: B023
            NotVisibleError,
        )
    refused(lambda session: accounts.reset_credentials(session, reviewer, curator.account_id), NotVisibleError)
    refused(lambda session: accounts.disable(session, reviewer, curator.account_id), NotVisibleError)


def test_a_unit_that_is_closed_gets_no_more_roles(units: Units) -> None:
    boss = somebody("Quản trị", (Role.ADMINISTRATOR, units.province))
    person = somebody("Thư")
    with unit_of_work() as session:
        session.get_one(Unit, units.a2).closed_on = date(2026, 1, 1)
    message = refused(
        lambda session: accounts.grant(session, boss, person.account_id, role=Role.SECRETARY, unit_id=units.a2),
        AccountError,
    )
    assert message == "Đơn vị này đã giải thể nên không giao thêm vai trò."
    message = refused(
        lambda session: accounts.grant(session, boss, person.account_id, role=Role.MEMBER, unit_id=units.a1),
        AccountError,
    )
    assert message == "Vai trò này có sẵn với mọi người trong danh sách, không cần giao."


def test_every_change_ends_the_sessions_of_the_console_and_is_logged(units: Units) -> None:
    boss = somebody("Quản trị", (Role.ADMINISTRATOR, units.province))
    with unit_of_work() as session:
        made = accounts.create_account(session, boss, name="Thư", email="thu@song.vn")

    def living_after(change: Callable[[Any], object]) -> bool:
        with unit_of_work() as session:
            token = sessions.start_console(session, session.get_one(Account, made.account_id), device="x")
        with unit_of_work() as session:
            change(session)
        with unit_of_work() as session:
            row = sessions.is_living(session, token)
            session.get_one(Account, made.account_id).disabled_at = None
            return row

    given: list[int] = []
    assert not living_after(
        lambda s: given.append(accounts.grant(s, boss, made.account_id, role=Role.CURATOR, unit_id=units.province))
    )
    assert not living_after(lambda s: accounts.revoke(s, boss, made.account_id, given[0]))
    assert not living_after(lambda s: accounts.reset_credentials(s, boss, made.account_id))
    assert not living_after(lambda s: accounts.disable(s, boss, made.account_id))
    with unit_of_work() as session:
        session.get_one(Account, made.account_id).disabled_at = NOW
    with unit_of_work() as session:
        accounts.enable(session, boss, made.account_id)
        accounts.enable(session, boss, made.account_id)
    with unit_of_work() as session:
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert list(actions) == [
        *("account.created", "grant.added", "grant.revoked", "account.credentials_reset"),
        *("account.disabled", "account.enabled"),
    ]


def test_new_credentials_replace_the_old_ones(units: Units) -> None:
    with unit_of_work() as session:
        first = accounts.create_account(session, SYSTEM, name="Thư", email="thu@song.vn")
        account = session.get_one(Account, first.account_id)
        account.must_change_password, account.failures, account.locked_until = False, 9, NOW
        account.totp_last_step = 10**9
    with unit_of_work() as session:
        second = accounts.reset_credentials(session, SYSTEM, first.account_id)
        account = session.get_one(Account, first.account_id)
        assert not passwords.verify(account.password_hash, first.password)
        assert passwords.verify(account.password_hash, second.password)
        assert totp.secret_of(session, account) == pyotp.parse_uri(second.totp_uri).secret
        assert (account.must_change_password, account.failures, account.locked_until) == (True, 0, None)
        assert account.totp_last_step == 0


def test_nobody_renews_the_own_credentials_without_the_old_ones_nor_gives_a_role_to_themselves(units: Units) -> None:
    """With a stolen session nothing outlasts the session; a role that ends is not prolonged by its holder."""
    boss = somebody("Quản trị", (Role.ADMINISTRATOR, units.province))
    assert boss.account_id is not None
    own = boss.account_id
    words = refused(lambda session: accounts.reset_credentials(session, boss, own), AccountError)
    assert words.startswith("Không thể tự cấp lại")
    words = refused(
        lambda session: accounts.grant(session, boss, own, role=Role.ADMINISTRATOR, unit_id=units.a), AccountError
    )
    assert words.startswith("Không thể tự giao vai trò")
    assert grants_of(own) == [("administrator", units.province)]


def test_when_somebody_talked_to_the_assistant_is_shown_to_nobody(units: Units) -> None:
    boss = somebody("Quản trị", (Role.ADMINISTRATOR, units.province))
    with unit_of_work() as session:
        account = make_account(session, "Thư", (Role.SECRETARY, units.a1), member_id=make_member(units.a1))
        with clock.fixed(NOW):
            sessions.start_console(session, account, device="Thử")
        with clock.fixed(NOW + timedelta(hours=3)):
            conversation = inbox.open_conversation(session, channel="web", external_id="x")
            sessions.start_member(session, account, conversation_id=conversation.id, channel="web", device="Thử")
    with unit_of_work() as session:
        assert account_lists.view_account(session, boss, account.id).last_seen_at == NOW


def test_an_account_without_an_address_has_no_credentials_to_renew(units: Units) -> None:
    member_id = make_member(units.a1)
    with unit_of_work() as session:
        account_id = accounts.make_member_account(session, session.get_one(Member, member_id)).id
    message = refused(lambda session: accounts.reset_credentials(session, SYSTEM, account_id), AccountError)
    assert message == "Tài khoản này không đăng nhập trang quản trị nên không có mật khẩu."


def test_the_last_administrator_of_the_whole_organisation_stays(units: Units) -> None:
    boss = somebody("Quản trị", (Role.ADMINISTRATOR, units.province))
    somebody("Quản trị A", (Role.ADMINISTRATOR, units.a))
    assert boss.account_id is not None
    own_id = boss.account_id
    with unit_of_work() as session:
        grant_id = session.scalars(select(Grant.id).where(Grant.account_id == own_id)).one()
    alone = "Đây là quản trị viên duy nhất của toàn tổ chức. Xin giao vai trò này cho một người khác trước."
    assert refused(lambda session: accounts.revoke(session, boss, own_id, grant_id), AccountError) == alone
    assert refused(lambda session: accounts.disable(session, SYSTEM, own_id), AccountError) == alone
    assert (
        refused(lambda session: accounts.disable(session, boss, own_id), AccountError)
        == "Không thể tự khóa tài khoản của chính mình. Xin nhờ một quản trị viên khác."
    )
    second = somebody("Quản trị hai", (Role.ADMINISTRATOR, units.province))
    with unit_of_work() as session:
        session.get_one(Account, second.account_id).disabled_at = NOW
    assert refused(lambda session: accounts.revoke(session, boss, own_id, grant_id), AccountError) == alone
    with unit_of_work() as session:
        session.get_one(Account, second.account_id).disabled_at = None
    with unit_of_work() as session:
        accounts.revoke(session, boss, own_id, grant_id)
    assert again(own_id).grants == ()


def test_two_administrators_do_not_take_each_others_role_at_once(units: Units) -> None:
    pair = [somebody(name, (Role.ADMINISTRATOR, units.province)) for name in ("Một", "Hai")]
    with unit_of_work() as session:
        ids = [session.scalars(select(Grant.id).where(Grant.account_id == each.account_id)).one() for each in pair]
    outcome: list[str] = []

    def revoke(by: int, of: int) -> None:
        try:
            with unit_of_work() as session:
                accounts.revoke(session, pair[by], pair[of].account_id, ids[of])
            outcome.append("revoked")
        except AccountError:
            outcome.append("refused")

    threads = [threading.Thread(target=revoke, args=each) for each in ((0, 1), (1, 0))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome) == ["refused", "revoked"]


def test_a_role_of_another_account_is_not_revoked_by_a_forged_number(units: Units) -> None:
    local = somebody("Quản trị A", (Role.ADMINISTRATOR, units.a))
    mine, other = somebody("Thư", (Role.SECRETARY, units.a1)), somebody("Lạ", (Role.SECRETARY, units.b1))
    assert other.account_id is not None
    with unit_of_work() as session:
        foreign = session.scalars(select(Grant.id).where(Grant.account_id == other.account_id)).one()
    for account_id, grant_id in ((mine.account_id, foreign), (other.account_id, foreign), (mine.account_id, 10**12)):
        refused(lambda session: accounts.revoke(session, local, account_id, grant_id), NotVisibleError)  # noqa: B023
    assert grants_of(other.account_id) == [("secretary", units.b1)]


def test_the_list_is_searched_sorted_and_paged_with_three_queries(units: Units) -> None:
    boss = somebody("Quản trị", (Role.ADMINISTRATOR, units.province))
    local = somebody("Quản trị A", (Role.ADMINISTRATOR, units.a))
    with unit_of_work() as session:
        for name, unit_id in (("Trần Thị Thư", units.a1), ("Lê Văn Ánh", units.a2), ("Đỗ Thị Bình", units.b1)):
            make_account(session, name, (Role.SECRETARY, unit_id))
        accounts.make_member_account(session, session.get_one(Member, make_member(units.a1)))

    def names(by: Actor, **wanted: Any) -> list[str]:
        with unit_of_work() as session:
            return [row.name for row in account_lists.list_accounts(session, by, **wanted).rows]

    assert names(boss) == ["Quản trị A", "Lê Văn Ánh", "Đỗ Thị Bình", "Trần Thị Thư", "Quản trị"]
    assert names(local) == ["Quản trị A", "Lê Văn Ánh", "Trần Thị Thư"]
    assert names(boss, q="thi") == ["Đỗ Thị Bình", "Trần Thị Thư"]
    assert names(boss, q="THƯ trần") == ["Trần Thị Thư"]
    assert names(boss, role=Role.SECRETARY) == ["Lê Văn Ánh", "Đỗ Thị Bình", "Trần Thị Thư"]
    assert names(local, q="bình") == []
    statements: list[str] = []
    listener = lambda *arguments: statements.append(arguments[2])  # noqa: E731
    event.listen(engine(), "before_cursor_execute", listener)
    try:
        counts = []
        for size in (1, 3):
            statements.clear()
            with unit_of_work() as session:
                found = account_lists.list_accounts(session, boss, number=2, size=size)
            counts.append(len(statements))
            assert (len(found.rows), found.total, found.number, found.pages) == (
                min(size, 5 - size),
                5,
                2,
                -(-5 // size),
            )
    finally:
        event.remove(engine(), "before_cursor_execute", listener)
    assert counts == [3, 3]


def test_the_first_administrator_makes_the_root_unit(units: Units) -> None:
    with unit_of_work() as session:
        made = accounts.create_administrator(session, email="quan.tri@song.vn")
    assert grants_of(made.account_id) == [("administrator", units.province)]
    with unit_of_work() as session:
        assert session.get_one(Account, made.account_id).name == "quan.tri"


def test_without_any_unit_the_root_is_called_by_the_organisation() -> None:
    with unit_of_work() as session:
        made = accounts.create_administrator(session, email="quan.tri@song.vn", name="Quản Trị")
    with unit_of_work() as session:
        root = session.scalars(select(Unit)).one()
        assert (root.name, root.kind, root.parent_id) == ("Tổ chức", "Tổ chức", None)
    assert grants_of(made.account_id) == [("administrator", root.id)]
    assert again(made.account_id).may_everywhere(next(iter(accounts.PERMISSIONS[Role.ADMINISTRATOR])))


def test_looking_at_an_account_shows_roles_that_ended_too_and_is_logged(units: Units) -> None:
    boss = somebody("Quản trị", (Role.ADMINISTRATOR, units.province))
    person = somebody("Thư")
    assert person.account_id is not None
    with clock.fixed(NOW), unit_of_work() as session:
        first = accounts.grant(session, boss, person.account_id, role=Role.SECRETARY, unit_id=units.a1)
        accounts.grant(
            session, boss, person.account_id, role=Role.CURATOR, unit_id=units.province, ends_on=date(2026, 11, 24)
        )
        accounts.revoke(session, boss, person.account_id, first)
    with clock.fixed(NOW + timedelta(days=2)), unit_of_work() as session:
        view = account_lists.view_account(session, boss, person.account_id)
        assert [(role.role, role.unit_id, role.living, role.revoked_at) for role in view.roles] == [
            (Role.CURATOR, units.province, False, None),
            (Role.SECRETARY, units.a1, False, NOW),
        ]
    with unit_of_work() as session:
        assert (
            session.scalars(select(AuditEntry.action).order_by(AuditEntry.id.desc()).limit(1)).one() == "account.viewed"
        )
