"""A member's own matters: the own record, what is stored, its erasure, consent, signing in.

Who talks is what the sign-in of this conversation says (``members.sessions.resolve_member``), never the text. Private
values are not written into a chat: they are on the page "/me". Whoever is not signed in hears the same whether they
are in the register or not. Nothing changes before a button is tapped that was issued to the very sign-in.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from datetime import datetime

from sqlalchemy.orm import Session

from bot.actions.base import Said, TalkAction
from bot.actions.form_turns import worded
from bot.actions.wording import samples, you
from core import clock
from core.database import unit_of_work
from core.text import syllables
from members import register, requests, sessions
from members.access import NotVisibleError
from members.sessions import Signed
from members.signup import form
from messaging import clearing, inbox
from messaging.reply import Choice, Reply, Suggestion

OWN_PAGE = Suggestion(heading="Trang “Của tôi”: hồ sơ, dữ liệu, yêu cầu", url="/me")
SIGN_IN_PAGE = Suggestion(heading="Trang đăng nhập", url="/sign-in")

_CODE = re.compile(r"(?<!\d)\d{4}[\s.\-–—]*\d{4}[\s.\-–—]*\d{4}(?!\d)")
_WORDS_BESIDE_A_CODE = 8
"""Syllables: "mã bí thư đưa cho tôi là …"; more of them are a question with a long number in it."""


class OwnMatter(TalkAction):
    """An action that answers members who are signed in and visitors differently."""

    def reply(self, said: Said) -> Reply:
        """One unit of work: who talks, then the answer."""
        with unit_of_work() as session:
            signed = sessions.resolve_member(session, said.conversation_id)
            if signed is not None:
                try:
                    return self.to_member(session, said, signed)
                except NotVisibleError:  # the record was erased a moment ago
                    session.rollback()
            return self.to_visitor(said)

    @abstractmethod
    def to_member(self, session: Session, said: Said, signed: Signed) -> Reply:
        """The answer to somebody signed in. Errors: NotVisibleError."""

    @abstractmethod
    def to_visitor(self, said: Said) -> Reply:
        """The answer to everybody else; must not depend on the register."""


class MyProfile(OwnMatter):
    """The own record ("hồ sơ của tôi"): name and unit, which are clear in the register; the rest is on the page."""

    action = "action_my_profile"

    def to_member(self, session: Session, said: Said, signed: Signed) -> Reply:  # noqa: ARG002
        """Name and unit, and where to see and correct the rest."""
        profile = register.own_profile(session, signed.actor)
        units = " – ".join(reversed(profile.unit_names)) or profile.unit_name
        return Reply(
            text=(
                f"{you(start=True)} là {profile.name}, {units}. Để giữ kín, các mục khác của hồ sơ không ghi vào cuộc trò "
                f"chuyện: {you()} xem và đề nghị sửa ở trang “Của tôi”."
            ),
            suggestions=[OWN_PAGE],
        )

    def to_visitor(self, said: Said) -> Reply:  # noqa: ARG002
        """How to sign in."""
        return Reply(
            text=f"Muốn xem hoặc đề nghị sửa hồ sơ của mình, {you()} cần đăng nhập. {_how_to_sign_in()}",
            suggestions=[SIGN_IN_PAGE],
        )


class MyData(OwnMatter):
    """The right of access ("dữ liệu của tôi")."""

    action = "action_my_data"

    def to_member(self, session: Session, said: Said, signed: Signed) -> Reply:
        """Registers the request; the page answers it at once."""
        receipt = _request(session, said, signed, "access")
        return Reply(
            text=(
                f"{you(start=True)} xem và tải về ngay toàn bộ dữ liệu được lưu về mình (tệp JSON hoặc PDF) ở trang “Của tôi”. "
                f"Yêu cầu đã được ghi nhận, mã biên nhận {receipt.receipt}."
            ),
            suggestions=[OWN_PAGE],
        )

    def to_visitor(self, said: Said) -> Reply:  # noqa: ARG002
        """What a conversation without a name keeps."""
        return Reply(
            text=(
                f"Ở đây chưa có ai đăng nhập nên Sổ tay không biết {you()} là ai. Cuộc trò chuyện này chỉ lưu các câu {you()} "
                f"đã gõ, câu trả lời và ngày giờ; câu hỏi {you()} đã bấm gửi cho người phụ trách thì không kèm tên. Muốn xóa, "
                f"{you()} bấm nút dưới đây. Muốn xem dữ liệu lưu theo tên mình, {you()} cần đăng nhập."
            ),
            choices=[_erase_conversation_button()],
            suggestions=[SIGN_IN_PAGE],
        )


class EraseMyData(OwnMatter):
    """The right of erasure ("xóa dữ liệu của tôi"): explains; nothing happens before the tap."""

    action = "action_erase_my_data"

    def to_member(self, session: Session, said: Said, signed: Signed) -> Reply:  # noqa: ARG002
        """What goes, what may stay and why, how long it takes."""
        return Reply(
            text=(
                f"Khi {you()} gửi yêu cầu xóa, người phụ trách giải quyết trong 2 ngày làm việc: hồ sơ, tài khoản, các cuộc trò "
                f"chuyện và câu hỏi đã gửi của {you()} bị xóa hẳn, không lấy lại được. Phần nào tổ chức phải giữ theo trách "
                f"nhiệm của mình (như danh sách của tổ chức) thì {you()} được trả lời rõ lý do. {you(start=True)} nhận ngay mã "
                f"biên nhận. Chưa có gì bị xóa cho đến khi {you()} bấm nút."
            ),
            choices=[
                Choice(title="Gửi yêu cầu xóa dữ liệu", payload=_bound("confirm_erasure", signed)),
                _erase_conversation_button("Chỉ xóa cuộc trò chuyện này"),
                _cancel_button(),
            ],
        )

    def to_visitor(self, said: Said) -> Reply:  # noqa: ARG002
        """A conversation without a name can be erased at once."""
        return Reply(
            text=(
                f"Ở đây chưa có ai đăng nhập. {you(start=True)} xóa được ngay cuộc trò chuyện này, kể cả câu hỏi đã gửi cho người "
                f"phụ trách từ đây. Muốn xóa dữ liệu lưu theo tên mình, {you()} cần đăng nhập trước."
            ),
            choices=[_erase_conversation_button(), _cancel_button()],
            suggestions=[SIGN_IN_PAGE],
        )


class ConfirmErasure(OwnMatter):
    """The button below the explanation of an erasure."""

    action = "action_confirm_erasure"

    def to_member(self, session: Session, said: Said, signed: Signed) -> Reply:
        """Opens the request; the same tap handled twice is one request."""
        if not _is_bound(said, signed):
            return EraseMyData().to_member(session, said, signed)
        receipt = _request(session, said, signed, "erasure")
        return Reply(
            text=(
                f"Đã nhận yêu cầu xóa dữ liệu của {you()}. Mã biên nhận: {receipt.receipt}. Xin ghi lại mã này để xem kết quả. "
                f"Người phụ trách giải quyết chậm nhất ngày {_day(receipt.due_at)}; sau khi xóa xong, cuộc trò chuyện này "
                "cũng không còn."
            ),
            suggestions=[
                Suggestion(heading=f"Xem kết quả yêu cầu {receipt.receipt}", url=f"/receipts/{receipt.receipt}")
            ],
        )

    def to_visitor(self, said: Said) -> Reply:
        """Signed out meanwhile: what a visitor can do."""
        return EraseMyData().to_visitor(said)


class WithdrawConsent(OwnMatter):
    """Withdrawal ("rút lại đồng ý"): says what follows; nothing happens before the tap."""

    action = "action_withdraw_consent"

    def to_member(self, session: Session, said: Said, signed: Signed) -> Reply:  # noqa: ARG002
        """What follows from withdrawing."""
        return Reply(
            text=(
                f"Rút lại đồng ý xong, mọi máy của {you()} được đăng xuất ngay và {you()} không còn tính là đã đăng ký; việc đã "
                f"làm trước đó vẫn hợp lệ. {you(start=True)} vẫn hỏi đáp được như thường, không kèm tên. Rút lại đồng ý chưa phải "
                "là xóa: muốn xóa dữ liệu thì gõ “xóa dữ liệu của tôi” trước khi rút."
            ),
            choices=[
                Choice(title="Rút lại đồng ý", payload=_bound("confirm_withdrawal", signed)),
                _cancel_button("Thôi, giữ như cũ"),
            ],
        )

    def to_visitor(self, said: Said) -> Reply:
        """There is nothing to withdraw here, but what was agreed to for a sign-up under way: it stops."""
        with unit_of_work() as session:
            under_way = form.not_stopped(session, said.conversation_id)
        if under_way is not None:
            reply = worded(under_way)
            before = "Rút lại đồng ý dùng ảnh là dừng đăng ký; ảnh đã gửi bị xóa ngay."
            return reply.model_copy(update={"text": f"{before} {reply.text}"})
        return Reply(
            text=(
                f"Ở đây chưa có ai đăng nhập, nên không có sự đồng ý nào để rút lại: hỏi đáp không kèm tên thì {you()} không phải "
                f"đồng ý điều gì. Nếu {you()} đã đồng ý khi đăng nhập trên máy khác, xin rút lại trên máy đó, hoặc đăng nhập "
                "ở đây trước."
            ),
            suggestions=[SIGN_IN_PAGE],
        )


class ConfirmWithdrawal(OwnMatter):
    """The button below the explanation of a withdrawal."""

    action = "action_confirm_withdrawal"

    def reply(self, said: Said) -> Reply:
        """As for others; the tap that withdrew signs out, so handled again it must not look like a visitor's."""
        with unit_of_work() as session:
            known = requests.receipt_of_message(session, _message_key(said))
        return self._done(known) if known is not None else super().reply(said)

    def to_member(self, session: Session, said: Said, signed: Signed) -> Reply:
        """Registers the withdrawal, which takes effect at once."""
        if not _is_bound(said, signed):
            return WithdrawConsent().to_member(session, said, signed)
        return self._done(_request(session, said, signed, "withdrawal"))

    def to_visitor(self, said: Said) -> Reply:
        """Signed out meanwhile."""
        return WithdrawConsent().to_visitor(said)

    def _done(self, receipt: requests.Receipt) -> Reply:
        return Reply(
            text=(
                f"Đã rút lại đồng ý và đăng xuất mọi máy của {you()}. Mã biên nhận: {receipt.receipt}. {you(start=True)} vẫn hỏi "
                "đáp được như thường, không kèm tên. Muốn xóa cả những gì đã nói ở đây thì bấm nút dưới đây."
            ),
            choices=[_erase_conversation_button()],
        )


class EraseConversation(TalkAction):
    """The button that offers to erase this conversation: asks once more."""

    action = "action_erase_conversation"

    def reply(self, said: Said) -> Reply:  # noqa: ARG002
        """What goes with it."""
        return Reply(
            text=(
                f"Xóa hết những gì đã nói trong cuộc trò chuyện này, kể cả câu hỏi {you()} đã gửi cho người phụ trách từ đây? Xóa "
                "rồi thì không lấy lại được, và câu trả lời đang chờ cũng không đến nữa."
            ),
            choices=[
                Choice(title="Xóa cuộc trò chuyện", payload={"intent": "confirm_erase_conversation"}),
                _cancel_button(),
            ],
        )


class ConfirmEraseConversation(TalkAction):
    """The second tap: everything but this last exchange goes."""

    action = "action_confirm_erase_conversation"

    def reply(self, said: Said) -> Reply:
        """Erases, and lets open pages drop what they show."""
        if said.payload.get("intent") != "confirm_erase_conversation":
            return EraseConversation().reply(said)
        with unit_of_work() as session:
            clearing.clear(session, said.conversation_id, asked_in=said.message_id)
        return Reply(
            text=f"Đã xóa cuộc trò chuyện. Chỉ còn lời xác nhận này. {you(start=True)} cứ hỏi tiếp khi cần.",
            choices=samples(),
            clears=True,
        )


class Cancel(TalkAction):
    """The button that leaves everything as it is."""

    action = "action_cancel"

    def reply(self, said: Said) -> Reply:  # noqa: ARG002
        """Nothing was changed."""
        return Reply(text=f"Đã thôi, không có gì thay đổi. {you(start=True)} cứ hỏi tiếp khi cần.")


class SignIn(OwnMatter):
    """Signing in ("đăng nhập"), a code at hand, another phone."""

    action = "action_sign_in"

    def reply(self, said: Said) -> Reply:
        """A code typed here is not redeemed: it belongs on the page."""
        return code_typed(said.text) or super().reply(said)

    def to_member(self, session: Session, said: Said, signed: Signed) -> Reply:  # noqa: ARG002
        """As whom, and what a new code does."""
        profile = register.own_profile(session, signed.actor)
        return Reply(
            text=(
                f"{you(start=True)} đang đăng nhập ở đây với tên {profile.name}. Khi đổi điện thoại, {you()} xin bí thư chi bộ mã mới "
                "rồi nhập ở trang đăng nhập trên máy mới; lúc đó máy này được đăng xuất. Muốn đăng xuất ngay thì vào trang "
                "“Của tôi”."
            ),
            suggestions=[OWN_PAGE],
        )

    def to_visitor(self, said: Said) -> Reply:  # noqa: ARG002
        """Where, and how to get a code."""
        return Reply(
            text=(
                f"{_how_to_sign_in()} Đổi điện thoại cũng làm như vậy trên máy mới. Hỏi đáp về điều lệ, quy chế thì không cần "
                "đăng nhập."
            ),
            suggestions=[SIGN_IN_PAGE],
        )


PHRASES: dict[str, type[TalkAction]] = {
    "ho so cua toi": MyProfile,
    "ho so cua minh": MyProfile,
    "xem ho so cua toi": MyProfile,
    "thong tin cua toi": MyProfile,
    "du lieu cua toi": MyData,
    "du lieu cua minh": MyData,
    "xem du lieu cua toi": MyData,
    "xoa du lieu": EraseMyData,
    "xoa du lieu cua toi": EraseMyData,
    "xoa cuoc tro chuyen": EraseMyData,
    "rut dong y": WithdrawConsent,
    "rut lai dong y": WithdrawConsent,
    "rut lai su dong y": WithdrawConsent,
    "dang nhap": SignIn,
    "toi co ma": SignIn,
    "doi dien thoai": SignIn,
}
"""Folded. What is understood without the engine: the words that our own pages and texts tell people to type."""


def code_typed(text: str) -> Reply | None:
    """The answer to a one-time code (12 digits) typed into the chat; None when *text* is something else."""
    beside, found = _CODE.subn(" ", text)
    if not found or len(syllables(beside)) > _WORDS_BESIDE_A_CODE:
        return None
    return Reply(
        text=(
            f"Nếu đây là mã đăng nhập, xin {you()} nhập ở trang đăng nhập, không gõ vào cuộc trò chuyện: gõ ở đây thì mã không "
            "được dùng đến. Xin cũng đừng gõ số căn cước hay số thẻ vào đây."
        ),
        suggestions=[SIGN_IN_PAGE],
    )


def _how_to_sign_in() -> str:
    return (
        f"{you(start=True)} xin bí thư chi bộ một mã đăng nhập (12 chữ số, dùng một lần, trong 24 giờ), rồi mở trang đăng nhập "
        "và gõ mã vào đó."
    )


def _request(session: Session, said: Said, signed: Signed, kind: str) -> requests.Receipt:
    channel = inbox.channel_of(session, said.conversation_id)
    return requests.open_request(session, signed.actor, kind=kind, channel=channel, message_key=_message_key(said))


def _message_key(said: Said) -> str:
    return f"{said.conversation_id} {said.message_id}"


def _bound(intent: str, signed: Signed) -> dict[str, str]:
    """A payload that counts for this sign-in only: on a shared phone the next one must not confirm it."""
    return {"intent": intent, "sign_in": str(signed.sign_in_id)}


def _is_bound(said: Said, signed: Signed) -> bool:
    return said.payload.get("sign_in") == str(signed.sign_in_id)


def _erase_conversation_button(title: str = "Xóa cuộc trò chuyện này") -> Choice:
    return Choice(title=title, payload={"intent": "erase_conversation"})


def _cancel_button(title: str = "Thôi, không xóa") -> Choice:
    return Choice(title=title, payload={"intent": "cancel"})


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(clock.VIETNAM):%d/%m/%Y}"
