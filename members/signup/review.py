"""The verdicts on sign-ups that a person looks at: accepted, rejected, asked for again; and whose card it is.

Without a face taken live, the pictures show that somebody had the card (or a picture of it), not who: then only what was
verified otherwise, by a call or face to face, accepts.

Photographs never accept anybody by themselves when the machine doubts: whoever answers for the member's unit looks. A card
that has an account already needs two people: the first acceptance is noted, the second one by another account accepts. One
rejection rejects. Nobody reviews the own sign-up. After the decision photographs and readings are gone; what stays is who
decided what, and why.
"""

from __future__ import annotations

import uuid

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core import clock
from members import accounts
from members.access import Actor, NotVisibleError, Permission, access_member
from members.listing import MemberPage, list_members
from members.models import Member
from members.sign_up_models import SignUp, SignUpReview
from members.signup import outcome, record
from members.signup.looking import (
    ACCEPT,
    AGAIN,
    REJECT,
    SOON,
    Counts,
    DecidedError,
    QueuePage,
    ReviewError,
    SignUpView,
    counts,
    photo,
    queue,
    seen_of,
    view,
    waiting,
)

__all__ = [
    "REASONS", "SOON", "Counts", "DecidedError", "QueuePage", "ReviewError", "SignUpView", "accept", "accept_reasons",
    "ask_again",
    "choose_member", "counts", "find_members", "photo", "queue", "reject", "view", "waiting",
]  # fmt: skip

OTHERWISE = "confirmed_otherwise"

REASONS: dict[str, dict[str, str]] = {
    ACCEPT: {
        "same_person": "Đúng người trên thẻ, thẻ khớp với sổ",
        OTHERWISE: "Đã xác minh thêm (gọi điện, gặp trực tiếp)",
        "register_outdated": "Đúng người; sổ hoặc thẻ có chỗ cần sửa sau",
    },
    REJECT: {
        "other_person": "Khuôn mặt không phải người trên thẻ",
        "not_a_card": "Ảnh không phải thẻ của tổ chức",
        "altered_card": "Thẻ có dấu hiệu bị sửa, ghép",
        "picture_of_picture": "Chụp lại từ màn hình hoặc bản in",
        "not_in_register": "Không có người này trong sổ",
        "not_the_holder": "Thẻ đã có tài khoản, không xác minh được là chính chủ",
    },
    AGAIN: {
        "card_unclear": "Ảnh thẻ mờ, lóa hoặc bị che",
        "card_cut": "Ảnh thẻ thiếu góc",
        "face_unclear": "Ảnh khuôn mặt mờ hoặc tối",
        "face_covered": "Khuôn mặt bị che (khẩu trang, kính đen, mũ)",
        "several_faces": "Có nhiều người trong ảnh",
    },
}
"""Verdict → code → words for those who review. What the member hears is chosen by ``outcome`` and names nothing of the register."""


def accept_reasons(*, live: bool | None) -> dict[str, str]:
    """What may be said for an acceptance; *live* as in ``looking.Face``."""
    return REASONS[ACCEPT] if live else {OTHERWISE: REASONS[ACCEPT][OTHERWISE]}


PROPOSED = 20
"""People whom a search for the right one shows."""


def find_members(session: Session, actor: Actor, sign_up_id: uuid.UUID, *, q: str) -> MemberPage:
    """People whom the card may belong to, where *actor* reviews: by words of the name, or a whole number.

    Errors: NotVisibleError, DecidedError, ReviewError (nothing to search for).
    """
    waiting(session, actor, sign_up_id)
    if not q.strip():
        raise ReviewError("Xin gõ họ tên, hoặc đủ 8 chữ số của số thẻ.")
    return list_members(session, actor, q=q[:200], size=PROPOSED, permission=Permission.REVIEW_SIGN_UPS)


def choose_member(session: Session, actor: Actor, sign_up_id: uuid.UUID, member_id: uuid.UUID) -> None:
    """Say whose card it is; acceptances so far were about somebody else and no longer count.

    Errors: NotVisibleError (one of them), DecidedError, ReviewError (oneself).
    """
    row = waiting(session, actor, sign_up_id)
    member = access_member(session, actor, member_id, Permission.REVIEW_SIGN_UPS)
    if member.id == actor.member_id:
        raise ReviewError("Không ai tự xét cho mình. Xin để người khác xét hồ sơ này.")
    row.member_id, row.unit_id = member.id, member.unit_id
    row.already_used = accounts.account_of_member(session, member.id) is not None
    outcome.tell_holder(session, row)
    session.execute(delete(SignUpReview).where(SignUpReview.sign_up_id == row.id, SignUpReview.verdict == ACCEPT))
    session.flush()
    record.note(session, "member_chosen", row, by=actor.account_id)


def accept(session: Session, actor: Actor, sign_up_id: uuid.UUID, *, reason: str, seen: str) -> bool:
    """Accept what was shown (``Open.seen``): True, the member is signed up; False, noted, a second person must agree.

    Errors: NotVisibleError, DecidedError, ReviewError, outcome's own (the member cannot be signed up any more).
    """
    row = waiting(session, actor, sign_up_id)
    _check(ACCEPT, reason)
    member = session.get(Member, row.member_id, with_for_update=True) if row.member_id is not None else None
    if member is None:
        raise ReviewError("Xin tìm và chọn đúng người trong sổ trước khi đồng ý.")
    if seen != seen_of(session, row, member):
        raise ReviewError("Hồ sơ hoặc sổ vừa có thay đổi. Xin xem lại rồi quyết định.")
    if reason not in accept_reasons(live=record.read(session, row).live):
        raise ReviewError(
            "Không có ảnh khuôn mặt chụp trực tiếp, nên ảnh chưa chứng minh ai đang cầm máy. Xin gọi điện hoặc gặp người ấy, "
            f"rồi chọn “{REASONS[ACCEPT][OTHERWISE]}”; không xác minh được thì từ chối."
        )
    earlier = set(
        session.scalars(
            select(SignUpReview.account_id).where(
                SignUpReview.sign_up_id == row.id,
                SignUpReview.verdict == ACCEPT,
                SignUpReview.account_id.is_not(None),
            )
        )
    )
    if actor.account_id in earlier:
        raise ReviewError("Đã ghi nhận sự đồng ý này. Cần thêm một người khác xem và đồng ý.")
    with session.begin_nested():  # a verdict that cannot be carried out is none
        _say(session, actor, row, ACCEPT, reason)
        if row.already_used and not earlier:
            record.note(session, "first_accepted", row, by=actor.account_id, reason=reason)
            return False
        outcome.accept(session, row, by=actor)
    return True


def reject(session: Session, actor: Actor, sign_up_id: uuid.UUID, *, reason: str) -> None:
    """Reject; one person is enough. Errors: NotVisibleError, DecidedError, ReviewError."""
    row = waiting(session, actor, sign_up_id)
    _check(REJECT, reason)
    _say(session, actor, row, REJECT, reason)
    outcome.reject(session, row, reason=reason, by=actor)


def ask_again(session: Session, actor: Actor, sign_up_id: uuid.UUID, *, reason: str) -> None:
    """Ask the member for better photographs; what others said about these no longer counts.

    Errors: NotVisibleError, DecidedError, ReviewError.
    """
    row = waiting(session, actor, sign_up_id)
    _check(AGAIN, reason)
    session.execute(delete(SignUpReview).where(SignUpReview.sign_up_id == row.id))
    _say(session, actor, row, AGAIN, reason)
    outcome.ask_again(session, row, reason=reason, by=actor)


def _check(verdict: str, reason: str) -> None:
    if reason not in REASONS[verdict]:
        raise ReviewError("Xin chọn lý do.")


def _say(session: Session, actor: Actor, row: SignUp, verdict: str, reason: str) -> None:
    if actor.account_id is None:  # a verdict is somebody's, never the installation's
        raise NotVisibleError
    session.execute(
        delete(SignUpReview).where(SignUpReview.sign_up_id == row.id, SignUpReview.account_id == actor.account_id)
    )
    session.add(
        SignUpReview(sign_up_id=row.id, account_id=actor.account_id, verdict=verdict, reason=reason, at=clock.now())
    )
    session.flush()
