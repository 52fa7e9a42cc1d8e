"""The pages of a sign-up by photographs, without a browser: who gets in, what each step shows, what is refused."""

from __future__ import annotations

import io
import re
import tempfile
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image as Pillow
from sqlalchemy import select

from admin.limits import MAX_PHOTOS
from core import clock
from core.database import unit_of_work
from ekyc.results import Pose, Reason
from members import consent, limiting, signup
from members.sign_up_models import SignUp, SignUpPhoto
from members.signup import record, starting
from messaging import cookies, inbox
from sotay.app import create_app
from web import sign_up, sign_up_words
from web.base import STATIC
from web.security import HEADERS

pytestmark = pytest.mark.usefixtures("database")

READ = {
    "card_number": "12345678",
    "full_name": "Nguyễn Thị Hoàng Yến",
    "date_of_birth": "1965-09-05",
    "home_town": None,
    "joined_on": None,
    "official_on": None,
    "issuer": None,
    "issued_on": None,
}
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def app() -> Any:
    return create_app()


@pytest.fixture(autouse=True)
def _no_attempts_yet() -> Iterator[None]:
    limiting.attempts.clear()
    yield
    limiting.attempts.clear()


def picture(size: tuple[int, int] = (320, 240)) -> bytes:
    """A photograph of nothing in particular."""
    pixels = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    content = io.BytesIO()
    Pillow.fromarray(pixels).save(content, "JPEG")
    return content.getvalue()


class Phone:
    """A browser that began a sign-up in the chat; ``link`` is what the chat gave it."""

    def __init__(self, app: Any, *, channel: str = "web", **options: Any) -> None:
        self.client = TestClient(app, follow_redirects=False, **options)
        token = cookies.new_token()
        self.client.cookies.set(cookies.COOKIE, token, domain="testserver.local", path="/")
        external_id = cookies.external_id(token) if channel == "web" else uuid.uuid4().hex
        with unit_of_work() as work:
            talk = inbox.open_conversation(work, channel=channel, external_id=external_id)
            self.conversation_id = talk.id
            begun = signup.begin(
                work,
                conversation_id=talk.id,
                channel=channel,
                text_id=consent.current(work, "sign_up").id,
                message_key="1",
            )
        self.link, self.sign_up_id = begun.link, begun.sign_up_id
        self.token = begun.link.removeprefix("/sign-up/")

    def open(self, token: str | None = None) -> Any:
        return self.client.post("/sign-up/open", data={"token": token or self.token})

    def page(self) -> Any:
        return self.client.get("/sign-up")

    def csrf(self) -> str:
        found = re.search(r'data-csrf="([^"]+)"', self.page().text)
        return found[1] if found else ""

    def post(self, step: str, data: dict[str, Any] | None = None, **options: Any) -> Any:
        return self.client.post(f"/sign-up/{step}", data={"csrf": self.csrf(), **(data or {})}, **options)

    def stand(self, state: str, *, reasons: tuple[str, ...] = ()) -> None:
        """Put the sign-up where a job would have put it."""
        with unit_of_work() as work:
            row = record.locked(work, self.sign_up_id)
            row.state, row.reasons = state, list(reasons)
            row.decided_at = clock.now() if state in record.ENDED else None
            if state == "confirm":
                record.change(work, row, fields=READ)

    def state(self) -> str:
        with unit_of_work() as work:
            return work.get_one(SignUp, self.sign_up_id).state


@pytest.fixture
def phone(app: Any) -> Phone:
    return Phone(app)


@pytest.fixture
def opened(phone: Phone) -> Phone:
    assert phone.open().status_code == 303
    return phone


def bound_browser(sign_up_id: uuid.UUID) -> bytes | None:
    with unit_of_work() as work:
        return work.get_one(SignUp, sign_up_id).browser_hash


# The link


def test_looking_at_the_link_does_not_use_it(app: Any, phone: Phone) -> None:
    preview = TestClient(app, follow_redirects=False)
    for client in (preview, preview, phone.client):
        shown = client.get(phone.link)
        assert (shown.status_code, shown.headers["Cache-Control"]) == (200, "no-store")
        assert sign_up.COOKIE not in shown.headers.get("Set-Cookie", "")
    assert phone.client.head(phone.link).status_code == 200
    assert bound_browser(phone.sign_up_id) is None
    assert "Bắt đầu trên máy này" in shown.text
    assert "Chỉ tiếp tục nếu chính đồng chí vừa xin đăng ký" in shown.text


def test_the_button_binds_the_browser_and_the_address_loses_the_token(phone: Phone) -> None:
    answer = phone.open()
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-up")
    [cookie] = [line for line in answer.headers.get_list("set-cookie") if line.startswith(sign_up.COOKIE)]
    assert re.fullmatch(
        r'sotay_sign_up="?[0-9a-f-]{36}\.[\w-]{43}"?; HttpOnly; Max-Age=604800; Path=/sign-up; SameSite=lax', cookie
    )
    page = phone.page()
    assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-store")
    assert 'data-state="card"' in page.text
    assert phone.token not in page.text


def test_over_tls_the_cookie_is_secure(app: Any) -> None:
    phone = Phone(app, base_url="https://testserver")
    [cookie] = [line for line in phone.open().headers.get_list("set-cookie") if line.startswith(sign_up.COOKIE)]
    assert "Secure" in cookie.split("; ")


def test_the_same_browser_opens_the_link_again_and_goes_on(opened: Phone) -> None:
    opened.stand("selfie")
    assert opened.open().status_code == 303
    assert 'data-state="selfie"' in opened.page().text


def test_another_browser_does_not_get_in(app: Any, opened: Phone) -> None:
    other = TestClient(app, follow_redirects=False)
    answer = other.post("/sign-up/open", data={"token": opened.token})
    assert answer.status_code == 410
    assert "chỉ mở được trên máy" in answer.text
    assert other.get("/sign-up").status_code == 403
    assert 'data-state="card"' in opened.page().text


def test_a_link_of_the_web_chat_needs_the_browser_of_that_chat(app: Any, phone: Phone) -> None:
    other = TestClient(app, follow_redirects=False)
    assert other.post("/sign-up/open", data={"token": phone.token}).status_code == 410
    assert bound_browser(phone.sign_up_id) is None
    assert phone.open().status_code == 303


def test_a_link_of_another_channel_opens_in_any_one_browser(app: Any) -> None:
    phone = Phone(app, channel="telegram")
    first, second = (TestClient(app, follow_redirects=False) for _ in range(2))
    answers = [client.post("/sign-up/open", data={"token": phone.token}).status_code for client in (first, second)]
    assert answers == [303, 410]
    assert first.get("/sign-up").status_code == 200


def test_the_chat_gets_a_new_cookie_so_that_nobody_else_is_in_it(phone: Phone) -> None:
    before = phone.client.cookies[cookies.COOKIE]
    phone.open()
    after = phone.client.cookies[cookies.COOKIE]
    assert after != before
    with unit_of_work() as work:
        found = inbox.find_conversation(work, channel="web", external_id=cookies.external_id(after))
        assert found is not None
        assert found.id == phone.conversation_id
        assert inbox.find_conversation(work, channel="web", external_id=cookies.external_id(before)) is None


def test_a_late_link_an_ended_one_and_an_unknown_one_say_so(app: Any) -> None:
    phone = Phone(app)
    with clock.fixed(clock.now() + timedelta(minutes=31)):
        assert "hết hạn" in phone.open().text
    phone.stand("stopped")
    assert "đã kết thúc" in phone.open().text
    unknown = phone.open("x" * 43)
    assert unknown.status_code == 410
    assert "không đúng hoặc đã được thay" in unknown.text
    assert phone.client.get("/sign-up/abc").status_code == 404
    assert phone.open("đ" * 43).status_code == 404


def test_links_of_one_address_are_limited(phone: Phone) -> None:
    allowed = sign_up.PER_ADDRESS.amount
    answers = [phone.open("x" * 43).status_code for _ in range(allowed + 1)]
    assert answers == [410] * allowed + [429]


def test_inside_another_application_the_page_advises_to_leave_it(phone: Phone) -> None:
    assert "Mở bằng trình duyệt" not in phone.client.get(phone.link).text
    agent = {"User-Agent": "Mozilla/5.0 (Linux; Android 9; SM-J330F; wv) Chrome/88.0 Mobile Zalo android"}
    assert "Mở bằng trình duyệt" in phone.client.get(phone.link, headers=agent).text


def test_without_a_link_the_page_says_where_to_begin(app: Any) -> None:
    client = TestClient(app, follow_redirects=False)
    page = client.get("/sign-up")
    assert page.status_code == 403
    assert "nhắn “đăng ký”" in page.text
    assert "/sign-in" in page.text
    for cookie in ("", "x", f"{uuid.uuid4()}.{'a' * 43}", f"{uuid.uuid4()}.", "." * 50):
        client.cookies.set(sign_up.COOKIE, cookie, domain="testserver.local", path="/sign-up")
        assert client.get("/sign-up/status", headers=JSON).status_code == 403
    assert client.post("/sign-up/stop", data={"csrf": "x"}).headers["Location"] == "/sign-up"


def test_a_browser_whose_sign_up_is_gone_is_sent_to_the_conversation(opened: Phone) -> None:
    with unit_of_work() as work:
        record.locked(work, opened.sign_up_id).browser_hash = None  # as when other photographs are asked for
    page = opened.page()
    assert (page.status_code, page.headers["Cache-Control"]) == (403, "no-store")
    assert '<h1 id="heading" tabindex="-1">Xem kết quả trong cuộc trò chuyện</h1>' in page.text
    assert sign_up.NO_LONGER_BOUND in page.text
    assert sign_up.FIRST not in page.text


def test_a_sign_up_whose_time_has_passed_is_shown_as_ended_before_the_job_comes(opened: Phone) -> None:
    opened.stand("confirm")
    with clock.fixed(clock.now() + timedelta(minutes=31)):
        page = opened.page()
        assert 'data-state="expired"' in page.text
        assert READ["full_name"] not in page.text
        assert opened.client.get("/sign-up/status").json() == {"state": "expired"}
        late = opened.post("card", files={"photo": ("a.jpg", picture())})
        assert (late.status_code, 'data-state="expired"' in late.text) == (409, True)
    assert opened.state() == "confirm"


def test_elsewhere_the_page_shows_the_number_that_the_conversation_is_to_name(app: Any) -> None:
    phone = Phone(app, channel="telegram")
    phone.open()
    page = phone.page().text
    [number] = re.findall(r'<span class="unseen">((?:\d ){5}\d)</span>', page)
    assert f'<span aria-hidden="true">{number[0:6:2]} {number[6::2]}</span>' in page
    assert ('data-state="number"' in page, 'type="file"' in page) == (True, False)
    assert phone.post("card", files={"photo": ("a.jpg", picture())}).status_code == 409
    with unit_of_work() as work:
        starting.name_number(work, phone.conversation_id, number.replace(" ", ""))
    page = phone.page().text
    assert ('data-state="card"' in page, number in page) == (True, False)


# Forms


@pytest.mark.parametrize("step", ["card", "reading", "challenge", "frames", "selfie", "person", "stop"])
def test_a_form_without_the_token_or_from_elsewhere_changes_nothing(opened: Phone, step: str) -> None:
    opened.stand("confirm")
    files = {"photo": ("a.jpg", picture())}
    elsewhere = opened.post(step, files=files, headers={"Sec-Fetch-Site": "cross-site"})
    forged = [opened.post(step, {"csrf": csrf}, files=files) for csrf in ("", "x", "đ")]
    missing = opened.client.post(f"/sign-up/{step}")
    assert [answer.status_code for answer in (elsewhere, *forged, missing)] == [403] * 5
    assert opened.state() == "confirm"


def test_the_token_of_one_browser_does_not_fit_another(app: Any, opened: Phone) -> None:
    other = Phone(app)
    other.open()
    assert opened.post("stop", {"csrf": other.csrf()}).status_code == 403
    assert (opened.state(), other.state()) == ("card", "card")


# The steps


def test_a_card_is_taken_and_kept_sealed(opened: Phone) -> None:
    answer = opened.post("card", files={"photo": ("the.jpg", picture())})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-up")
    assert opened.state() == "reading"
    with unit_of_work() as work:
        [photo] = work.scalars(select(SignUpPhoto)).all()
        assert (photo.kind, photo.sealed[:3] == b"\xff\xd8\xff") == ("card", False)
    page = opened.page().text
    assert '<noscript><meta http-equiv="refresh" content="3; url=/sign-up"></noscript>' in page
    assert "Máy đang đọc chữ trên thẻ" in page
    assert opened.client.get("/sign-up/status").json() == {"state": "reading"}


def test_a_file_that_is_no_photograph_is_refused_in_words(opened: Phone) -> None:
    for content, words in ((b"", "Chưa chọn ảnh"), (b"GIF89a", "không phải ảnh"), (picture((20, 20)), "quá nhỏ")):
        answer = opened.post("card", files={"photo": ("the.jpg", content)})
        assert answer.status_code == 409
        assert f'role="alert">{words}' in answer.text or words in answer.text
        assert 'data-state="card"' in answer.text
    assert opened.post("card").status_code == 409
    refused = opened.post("card", files={"photo": ("the.jpg", b"GIF89a")}, headers=JSON)
    assert refused.status_code == 409
    assert "không phải ảnh" in refused.json()["error"]
    assert opened.state() == "card"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        b"--x\r\nno header\r\n\r\n",
        b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n",
        b"\0" * 100,
    ],
)
def test_a_broken_form_is_refused(opened: Phone, body: bytes) -> None:
    for kind in ("multipart/form-data; boundary=x", "multipart/form-data"):
        answer = opened.client.post("/sign-up/card", content=body, headers={"Content-Type": kind})
        assert answer.status_code in (400, 403)
    assert opened.state() == "card"


def test_photographs_never_touch_the_disk(opened: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a file on the disk")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    content = picture((1700, 1300))
    assert len(content) > 1 << 20
    assert opened.post("card", files={"photo": ("the.jpg", content)}).status_code == 303


def test_only_the_browser_of_a_sign_up_may_send_a_large_body(app: Any, opened: Phone) -> None:
    large = picture() + b"\0" * (2 << 20)
    stranger = TestClient(app, follow_redirects=False)
    assert stranger.post("/sign-up/card", files={"photo": ("a.jpg", large)}).status_code == 413
    assert opened.post("card", files={"photo": ("a.jpg", large)}).status_code == 303
    too_large = picture() + b"\0" * MAX_PHOTOS
    page = opened.post("selfie", files={"photo": ("a.jpg", too_large)})
    assert page.status_code == 413
    assert "17 MB" in page.text
    script = opened.post("card", files={"photo": ("a.jpg", too_large)}, headers=JSON)
    assert script.json()["error"]["code"] == "too_long"
    assert opened.post("stop", {"x": "x" * (2 << 20)}).status_code == 413


def test_a_retake_says_how_to_do_better(opened: Phone) -> None:
    opened.stand("card", reasons=("glare", "blurred"))
    page = opened.page().text
    assert "Xin chụp lại (còn 5 lần)." in page
    assert re.findall(r"<li>([^<]+\.)</li>", page) == [
        "Thẻ bị lóa. Nghiêng thẻ đi một chút, tránh bóng đèn chiếu thẳng vào thẻ.",
        "Ảnh bị nhòe. Giữ yên tay, hoặc tì tay lên bàn rồi chụp.",
    ]


def test_what_was_read_is_shown_and_judged(opened: Phone) -> None:
    opened.stand("confirm")
    page = opened.page().text
    shown = re.findall(r"<dt>([^<]+)</dt>\s*<dd>([^<]+)</dd>", page)
    assert shown == [("Số thẻ", "12.345678"), ("Họ và tên", READ["full_name"]), ("Ngày sinh", "05/09/1965")]
    assert opened.post("reading", {"correct": "no"}).status_code == 303
    assert opened.state() == "card"
    assert "Lần trước đọc chưa đúng" in opened.page().text
    opened.stand("confirm")
    opened.post("reading", {"correct": "yes"})
    assert opened.state() == "selfie"


def test_a_person_is_asked_instead_of_the_face(opened: Phone) -> None:
    refused = opened.post("person")
    assert (refused.status_code, "Chưa có ảnh thẻ nào" in refused.text) == (409, True)
    opened.post("card", files={"photo": ("a.jpg", picture())})
    opened.stand("selfie")
    assert opened.post("person").status_code == 303
    assert opened.state() == "review"
    assert "Một người phụ trách sẽ xem" in opened.page().text


def test_the_challenge_and_its_pictures(opened: Phone) -> None:
    opened.stand("selfie")
    asked = opened.post("challenge", headers=JSON).json()
    poses = [one["pose"] for one in asked["poses"]]
    assert poses[0] == "front"
    assert [one["words"] for one in asked["poses"]] == [sign_up_words.POSE_WORDS[Pose(pose)] for pose in poses]
    assert opened.post("challenge", headers=JSON).json() == asked
    assert asked["frames"] == 6
    small = picture((96, 96))
    half = [("frame", ("0.jpg", small))]
    assert opened.post("frames", {"pose": ["front", "left"]}, files=half, headers=JSON).status_code == 422
    assert opened.post("frames", {"pose": ["sideways"]}, files=half, headers=JSON).status_code == 422
    assert opened.post("frames", headers=JSON).status_code == 422
    missing = opened.post("frames", {"pose": ["front"]}, files=half, headers=JSON)
    assert (missing.status_code, "Chưa đủ ảnh" in missing.json()["error"]) == (409, True)
    files = [("frame", (f"{number}.jpg", small)) for number in range(6 * len(poses))]
    taken = opened.post("frames", {"pose": [pose for pose in poses for _ in range(6)]}, files=files, headers=JSON)
    assert (taken.status_code, taken.json(), opened.state()) == (200, {}, "checking")
    with unit_of_work() as work:
        rows = work.scalars(select(SignUpPhoto).order_by(SignUpPhoto.position)).all()
        assert [row.pose for row in rows] == [pose for pose in poses for _ in range(6)]


def test_a_challenge_cannot_be_begun_at_another_step(opened: Phone) -> None:
    answer = opened.post("challenge", headers=JSON)
    assert (answer.status_code, answer.json()) == (409, {"error": ""})


def test_a_picture_of_the_face_without_a_camera(opened: Phone) -> None:
    opened.stand("selfie")
    assert opened.post("selfie", files={"photo": ("a.heic", b"")}).status_code == 409
    assert opened.post("selfie", files={"photo": ("a.jpg", picture())}).status_code == 303
    assert opened.state() == "checking"
    with unit_of_work() as work:
        assert record.read(work, record.locked(work, opened.sign_up_id)).live is False


def test_stopping_erases_the_photographs_at_once(opened: Phone) -> None:
    opened.post("card", files={"photo": ("a.jpg", picture())})
    assert opened.post("stop").headers["Location"] == "/sign-up"
    assert "Ảnh đã được xóa" in opened.page().text
    with unit_of_work() as work:
        assert work.scalars(select(SignUpPhoto)).all() == []
    assert opened.state() == "stopped"


def test_a_step_that_is_over_is_refused_and_the_present_one_shown(opened: Phone) -> None:
    opened.stand("review")
    answer = opened.post("card", files={"photo": ("a.jpg", picture())})
    assert answer.status_code == 409
    assert 'data-state="review"' in answer.text
    assert 'role="alert"' not in answer.text
    again = opened.post("card", files={"photo": ("a.jpg", picture())}, headers=JSON)
    assert (again.status_code, again.json()) == (409, {"error": ""})


RELOADS = {"number": ["10"], "reading": ["3"], "checking": ["3"], "review": ["60"]}
"""Seconds after which a page without scripts loads itself again."""


@pytest.mark.parametrize("state", sign_up_words.STEPS)
def test_every_state_has_its_page_with_the_equal_way(opened: Phone, state: str) -> None:
    opened.stand(state)
    page = opened.page()
    assert page.status_code == 200
    assert f'<h1 id="heading" tabindex="-1">{sign_up_words.STEPS[state][0]}</h1>' in page.text
    living = state in sign_up.LIVING
    assert ("Dừng và xóa ảnh" in page.text, "bí thư" in page.text) == (living, state != "accepted")
    assert re.findall(r'<noscript><meta http-equiv="refresh" content="(\d+)', page.text) == RELOADS.get(state, [])
    assert ("data-camera" in page.text) == (state in ("card", "selfie"))


# What is said and what is allowed


@pytest.mark.parametrize("step", sign_up.FORMS)
def test_the_address_of_a_form_leads_to_the_step_when_it_is_opened_again(opened: Phone, step: str) -> None:
    answer = opened.client.get(f"/sign-up/{step}")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-up")


def test_every_reason_has_its_words() -> None:
    for state in ("card", "selfie"):
        for reason in Reason:
            told = sign_up_words.advice(state, [reason])
            assert len(told) == 1
            known = sign_up_words.advice(state, ["unheard"]) != told
            assert known or (state == "selfie" and reason in ("no_card", "field_doubtful", "not_upright"))
    assert sign_up_words.advice("selfie", ["flat", "still", "changed_face"]) == sign_up_words.advice(
        "selfie", ["still"]
    )
    assert sign_up_words.advice("card", ["glare", "field_doubtful"]) == sign_up_words.advice("card", ["glare"])
    assert set(sign_up_words.POSE_WORDS) == set(Pose)
    assert set(sign_up_words.FIELD_LABELS) == set(READ)


def test_only_this_page_may_use_the_camera(opened: Phone) -> None:
    policy = HEADERS["Permissions-Policy"]
    assert "camera=()" in policy
    assert opened.page().headers["Permissions-Policy"] == policy.replace("camera=()", "camera=(self)")
    for path in (opened.link, "/sign-up/consent", "/sign-up/status", "/", "/sign-in"):
        assert opened.client.get(path).headers["Permissions-Policy"] == policy


def test_both_texts_are_shown_whole(app: Any) -> None:
    page = TestClient(app).get("/sign-up/consent").text
    with unit_of_work() as work:
        for purpose in ("sign_up", "account"):
            text = consent.current(work, purpose)
            assert text.title in page
            assert text.body.splitlines()[-1].lstrip("- ").replace('"', "&#34;") in page


def test_the_script_keeps_to_what_old_web_views_know() -> None:
    script = re.sub(
        r"/\*.*?\*/|^\s*//.*|\s// .*", "", (STATIC / "sign_up.js").read_text("utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    too_new = (
        r"\?\.(?!\d)|\?\?|=>|`|\blet\b|\bconst\b|\basync\b|\bclass\s|replaceAll|replaceChildren|structuredClone|\.at\(|"
        r"randomUUID|allSettled|innerHTML|fetch\(|\.append\(document|\.finally|Object\.entries|\.includes\("
    )
    assert re.findall(too_new, script) == []
    style = re.sub(r"/\*.*?\*/", "", (STATIC / "sign_up.css").read_text("utf-8"), flags=re.DOTALL)
    assert (
        re.findall(
            r"[^-]\bgap:|clamp\(|\bmin\(|\bmax\(|:is\(|:where\(|\binset:|aspect-ratio|\d[ds]vh|@import|url\(", style
        )
        == []
    )
