"""The page where somebody photographs the member card and the face: /sign-up, opened by a one-time link of the chat.

Looking at the link changes nothing (previews of messages look, too); the button on it binds this browser by a cookie of
its own. Everything that happens is in the database: a page that is loaded again goes on where it stood. Every step
works without scripts, by file inputs; the script (``static/sign_up.js``) adds the camera.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from limits import RateLimitItemPerMinute
from sqlalchemy.orm import Session
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import JSONResponse, Response

from core import clock
from core.database import unit_of_work
from core.settings import settings
from ekyc.images import UnreadableImageError
from ekyc.results import Pose
from members import consent, signup
from members.limiting import attempts, network
from members.signup import LinkError, SignUpError
from members.signup.record import StepError
from messaging import cookies
from web.base import Work, forged, go, own_page, public_page
from web.browser import address_of, device_of
from web.security import of_this_site
from web.sign_in import blocks
from web.sign_up_words import FIELD_LABELS, FRAMES_A_POSE, POSE_WORDS, STEPS, advice, as_printed

router = APIRouter(prefix="/sign-up", include_in_schema=False)

PATH = "/sign-up"
COOKIE = "sotay_sign_up"
MAX_AGE_SECONDS = 7 * 24 * 3600
"""As long as a person may take to look at it."""
PER_ADDRESS = RateLimitItemPerMinute(60, 10)
"""Links opened from one address: a meeting hall shares one, a link has 256 random bits."""
MAX_IN_MEMORY = 32 << 20
"""Bytes of an upload that are kept in memory: above every limit of ``admin.limits``, so no photograph touches the disk unsealed."""
FORMS = ("open", "card", "reading", "frames", "selfie", "person", "stop")
LIVING = ("number", "card", "reading", "confirm", "selfie", "checking", "review")
WAITING = ("reading", "checking")
NO_PHOTO = "Chưa chọn ảnh, hoặc tệp ảnh trống. Xin chọn ảnh rồi bấm gửi lần nữa."
NO_CARD_YET = "Chưa có ảnh thẻ nào để người khác xem. Xin gặp bí thư chi bộ: bí thư xem thẻ rồi cấp mã đăng nhập."
FIRST = "Chưa có lần đăng ký nào trên máy này"
NOT_BOUND = "Đường dẫn đăng ký nằm trong cuộc trò chuyện nơi đồng chí nhắn “đăng ký”: mở đường dẫn ấy trên máy này, hoặc nhắn “đăng ký” để bắt đầu."
BEFORE = "Xem kết quả trong cuộc trò chuyện"
NO_LONGER_BOUND = "Lần đăng ký mở trên máy này không còn dùng được: đã xong, đã quá hạn, hoặc được thay bằng đường dẫn mới. Kết quả và việc cần làm tiếp nằm trong cuộc trò chuyện nơi đồng chí nhắn “đăng ký”."
IN_APP = ("Zalo", "FBAN", "FBAV", "; wv)")
"""Marks of browsers inside other applications, which often have no camera."""


@dataclass(frozen=True)
class Bound:
    """The sign-up that this browser was bound to, and the secret that proves it."""

    sign_up_id: uuid.UUID
    browser: str

    @property
    def csrf(self) -> str:
        """What the forms carry: only who has the cookie, or reads its pages, knows it."""
        return hashlib.sha256(f"sign-up form {self.browser}".encode()).hexdigest()


class NotBoundError(Exception):
    """The browser has no sign-up under way."""


class _FormParser(MultiPartParser):
    spool_max_size = MAX_IN_MEMORY


def cookie_of(value: str) -> Bound | None:
    """What the cookie says; it counts only when ``signup.is_bound`` agrees."""
    identity, _, browser = value.partition(".")
    try:
        return Bound(uuid.UUID(identity), browser) if 20 <= len(browser) <= 100 else None
    except ValueError:
        return None


def is_bound(cookie: str) -> bool:
    """Whether *cookie* is that of a browser with a sign-up. No connection is held while a slow phone sends its picture."""
    found = cookie_of(cookie)
    if found is None:
        return False
    with unit_of_work() as work:
        return signup.is_bound(work, found.sign_up_id, browser=found.browser)


def bound(request: Request) -> Bound:
    """The sign-up of this browser. Errors: NotBoundError."""
    cookie = request.cookies.get(COOKIE, "")
    found = cookie_of(cookie)
    if found is None or not is_bound(cookie):
        raise NotBoundError
    return found


CurrentBound = Annotated[Bound, Depends(bound)]


async def form_of(request: Request) -> AsyncIterator[FormData]:
    """The form of a request, its files in memory only. Errors: HTTPException 400."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        parser = _FormParser(request.headers, request.stream(), max_files=40, max_fields=60, max_part_size=10_000)
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST) from error
    else:
        form = await request.form()
    try:
        yield form
    finally:
        await form.close()


ReadForm = Annotated[FormData, Depends(form_of)]


def changing(request: Request, found: CurrentBound, form: ReadForm) -> Bound:
    """The sign-up that a form of ours is about. Errors: NotBoundError, HTTPException 403."""
    sent = form.get("csrf")
    if not of_this_site(request) or not hmac.compare_digest(str(sent).encode(), found.csrf.encode()):
        forged(request)
    return found


Changing = Annotated[Bound, Depends(changing)]


# Opening


@router.api_route("/consent", methods=["GET", "HEAD"])
def show_consent(request: Request, work: Work) -> Response:
    """Both texts that one agrees to in the chat, whole."""
    texts = [consent.current(work, purpose) for purpose in ("sign_up", consent.ACCOUNT)]
    return public_page(request, "sign_up_consent.html", {"texts": [(text, blocks(text.body)) for text in texts]})


@router.api_route("", methods=["GET", "HEAD"])
def show_step(request: Request, work: Work, found: CurrentBound) -> Response:
    """The step at which the sign-up stands."""
    return _step(request, work, found)


@router.get("/status")
def show_status(work: Work, found: CurrentBound) -> Response:
    """Where it stands, for the script: asked while something is read, and now and then while a person looks."""
    return _json({"state": _progress(work, found).state})


@router.api_route("/{token}", methods=["GET", "HEAD"])
def show_link(request: Request, token: str) -> Response:
    """What the link leads to: a button. The token is looked at when it is pressed.

    A page that answered a form without scripts stands at that form's address; opened again it leads to the step.
    """
    if token in FORMS:
        return go(PATH)
    return _start(request, _token(token))


@router.post("/open")
def open_link(request: Request, form: ReadForm) -> Response:
    """Bind this browser to the sign-up of the link; the address no longer holds the token afterwards."""
    if not of_this_site(request):
        forged(request)
    if not attempts.allow(PER_ADDRESS, "sign_up.open", network(address_of(request))):
        raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS)
    token = _token(str(form.get("token", "")))
    known = cookie_of(request.cookies.get(COOKIE, ""))
    browser = known.browser if known else secrets.token_urlsafe(32)
    try:
        with unit_of_work() as work:
            sign_up_id = signup.open_link(
                work, token, browser=browser, conversation_key=cookies.read(request), device=device_of(request)
            )
            new_session = cookies.new_token()
            claimed = signup.claim_conversation(work, sign_up_id, new_key=cookies.external_id(new_session))
    except LinkError as refused:
        return _start(request, token, message=str(refused), status=HTTPStatus.GONE)
    response = go(PATH)
    if claimed:
        cookies.give(request, response, new_session)
    response.set_cookie(
        COOKIE,
        f"{sign_up_id}.{browser}",
        max_age=MAX_AGE_SECONDS,
        httponly=True,
        samesite="lax",  # the link is tapped in other people's pages (Zalo, Telegram): strict would forget the browser there
        secure=request.url.scheme == "https",
        path=PATH,
    )
    return response


def _start(request: Request, token: str, *, message: str = "", status: int = HTTPStatus.OK) -> Response:
    agent = request.headers.get("user-agent", "")
    context = {"token": token, "message": message, "in_app": any(mark in agent for mark in IN_APP)}
    return own_page(request, "sign_up_start.html", context, status=status)


def _token(text: str) -> str:
    """*text* as it can be a token. Errors: HTTPException 404."""
    if not 20 <= len(text) <= 100 or not text.isascii():
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return text


# The steps


@router.post("/card")
def send_card(request: Request, found: Changing, form: ReadForm) -> Response:
    """The photograph of the card; it is read by a job."""
    photo, address = _photo(form), address_of(request)
    return _change(
        request, found, lambda work: signup.put_card(work, found.sign_up_id, photo, address=address), needed=photo
    )


@router.post("/reading")
def judge_reading(request: Request, found: Changing, form: ReadForm) -> Response:
    """Whether what was read is what stands on the card."""
    correct = form.get("correct") == "yes"
    return _change(request, found, lambda work: signup.confirm_reading(work, found.sign_up_id, correct))


@router.post("/challenge")
def begin_challenge(found: Changing) -> Response:
    """What to do before the camera, for the script."""
    try:
        with unit_of_work() as work:
            poses = signup.begin_challenge(work, found.sign_up_id)
    except SignUpError as refused:
        return _json({"error": _why(refused)}, HTTPStatus.CONFLICT)
    asked = [{"pose": pose.value, "words": POSE_WORDS[pose]} for pose in poses]
    return _json({"poses": asked, "frames": FRAMES_A_POSE})


@router.post("/frames")
def send_frames(request: Request, found: Changing, form: ReadForm) -> Response:
    """The pictures of the challenge: ``frame`` and ``pose`` once for each picture, in the order they were taken."""
    poses = [str(pose) for pose in form.getlist("pose")]
    frames = _files(form, "frame")
    if not frames or len(poses) != len(frames) or not set(poses) <= set(Pose):
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY)
    taken = [(Pose(pose), frame) for pose, frame in zip(poses, frames, strict=True)]
    return _face(request, found, taken, live=True)


@router.post("/selfie")
def send_selfie(request: Request, found: Changing, form: ReadForm) -> Response:
    """A picture of the face as a file, where no camera can be used: a person looks at it."""
    return _face(request, found, [(Pose.FRONT, _photo(form))], live=False)


def _face(request: Request, found: Bound, taken: list[tuple[Pose, bytes]], *, live: bool) -> Response:
    address = address_of(request)
    return _change(
        request,
        found,
        lambda work: signup.put_frames(work, found.sign_up_id, taken, live=live, address=address),
        needed=taken[0][1],
    )


@router.post("/person")
def ask_for_person(request: Request, found: Changing) -> Response:
    """No face check: a person looks at the card that was photographed."""

    def ask(work: Session) -> None:
        if signup.ask_for_person(work, found.sign_up_id) == "secretary":
            raise SignUpError(NO_CARD_YET)

    return _change(request, found, ask)


@router.post("/stop")
def stop(request: Request, found: Changing) -> Response:
    """End it; the photographs are erased at once."""
    return _change(request, found, lambda work: signup.stop_here(work, found.sign_up_id))


def _files(form: FormData, name: str) -> list[bytes]:
    return [part.file.read() for part in form.getlist(name) if isinstance(part, UploadFile)]


def _photo(form: FormData) -> bytes:
    return next(iter(_files(form, "photo")), b"")


def _change(
    request: Request, found: Bound, action: Callable[[Session], object], *, needed: bytes | None = None
) -> Response:
    """Do it and lead to the step that follows; what is refused is said on the step where it stands.

    *needed*: the picture that a form must bring. The script asks for JSON and draws the page itself.
    """
    message, status = "", HTTPStatus.OK
    if needed is not None and not needed:
        message, status = NO_PHOTO, HTTPStatus.CONFLICT
    else:
        try:
            with unit_of_work() as work:
                action(work)
        except (SignUpError, UnreadableImageError) as refused:
            message = _why(refused)
            status = HTTPStatus.CONFLICT
    if _is_script(request):
        return _json({"error": message} if status != HTTPStatus.OK else {}, status)
    if status == HTTPStatus.OK:
        return go(PATH)
    with unit_of_work() as work:
        return _step(request, work, found, message=message, status=status)


def _why(refused: ValueError) -> str:
    """What to say of a refusal. Nothing where the sign-up stands elsewhere: that step is shown, and says what comes next."""
    return "" if isinstance(refused, StepError) else str(refused)


def _is_script(request: Request) -> bool:
    return request.headers.get("accept", "").startswith("application/json")


def _json(content: Mapping[str, Any], status: int = HTTPStatus.OK) -> Response:
    return JSONResponse(content, status, headers={"Cache-Control": "no-store"})


def _progress(work: Session, found: Bound) -> signup.Progress:
    try:
        now = signup.progress(work, found.sign_up_id)
    except SignUpError as gone:  # erased this moment
        raise NotBoundError from gone
    if now.outcome is None and now.ends_at <= clock.now():  # the job that ends it comes within minutes
        return replace(now, state="expired", outcome="expired", reasons=(), fields=None)
    return now


def _step(request: Request, work: Session, found: Bound, *, message: str = "", status: int = HTTPStatus.OK) -> Response:
    now = _progress(work, found)
    heading, number = STEPS[now.state]
    context = {
        "now": now,
        "csrf": found.csrf,
        "heading": heading,
        "number": number,
        "message": message,
        "advice": advice(now.state, now.reasons),
        "takes_left": now.card_takes_left if now.state == "card" else now.selfie_takes_left,
        "lines": [(FIELD_LABELS[name], as_printed(name, value)) for name, value in (now.fields or {}).items() if value],
        "review_days": settings().ekyc_review_days,
        "waiting": now.state in WAITING,
        "living": now.state in LIVING,
    }
    return own_page(request, "sign_up.html", context, status=status)


def not_bound(request: Request, _error: Exception) -> Response:
    """What a browser without a sign-up under way is told, whatever it asked for."""
    if request.method != "GET" or request.url.path != PATH:
        return _json({"error": NOT_BOUND}, HTTPStatus.FORBIDDEN) if _is_script(request) else go(PATH)
    heading, message = (BEFORE, NO_LONGER_BOUND) if cookie_of(request.cookies.get(COOKIE, "")) else (FIRST, NOT_BOUND)
    return own_page(request, "sign_up_none.html", {"heading": heading, "message": message}, status=HTTPStatus.FORBIDDEN)
