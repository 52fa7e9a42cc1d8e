"""The conversation of a sign-up: what will be done with the data, consent or another way, and the link to the page.

The form ends with the link: what happens on the page is said in the conversation later (``words``). Nothing said here
depends on the register, and only the button, or exactly its words, agrees. In a channel whose links open in any browser
one question follows: the number that the page shows.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.address import you
from core.settings import settings
from forms.definition import (
    FOLLOWING,
    AnswerError,
    Answers,
    Button,
    Context,
    Definition,
    Link,
    Next,
    Option,
    Say,
    register,
)
from forms.steps import Choice, Digits
from members import consent, sessions, signup
from members.sign_up_models import SignUp
from members.signup import words
from members.signup.record import CARD, CHECKING, CONFIRM, NUMBER, READING, REVIEW, SELFIE, STOPPED
from messaging import inbox
from messaging.models import Conversation

log = logging.getLogger(__name__)

NAME = "sign_up"
LINK_FORM = "sign_up_link"
"""Another link, and the number of its page where one is asked for."""
LINK_INTENT = "sign_up_link"
"""Carried by the button that asks for another link."""

CONSENT_PAGE = Link("Đọc toàn văn trước khi chọn", "/sign-up/consent")
SIGN_IN_PAGE = Link("Trang đăng nhập (khi đã có mã)", "/sign-in")
OWN_PAGE = Link("Trang “Của tôi”: hồ sơ, dữ liệu, yêu cầu", "/me")

AGREE, REFUSE, PERSON = "agree", "refuse", "person"

_MOMENT = timedelta(minutes=2)
"""A message whose handling was cut off is handled again within seconds."""

_STOP_BUTTON = Button("Dừng đăng ký", {"intent": "stop"})
_AGAIN_BUTTON = Button("Đăng ký", {"intent": "sign_up"})

_STANDING = {
    NUMBER: "đang chờ gõ vào đây số hiện trên trang chụp ảnh",
    CARD: "đang chờ ảnh chụp thẻ",
    READING: "máy đang đọc ảnh thẻ",
    CONFIRM: "đang chờ xem lại những gì máy đọc được trên thẻ",
    SELFIE: "đang chờ ảnh chụp khuôn mặt",
    CHECKING: "máy đang xem ảnh khuôn mặt",
}


def _prompt(_answers: Answers) -> str:
    seen = (
        "mọi đăng ký đều được xem trước khi nhận" if settings().sign_up_accepted_by == "person" else "khi máy chưa chắc"
    )
    return (
        f"Đăng ký bằng ảnh thẻ. Xin đọc trước khi chọn:\n"
        "• Chụp thẻ: máy đọc số thẻ, họ tên, ngày sinh và các mục in trên thẻ, rồi đối chiếu với danh sách của tổ chức.\n"
        "• Chụp mặt: vài ảnh, quay đầu theo lời nhắc, để máy so với ảnh in trên thẻ. Số đo khuôn mặt không được lưu.\n"
        "• Giữ bao lâu: ảnh được mã hóa và xóa ngay khi có kết quả; nếu cần người xem thì giữ nhiều nhất "
        f"{settings().ekyc_review_days} ngày.\n"
        f"• Ai xem: chỉ người được giao xét đăng ký, {seen}; mỗi lần xem đều được ghi lại.\n"
        f"• Không bắt buộc: {you()} không muốn hoặc không tiện chụp thì bí thư chi bộ xác nhận và đưa mã dùng một lần, quyền "
        "như nhau.\n"
        f"Đồng ý ở đây là đồng ý với toàn văn, gồm cả phần lưu dữ liệu khi đăng nhập. Muốn thôi lúc nào cũng được: gõ “dừng”."
    )


def _after_consent(known: Answers) -> Next:
    return FOLLOWING if known.get("numbered") else None


_CONSENT = Choice(
    name="consent",
    prompt=_prompt,
    help=(
        "Không chụp mặt cũng đăng ký được: chọn “Cách khác, không chụp ảnh”, bí thư chi bộ xác nhận và đưa mã dùng một lần. "
        "Không đồng ý thì không có gì được lưu và vẫn hỏi đáp như thường. Đồng ý rồi vẫn dừng được, ảnh đã chụp bị xóa ngay; "
        "đăng ký xong vẫn rút lại đồng ý được bất cứ lúc nào."
    ),
    reminder="Còn việc đăng ký: có đồng ý dùng ảnh thẻ và ảnh khuôn mặt như đã nói không?",
    choices=(
        Option(AGREE, "Tôi đồng ý"),
        Option(REFUSE, "Không đồng ý", ("tôi không đồng ý",)),
        Option(PERSON, "Cách khác, không chụp ảnh", ("cách khác", "không chụp ảnh", "tôi không chụp ảnh")),
    ),
    numbered=False,
    links=(CONSENT_PAGE,),
    next=_after_consent,
)

_NUMBER = Digits(
    name="number",
    count=signup.NUMBER_DIGITS,
    prompt=lambda _answers: (
        f"Trang vừa mở hiện một số gồm {signup.NUMBER_DIGITS} chữ số. {you(start=True)} gõ số ấy vào đây rồi quay lại trang chụp "
        "tiếp. Số này chỉ gõ ở đây: đừng đọc, đừng gửi cho ai, kể cả người nói là cán bộ."
    ),
    help=(
        "Số ở trang chụp ảnh cho biết trang ấy và cuộc trò chuyện này là của cùng một người, để không ai đăng ký bằng thẻ và khuôn "
        "mặt của người khác. Chưa mở trang thì bấm liên kết ở tin trên. Mất trang thì gõ “dừng”, rồi “đăng ký” để nhận liên kết khác."
    ),
    reminder="Còn việc đăng ký: số hiện trên trang chụp ảnh là số nào?",
)


def _on_start(session: Session, context: Context) -> Say | None:
    """Says where things stand when there is nothing to begin; else remembers the text that is being shown."""
    if sessions.resolve_member(session, context.conversation_id) is not None:
        return Say(f"{you(start=True)} đã đăng nhập ở đây rồi, không cần đăng ký nữa.", links=(OWN_PAGE,))
    standing = signup.standing(session, context.conversation_id)
    if standing is not None:
        return _where_it_stands(standing)
    if signup.tries_left(session, context.conversation_id) == 0:
        return Say(
            f"Hôm nay đã thử {signup.TRIES_A_DAY} lần. {you(start=True)} thử lại vào ngày mai, hoặc không cần chờ: "
            f"{_secretary()}",
            links=(SIGN_IN_PAGE,),
        )
    try:
        context.kept["text_id"] = consent.current(session, signup.PURPOSE).id
    except consent.ConsentError:  # a text was changed without a new version: nobody may agree to it
        log.exception("sign-up is closed: its consent text cannot be used")
        return Say(f"Hiện chưa đăng ký bằng ảnh được. Cách khác, không cần ảnh: {_secretary()}", links=(SIGN_IN_PAGE,))
    return None


def _where_it_stands(standing: signup.Standing) -> Say:
    if standing.state == REVIEW:
        return Say(
            f"{you(start=True)} đã gửi ảnh đăng ký, đang chờ người xem. Kết quả sẽ hiện ngay tại đây, chậm nhất ngày "
            f"{standing.ends_at.astimezone(clock.VIETNAM):%d/%m/%Y}. Không phải làm gì thêm. Muốn thôi và xóa ảnh thì gõ "
            "“dừng đăng ký”.",
            buttons=(_STOP_BUTTON,),
        )
    return Say(
        f"{you(start=True)} đang đăng ký dở: {_STANDING[standing.state]}. Mở lại trang chụp ảnh đã mở lúc trước để làm tiếp. Mất "
        "trang đó thì bấm nút (hoặc gõ “liên kết mới”) để nhận liên kết mới, liên kết cũ hết dùng được. Muốn thôi và xóa ảnh "
        "thì gõ “dừng đăng ký”.",
        buttons=(Button("Nhận liên kết mới", {"intent": LINK_INTENT}), _STOP_BUTTON),
    )


def _on_answer(session: Session, context: Context) -> Say:
    """What was chosen: the link, another way, or nothing; or the number."""
    return _numbered(session, context) if context.step == _NUMBER.name else _chosen(session, context)


def _numbered(session: Session, context: Context) -> Say:
    """The page goes on, or it is over. Errors: AnswerError (the question is put again)."""
    try:
        signup.name_number(session, context.conversation_id, context.answers[_NUMBER.name])
    except signup.NumbersUsedUpError as ended:
        return Say(str(ended), links=(SIGN_IN_PAGE,))
    except signup.SignUpError as refused:
        raise AnswerError(str(refused)) from refused
    return Say(f"Đúng rồi. {you(start=True)} quay lại trang chụp ảnh để chụp thẻ. Kết quả sẽ hiện ngay tại đây.")


def _still(session: Session, context: Context) -> bool:
    """Whether a number is waited for still: the page may have been left, or the sign-up stopped there."""
    if context.step != _NUMBER.name:
        return True
    standing = signup.standing(session, context.conversation_id)
    return standing is not None and standing.state == NUMBER


def _chosen(session: Session, context: Context) -> Say:
    context.kept["numbered"] = False
    if context.answers["consent"] != AGREE:
        signup.stop(session, context.conversation_id)  # somebody who had agreed, and came back to the question
    if context.answers["consent"] == REFUSE:
        return Say(
            f"{you(start=True)} không đồng ý, nên không có ảnh hay thông tin nào được lưu. Hỏi đáp vẫn như thường. Khi cần dùng "
            f"tên của mình mà không chụp ảnh: {_secretary()}",
            links=(SIGN_IN_PAGE,),
        )
    if context.answers["consent"] == PERSON:
        return Say(f"Không cần ảnh nào: {_secretary()} Quyền sử dụng như nhau.", links=(SIGN_IN_PAGE,))
    channel = inbox.channel_of(session, context.conversation_id)
    try:
        begun = signup.begin(
            session,
            conversation_id=context.conversation_id,
            channel=channel,
            text_id=context.kept["text_id"],
            message_key=context.message_id,
        )
    except consent.ConsentError:
        return Say(
            "Văn bản đồng ý vừa có bản mới nên lời đồng ý với bản cũ không tính, chưa có gì bắt đầu. Xin đọc bản mới: bấm nút "
            "hoặc gõ “đăng ký”.",
            buttons=(_AGAIN_BUTTON,),
            links=(CONSENT_PAGE,),
        )
    except signup.SignUpError as error:
        return Say(str(error), links=(SIGN_IN_PAGE,))
    context.kept["numbered"] = channel not in signup.OWN_BROWSER
    return _link(begun, f"Đã ghi nhận {you()} đồng ý.")


def _on_stop(session: Session, context: Context) -> Say:
    """Nothing was begun yet; a sign-up that lives all the same is stopped with it."""
    signup.stop(session, context.conversation_id)
    return Say(f"Đã dừng đăng ký, không có ảnh nào được giữ. Khi cần, {you()} cứ gõ “đăng ký”.")


def another_link(session: Session, conversation_id: uuid.UUID) -> Say | None:
    """Another link to the sign-up under way; None where a number is asked for after it (``LINK_FORM``)."""
    talk = session.get(Conversation, conversation_id)
    if talk is not None and talk.channel not in signup.OWN_BROWSER:
        return None
    try:
        begun = signup.new_link(session, conversation_id)
    except signup.SignUpError as error:
        return Say(str(error))
    return _link(begun, "Đây là liên kết mới, liên kết cũ hết dùng được.")


def _on_link(session: Session, context: Context) -> Say:
    try:
        begun = signup.new_link(session, context.conversation_id)
    except signup.SignUpError as error:
        return Say(str(error))
    say = _link(begun, "Đây là liên kết mới. Liên kết cũ hết dùng được, ảnh đã chụp ở đó đã xóa.")
    return replace(say, goes_on=True)


def stop_under_way(session: Session, conversation_id: uuid.UUID) -> Say | None:
    """Stop the sign-up under way; None when there is none. Handled again it says the same."""
    if signup.stop(session, conversation_id):
        return Say(words.stopped())
    a_moment_ago = session.scalar(
        select(SignUp.id)
        .where(
            SignUp.conversation_id == conversation_id,
            SignUp.state == STOPPED,
            SignUp.decided_at > clock.now() - _MOMENT,
        )
        .limit(1)
    )
    return Say(words.stopped()) if a_moment_ago else None


def not_stopped(session: Session, conversation_id: uuid.UUID) -> Say | None:
    """That a sign-up is under way still, and how to stop it; None when there is none."""
    standing = signup.standing(session, conversation_id)
    return _where_it_stands(standing) if standing is not None else None


def _link(begun: signup.Begun, before: str) -> Say:
    until = begun.expires_at.astimezone(clock.VIETNAM)
    return Say(
        f"{before} Bấm “Mở trang chụp thẻ” ngay trên máy này, trước {until:%H:%M}. Xin chuẩn bị thẻ, ngồi chỗ đủ sáng: chụp thẻ, "
        "xem lại những gì máy đọc được, rồi quay đầu theo lời nhắc. Kết quả sẽ hiện ngay tại đây. Muốn thôi thì gõ “dừng”.",
        links=(Link("Mở trang chụp thẻ", begun.link),),
    )


def _secretary() -> str:
    return (
        f"{you()} gặp bí thư chi bộ, đưa thẻ cho xem; bí thư xác nhận rồi đưa một mã đăng nhập (12 chữ số, dùng một lần, trong "
        f"24 giờ); {you()} gõ mã đó ở trang đăng nhập."
    )


FORM = register(
    Definition(
        name=NAME,
        version=1,
        title="đăng ký bằng ảnh thẻ",
        steps=(_CONSENT, _NUMBER),
        on_start=_on_start,
        on_answer=_on_answer,
        still=_still,
        on_stop=_on_stop,
    )
)
ANOTHER_LINK = register(
    Definition(
        name=LINK_FORM,
        version=1,
        title="đăng ký bằng ảnh thẻ",
        steps=(_NUMBER,),
        on_start=_on_link,
        on_answer=_on_answer,
        still=_still,
        on_stop=_on_stop,
    )
)
