"""The typesetter of ``members.export``: the same data as a document for people, in Roboto, which has every Vietnamese letter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from importlib.resources import as_file, files
from typing import Any

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import TTFFont

from core import clock
from members import journal, requests
from members.particulars import FIELD_NAMES, PRIVATE_FIELDS, STATUS_NAMES

LABEL = 52.0
"""Width of the column of labels, in millimetres."""
LINE = 5.6
"""Height of a line, in millimetres."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
INK, SOFT, ACCENT, RULE = (36, 27, 23), (101, 85, 73), (140, 28, 32), (199, 154, 59)
MISSING = "\ufffd"
"""Stands for a letter that the font does not have (a picture in a chat message); the JSON file has it."""

CONSENT_ACTIONS = {"given": "Đồng ý", "withdrawn": "Rút lại đồng ý"}
NAMES = {**FIELD_NAMES, "unit": "Đơn vị", "reason": "Lý do", "before": "Trước khi sửa"}
CHANNELS = {"web": "trang web", "console": "trang quản trị", "revoked": "chi bộ gỡ đăng ký"}
SIGN_UPS = {
    "accepted": "được chấp nhận",
    "rejected": "không được chấp nhận",
    "stopped": "đã dừng",
    "expired": "đã hết hạn",
}
SIGN_UPS |= dict.fromkeys(("number", "card", "reading", "confirm", "selfie", "checking"), "đang làm") | {
    "review": "chờ người xem"
}
BY = {"self": "chính mình", "system": "hệ thống", "staff": "người phụ trách"}


class _Document(FPDF):
    """A4, with the page's number at the foot."""

    def __init__(self, made: str) -> None:
        super().__init__(format="A4")
        self.made = made
        folder = files("font_roboto") / "files"
        for style, name in (("", "Roboto-Regular.ttf"), ("B", "Roboto-Bold.ttf")):
            with as_file(folder / name) as path:
                self.add_font("Roboto", style, path)
        fonts = [font for font in self.fonts.values() if isinstance(font, TTFFont)]
        self.letters = frozenset.intersection(*(frozenset(font.cmap) for font in fonts))
        self.set_margin(18)
        self.c_margin = 0
        self.set_auto_page_break(auto=True, margin=20)

    def footer(self) -> None:
        """Date and page at the foot of every page."""
        self.set_y(-14)
        self.write_styled("", 9, SOFT)
        self.cell(0, 6, self.made)
        self.set_x(self.l_margin)
        self.cell(0, 6, f"Trang {self.page_no()}/{{nb}}", align="R")

    def write_styled(self, style: str, size: float, colour: tuple[int, int, int]) -> None:
        """Choose weight, size (points) and colour of what follows."""
        self.set_font("Roboto", style, size)
        self.set_text_color(*colour)

    def plain(self, text: str) -> str:
        """*text* with a sign in the place of letters that the font lacks."""
        return "".join(letter if letter == "\n" or ord(letter) in self.letters else MISSING for letter in text)

    def block(self, text: str, *, width: float = 0, height: float = LINE) -> None:
        """A paragraph over the whole width, or *width* millimetres."""
        self.multi_cell(width, height, self.plain(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def section(self, title: str) -> None:
        """A heading, kept with what follows, listed among the bookmarks."""
        if self.will_page_break(28):
            self.add_page()
        self.ln(5)
        self.start_section(title)
        self.write_styled("B", 13, ACCENT)
        self.block(title, height=7)
        self.set_draw_color(*RULE)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())
        self.ln(2)

    def facts(self, pairs: Sequence[tuple[str, str | None]]) -> None:
        """Label and value, one under the other; what is not known is said so."""
        for label, value in pairs:
            if self.will_page_break(LINE * 2):
                self.add_page()
            top, page = self.get_y(), self.page
            self.write_styled("", 10, SOFT)
            self.multi_cell(LABEL - 3, LINE, self.plain(label), align="L", new_x=XPos.RIGHT, new_y=YPos.TOP)
            self.set_xy(self.l_margin + LABEL, top)
            self.write_styled("", 10, INK)
            self.block(value or "chưa có", width=self.w - self.r_margin - self.l_margin - LABEL)
            if self.page == page and self.get_y() < top + LINE:
                self.set_y(top + LINE)

    def entry(self, head: str, lines: Sequence[str] = ()) -> None:
        """A line that stands out, with others below it."""
        if self.will_page_break(LINE * 2):
            self.add_page()
        self.write_styled("B", 10, INK)
        self.block(head)
        self.write_styled("", 10, INK)
        for line in lines:
            if line:
                self.block(line)
        self.ln(1.5)

    def nothing(self) -> None:
        """Said in the place of an empty section."""
        self.write_styled("", 10, SOFT)
        self.block("Không có.")


def typeset(data: Mapping[str, Any]) -> bytes:
    """The PDF of ``members.export.own_data``."""
    made = f"Lập lúc {_moment(data['generated_at'])} (giờ Việt Nam)"
    page = _Document(made)
    page.set_lang("vi")
    page.set_title("Dữ liệu của tôi")
    page.set_author(str(data["organisation"]))
    page.set_creation_date(datetime.fromisoformat(data["generated_at"]))
    page.add_page()
    page.write_styled("B", 20, ACCENT)
    page.block("Dữ liệu của tôi", height=10)
    page.write_styled("", 10, SOFT)
    page.block(f"{data['register']['name']} · {made}")
    page.block(
        "Tất cả những gì Sổ tay lưu về người có tên trên đây. Tệp JSON tải ở cùng trang có đúng nội dung này, ở dạng máy đọc được."
    )
    for part in (_register, _account, _consents, _requests, _questions, _conversations, _log):
        part(page, data)
    return bytes(page.output())


def _register(page: _Document, data: Mapping[str, Any]) -> None:
    values = data["register"]
    page.section("1. Hồ sơ trong sổ")
    page.facts(
        [
            ("Họ và tên", values["name"]),
            ("Đơn vị", " / ".join(values["unit"])),
            ("Mã đơn vị", values["unit_code"]),
            ("Chức vụ", values["position"]),
            ("Tình trạng", STATUS_NAMES[values["status"]]),
            ("Miễn sinh hoạt", "có" if values["exempt"] else "không"),
            *((FIELD_NAMES[name], _value(values[name])) for name in PRIVATE_FIELDS),
            ("Đăng ký lần đầu", _moment(values["registered_at"])),
            ("Ghi vào sổ", _moment(values["created_at"])),
            ("Sửa lần cuối", _moment(values["updated_at"])),
        ]
    )
    for earlier in data["earlier_values"]:
        before = _pairs(earlier["before"]) if earlier["before"] else ["Hồ sơ do lần nhập này tạo ra."]
        page.entry(f"Trước khi nhập tệp {earlier['file']}, {_moment(earlier['imported_at'])}", before)


def _account(page: _Document, data: Mapping[str, Any]) -> None:
    page.section("2. Tài khoản, vai trò và thiết bị")
    account = data["account"]
    if account is None:
        page.nothing()
    else:
        page.facts(
            [
                ("Tên tài khoản", account["name"]),
                ("Thư điện tử", account["email"]),
                ("Mật khẩu", "có (chỉ lưu dạng băm)" if account["password"] else "không dùng"),
                ("Mã xác thực thứ hai", "có" if account["second_factor"] else "không dùng"),
                ("Đăng nhập của đơn vị", account["openid_connect"] or "không dùng"),
                ("Tạo lúc", _moment(account["created_at"])),
            ]
        )
        page.ln(2)
    for role in data["roles"]:
        ends = f", đến hết ngày {_value(role['ends_on'])}" if role["ends_on"] else ""
        revoked = f", thôi vai trò {_moment(role['revoked_at'])}" if role["revoked_at"] else ""
        page.entry(
            f"Vai trò: {role['role_name']}", [f"{role['unit']}, từ {_moment(role['granted_at'])}{ends}{revoked}"]
        )
    for row in data["sign_ins"]:
        ended = f"đã đăng xuất {_moment(row['ended_at'])}" if row["ended_at"] else "đang đăng nhập"
        page.entry(
            f"Thiết bị: {row['device']}",
            [f"Đăng nhập {_moment(row['created_at'])}, dùng lần cuối {_moment(row['last_seen_at'])}, {ended}"],
        )
    for row in data["one_time_codes"]:
        used = f"dùng {_moment(row['used_at'])}" if row["used_at"] else "không dùng"
        page.entry("Mã đăng nhập một lần", [f"Cấp {_moment(row['created_at'])}, {used}"])
    for row in data["sign_ups"]:
        erased = f", ảnh xóa {_moment(row['photos_erased_at'])}" if row["photos_erased_at"] else ""
        page.entry(
            f"Đăng ký bằng ảnh: {SIGN_UPS[row['state']]}",
            [f"Bắt đầu {_moment(row['begun_at'])}, qua {_channel(row)}{erased}"],
        )


def _consents(page: _Document, data: Mapping[str, Any]) -> None:
    page.section("3. Đồng ý")
    if not data["consents"]:
        page.nothing()
    for row in data["consents"]:
        head = f"{CONSENT_ACTIONS[row['action']]}: {row['title']} (phiên bản {row['version']})"
        page.entry(head, [f"{_moment(row['at'])}, qua {_channel(row)}", f"SHA-256 của văn bản: {row['sha256']}"])
    for title, version, body in dict.fromkeys((row["title"], row["version"], row["body"]) for row in data["consents"]):
        page.entry(f"Nguyên văn “{title}”, phiên bản {version}", [_plain_markdown(body)])


def _requests(page: _Document, data: Mapping[str, Any]) -> None:
    page.section("4. Yêu cầu về dữ liệu")
    if not data["requests"]:
        page.nothing()
    for row in data["requests"]:
        page.entry(
            f"{requests.KINDS[row['kind']]}: {requests.STATES[row['state']]}",
            [
                f"Mã biên nhận {row['receipt']}, gửi {_moment(row['created_at'])}, hạn {_moment(row['due_at'])}",
                f"Xong {_moment(row['closed_at'])}" if row["closed_at"] else "",
                row["answer"] or "",
                *_pairs(row["wanted"]),
            ],
        )


def _questions(page: _Document, data: Mapping[str, Any]) -> None:
    page.section("5. Câu hỏi đã gửi người phụ trách")
    rows = data.get("open_questions", [])
    if not rows:
        page.nothing()
    for row in rows:
        answer = f"Trả lời ngày {_value(row['answered_on'])}: {row['answer']}" if row["answer"] else "Đang chờ trả lời."
        page.entry(f"Gửi ngày {_value(row['asked_on'])}", [row["question"], answer])


def _conversations(page: _Document, data: Mapping[str, Any]) -> None:
    page.section("6. Trò chuyện")
    if not data["conversations"]:
        page.nothing()
    for conversation in data["conversations"]:
        page.entry(f"Bắt đầu {_moment(conversation['created_at'])}, qua {_channel(conversation)}")
        if conversation["messages_on_another_device"]:
            elsewhere = (
                f"{conversation['messages_on_another_device']} tin nhắn được lưu, không in ở đây: mã đăng nhập do người khác "
                "cấp nên không đủ để mở lại lời đã hỏi trên máy trước. Yêu cầu xóa dữ liệu vẫn xóa cả những tin này."
            )
            page.entry("Trên thiết bị khác", [elsewhere])
        for message in conversation["messages"]:
            who = "Tôi" if message["from"] == "member" else "Sổ tay"
            page.entry(f"{who}, {_moment(message['at'])}", [message["text"]])


def _log(page: _Document, data: Mapping[str, Any]) -> None:
    page.section("7. Nhật ký: ai đã làm gì với dữ liệu này")
    if not data["log"]:
        page.nothing()
    for row in data["log"]:
        page.entry(
            f"{journal.title(row['action'])}, {_moment(row['at'])}",
            [f"Người làm: {BY[row['by']]}", *_pairs(row["values"] or {})],
        )
    for row in data["own_actions"]:
        page.entry(
            f"Việc tôi làm trong trang quản trị: {journal.title(row['action'])}",
            [f"{row['times']} lần, từ {_moment(row['first_at'])} đến {_moment(row['last_at'])}"],
        )


def _pairs(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Nested values as lines "label: value"."""
    lines: list[str] = []
    for name, value in values.items():
        label = prefix + NAMES.get(name, name)
        if isinstance(value, Mapping):
            lines += _pairs(value, f"{label}, ")
        elif isinstance(value, bool):
            lines.append(f"{label}: {'có' if value else 'không'}")
        elif isinstance(value, str | int):
            lines.append(f"{label}: {STATUS_NAMES.get(str(value)) or _value(str(value))}")
    return lines


def _channel(row: Mapping[str, Any]) -> str:
    return CHANNELS.get(row["channel"], str(row["channel"]))


def _plain_markdown(body: str) -> str:
    """Headings without their marks, lists with dots: the texts to agree to have nothing else."""
    return "\n".join(line.removeprefix("## ").replace("- ", "• ", 1) if line.startswith(("## ", "- ")) else line
                     for line in body.splitlines())  # fmt: skip


def _moment(value: str | None) -> str | None:
    return f"{datetime.fromisoformat(value).astimezone(clock.VIETNAM):%H:%M ngày %d/%m/%Y}" if value else None


def _value(value: str | None) -> str | None:
    """Dates as people write them, everything else as it is."""
    return f"{date.fromisoformat(value):%d/%m/%Y}" if value and _DAY.fullmatch(value) else value
