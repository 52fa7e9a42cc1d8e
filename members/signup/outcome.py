"""How a sign-up ends: accepted, sent to a person, rejected, asked again, out of time; and what the member hears of it.

Everything is called with the row locked, and ends in the same unit of work: account, sign-in, consents, words in the
conversation where it began, photographs and key gone, audit.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from members import accounts, consent, sessions
from members.access import Actor
from members.models import Account, Member, SignIn, Unit
from members.sign_up_models import SignUp
from members.signup import forgetting, matching, record, words
from members.signup.record import ACCEPTED, EXPIRED, REJECTED, RETURN, REVIEW
from members.signup.words import SignUpError
from messaging import outbox
from messaging.models import OutboxMessage
from messaging.reply import Reply, Suggestion

OWN_PAGE = Suggestion(heading="Trang “Của tôi”: hồ sơ, dữ liệu, yêu cầu", url="/me")


class OutcomeError(SignUpError):
    """The member cannot be signed up like this; the message says why, to whoever reviews."""


class AlreadyUsedError(OutcomeError):
    """The member has an account already, so people decide, not a machine."""


def accept(session: Session, sign_up: SignUp, *, by: Actor | None) -> Account:
    """Sign the member up on the conversation where it began; *by* None: the machine, for somebody without account only.

    Errors: OutcomeError (conversation erased or of somebody else, account disabled, nobody of the register),
    AlreadyUsedError, StepError.
    """
    member = (
        session.get(Member, sign_up.member_id, with_for_update=True, populate_existing=True)
        if sign_up.member_id is not None
        else None
    )
    if member is None:
        raise OutcomeError("Chưa chọn người trong danh sách. Xin chọn đúng người rồi đồng ý.")
    if sign_up.conversation_id is None:
        raise OutcomeError("Cuộc trò chuyện đã được xóa nên không đăng ký được ở đó. Xin từ chối hồ sơ này.")
    account = accounts.account_of_member(session, member.id)
    if by is None and account is not None:
        raise AlreadyUsedError("Thẻ này đã có tài khoản.")
    if account is not None and account.disabled_at is not None:
        raise OutcomeError("Tài khoản của người này đang bị khóa. Xin liên hệ quản trị viên trước khi đồng ý.")
    if account is None:
        account = accounts.make_member_account(session, member)
    if _withdrawn_since(session, member, sign_up):
        raise OutcomeError(
            "Người này đã rút lại đồng ý sau khi bắt đầu đăng ký. Xin từ chối; muốn thì họ đăng ký lại từ đầu."
        )
    if sessions.was_of_another(session, sign_up.conversation_id, account.id):
        raise OutcomeError(
            "Máy này đã có người khác đăng nhập trong cùng cuộc trò chuyện. Xin đề nghị dùng máy khác, hoặc cấp mã một lần."
        )
    device = record.read(session, sign_up).device or "Đăng ký bằng ảnh"
    record.move(sign_up, ACCEPTED)
    earlier = devices(session, account.id, besides=sign_up.conversation_id)
    if member.registered_at is None:
        member.registered_at = clock.now()
        member.version += 1  # an import that made the record is no longer undone under somebody who has signed in
    sessions.start_member(
        session, account, conversation_id=sign_up.conversation_id, channel=sign_up.channel, device=device
    )
    for purpose, text_id in (("sign_up", sign_up.text_id), (consent.ACCOUNT, None)):
        consent.give_as_of(
            session, member.id, purpose=purpose, text_id=text_id, channel=sign_up.channel, at=sign_up.created_at
        )
    sign_up.unit_id, sign_up.reasons = member.unit_id, []
    forgetting.erase_photos(session, sign_up, why=ACCEPTED)
    record.note(session, "accepted", sign_up, by=_account_id(by), channel=sign_up.channel, by_machine=by is None)
    for conversation_id in earlier:
        outbox.send(session, conversation_id, [Reply(text=words.signed_out_elsewhere())])
    unit = session.get_one(Unit, member.unit_id)
    _tell(session, sign_up, Reply(text=words.accepted(member.name, unit.name), suggestions=[OWN_PAGE]))
    return account


def to_review(
    session: Session, sign_up: SignUp, reasons: Sequence[str], *, found: matching.Found | None = None
) -> None:
    """Let a person look, for *reasons* (codes) that only who reviews hears; *found*: what the register says, None: ask it.

    Errors: StepError.
    """
    record.move(sign_up, REVIEW)
    matching.connect(session, sign_up, found or matching.look_up(session, record.read(session, sign_up).fields))
    sign_up.reasons = list(dict.fromkeys(reasons))
    sign_up.poses = sign_up.poses_at = None
    record.note(session, "submitted", sign_up)
    _tell(session, sign_up, Reply(text=words.in_review()))
    tell_holder(session, sign_up)


def reject(session: Session, sign_up: SignUp, *, reason: str, by: Actor | None) -> None:
    """A person says no, for *reason* (a code of ``review.REASONS``). Errors: StepError."""
    sign_up.reasons = [reason]
    forgetting.end(session, sign_up, REJECTED)
    record.note(session, "rejected", sign_up, by=_account_id(by), reason=reason)
    _tell(session, sign_up, words.rejected())


def ask_again(session: Session, sign_up: SignUp, *, reason: str, by: Actor | None) -> None:
    """A person asks for other photographs; those that were sent go at once, and all takes are new. Errors: StepError."""
    record.move(sign_up, record.first_state(sign_up.channel))
    forgetting.begin_anew(session, sign_up, why="asked_again")
    sign_up.card_takes = sign_up.selfie_takes = 0
    sign_up.reasons, sign_up.already_used = [], False
    sign_up.submitted_at = None
    sign_up.photos_due_at = clock.now() + RETURN
    sign_up.token_hash = sign_up.browser_hash = None  # the member comes back by a new link
    record.note(session, "asked_again", sign_up, by=_account_id(by), reason=reason)
    sign_up.member_id = sign_up.unit_id = None  # the next photographs say whose card it is
    _tell(session, sign_up, Reply(text=words.asked_again(reason), choices=[words.BEGIN]))


def expire(session: Session, sign_up: SignUp) -> None:
    """Its time has passed: photographs go, and who sent some hears it. Errors: StepError."""
    in_review, sent = sign_up.state == REVIEW, sign_up.card_takes > 0
    forgetting.end(session, sign_up, EXPIRED)
    record.note(session, "expired", sign_up, in_review=in_review)
    if sent:
        _tell(session, sign_up, Reply(text=words.expired(in_review=in_review), choices=[words.BEGIN]))


def tell_revoked(session: Session, conversation_id: uuid.UUID) -> None:
    """Say in a conversation that whoever is signed in there is not the member, as the branch says, and signed out."""
    outbox.send(session, conversation_id, [Reply(text=words.revoked())])


def tell_stopped(session: Session, sign_up: SignUp) -> None:
    """Say in the conversation that the sign-up was stopped on its page."""
    _tell(session, sign_up, Reply(text=words.stopped()))


def _withdrawn_since(session: Session, member: Member, sign_up: SignUp) -> bool:
    """Whether the consent with which it began was taken back since, on another device."""
    return any(
        event.action == consent.WITHDRAWN and event.channel != consent.REVOKED and event.at >= sign_up.created_at
        for event in consent.history(session, member.id)
        if event.purpose in ("sign_up", consent.ACCOUNT)
    )


def _account_id(by: Actor | None) -> uuid.UUID | None:
    return by.account_id if by is not None else None


def _tell(session: Session, sign_up: SignUp, reply: Reply) -> None:
    """Into the conversation where it began, if that is still there."""
    if sign_up.conversation_id is not None:
        outbox.send(session, sign_up.conversation_id, [reply])


def devices(session: Session, account_id: uuid.UUID, *, besides: uuid.UUID | None = None) -> list[uuid.UUID]:
    """The conversations in which an account is signed in as a member now."""
    statement = select(SignIn.conversation_id).where(
        SignIn.account_id == account_id,
        SignIn.kind == "member",
        SignIn.ended_at.is_(None),
        SignIn.expires_at > clock.now(),
        SignIn.conversation_id.is_not(None),
    )
    found = session.scalars(statement).all()
    return sorted({conversation_id for conversation_id in found if conversation_id and conversation_id != besides})


def tell_holder(session: Session, sign_up: SignUp) -> None:
    """Where the card has an account: warn its holder, in the conversations signed in as such and nowhere else, once a day."""
    if not sign_up.already_used or sign_up.member_id is None:
        return
    session.execute(select(Member.id).where(Member.id == sign_up.member_id).with_for_update())  # of two, one warns
    account = accounts.account_of_member(session, sign_up.member_id)
    if account is None:
        return
    for conversation_id in devices(session, account.id, besides=sign_up.conversation_id):
        origin = f"sign_up_used:{conversation_id}:{clock.today()}"
        known = session.scalar(select(OutboxMessage.id).where(OutboxMessage.origin == origin))
        if known is None:
            outbox.send(session, conversation_id, [Reply(text=words.card_used_again())], origin=origin)
            record.note(session, "holder_warned", sign_up)
