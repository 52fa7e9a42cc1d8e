"""Somebody walks through a sign-up by photographs: the services and jobs are real, only the eyes are told what they see."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, text

from core import crypto
from core.database import unit_of_work
from ekyc import images
from ekyc.results import FIELDS, Burst, CardReading, ChallengeResult, Image, MatchResult, Pose, Quality, Reason
from members import consent, register, signup
from members.access import SYSTEM
from members.limiting import attempts
from members.particulars import Private
from members.sign_up_models import SignUp, SignUpPhoto
from members.signup import record, tasks
from messaging import cookies, inbox
from messaging.models import OutboxMessage

NAME, CARD, BORN = "Lê Thị Mơ", "12345678", date(1960, 5, 9)
PRIVATE = Private(
    card_number=CARD, date_of_birth=BORN, joined_on=date(1985, 2, 3), official_on=date(1986, 2, 3), home_town="Xóm Bến"
)
PRINTED: dict[str, str | None] = {
    "card_number": CARD,
    "full_name": "LÊ THỊ MƠ",
    "date_of_birth": "1960-05-09",
    "home_town": "Xóm Bến, xã Đồng Mai",
    "joined_on": "1985-02-03",
    "official_on": "1986-02-03",
    "issuer": "Hội huyện Đồng Mai",
    "issued_on": "1987-01-01",
}
BROWSER = "browser secret of forty characters ....."


def photograph(seed: int, *, side: int = 96) -> bytes:
    """A JPEG like no other."""
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return images.encode(noise)


@dataclass
class Eyes:
    """A verifier that sees what it is told to, and notes what it was shown."""

    printed: dict[str, str | None] = field(default_factory=lambda: dict(PRINTED))
    confidence: float = 0.95
    decision: str = "ok"
    reasons: tuple[Reason, ...] = ()
    face: MatchResult = field(default_factory=lambda: MatchResult(0.71, "same"))
    challenge: ChallengeResult = field(default_factory=lambda: ChallengeResult("live"))
    error: Exception | None = None
    shown: list[tuple[str, Any]] = field(default_factory=list)

    def read_card(self, image: Image) -> CardReading:
        self.shown.append(("card", image.shape))
        if self.error is not None:
            raise self.error
        confidence = {name: self.confidence if self.printed.get(name) else None for name in FIELDS}
        rectified = image[8:88, 8:88].copy()
        return CardReading(
            {name: self.printed.get(name) for name in FIELDS}, confidence, Quality(corners=4, blur=0.9), self.decision,
            self.reasons, rectified, rectified[:64, :64].copy(),
        )  # fmt: skip

    def match(self, image_a: Image, image_b: Image) -> MatchResult:
        self.shown.append(("match", (image_a.shape, image_b.shape)))
        return self.face

    def judge(
        self, asked: Sequence[Pose], bursts: Sequence[Burst], *, portrait: Image | None = None
    ) -> ChallengeResult:
        seen = [(burst.pose, len(burst.frames)) for burst in bursts]
        self.shown.append(("judge", (tuple(asked), seen, None if portrait is None else portrait.shape)))
        if self.error is not None:
            raise self.error
        if self.challenge.selfie is None and self.challenge.decision == "live":
            return ChallengeResult("live", (), bursts[0].frames[0])
        return self.challenge


@dataclass
class Walk:
    """One person with a browser and the conversation in it."""

    eyes: Eyes
    cookie: str = field(default_factory=cookies.new_token)
    conversation_id: uuid.UUID = field(default_factory=uuid.uuid4)
    sign_up_id: uuid.UUID = field(default_factory=uuid.uuid4)
    seed: int = 1
    sent: list[bytes] = field(default_factory=list)
    """Photographs as they were sent."""

    @property
    def key(self) -> str:
        return cookies.external_id(self.cookie)

    def talk(self) -> Walk:
        with unit_of_work() as session:
            self.conversation_id = inbox.open_conversation(session, channel="web", external_id=self.key).id
        return self

    def begin(self, message: str = "m1") -> signup.Begun:
        with unit_of_work() as session:
            begun = signup.begin(
                session,
                conversation_id=self.conversation_id,
                channel="web",
                text_id=consent.current(session, signup.PURPOSE).id,
                message_key=message,
            )
        self.sign_up_id = begun.sign_up_id
        return begun

    def open(self, begun: signup.Begun | None = None) -> Walk:
        begun = begun or self.begin()
        with unit_of_work() as session:
            token = begun.link.removeprefix("/sign-up/")
            opened = signup.open_link(
                session, token, browser=BROWSER, conversation_key=self.key, device="Chrome, Android"
            )
            self.cookie = cookies.new_token()
            assert signup.claim_conversation(session, opened, new_key=self.key)
            self.conversation_id = session.get_one(SignUp, opened).conversation_id or self.conversation_id
        return self

    def send_card(self) -> Walk:
        self.seed += 1
        self.sent.append(photograph(self.seed))
        with unit_of_work() as session:
            signup.put_card(session, self.sign_up_id, self.sent[-1])
        return self

    def card(self) -> Walk:
        """The photograph of the card, read by the job."""
        self.send_card()
        tasks.read_card(str(self.sign_up_id))
        return self

    def confirm(self, correct: bool = True) -> Walk:
        with unit_of_work() as session:
            signup.confirm_reading(session, self.sign_up_id, correct)
        return self

    def send_face(self, *, live: bool = True) -> Walk:
        with unit_of_work() as session:
            poses = signup.begin_challenge(session, self.sign_up_id) if live else (Pose.FRONT,)
        frames = []
        for pose in poses:
            for _ in range(2 if live else 1):
                self.seed += 1
                frames.append((pose, photograph(self.seed)))
        self.sent += [content for _, content in frames]
        with unit_of_work() as session:
            signup.put_frames(session, self.sign_up_id, frames, live=live)
        return self

    def face(self, *, live: bool = True) -> Walk:
        """The pictures of the face, judged by the job."""
        self.send_face(live=live)
        tasks.check_selfie(str(self.sign_up_id))
        return self

    def to_selfie(self) -> Walk:
        return self.talk().open().card().confirm()

    def whole(self) -> Walk:
        """From the first word to the decision."""
        return self.to_selfie().face()

    @property
    def row(self) -> SignUp:
        with unit_of_work() as session:
            return session.get_one(SignUp, self.sign_up_id)

    @property
    def state(self) -> str:
        return self.progress.state

    @property
    def progress(self) -> signup.Progress:
        with unit_of_work() as session:
            return signup.progress(session, self.sign_up_id)

    @property
    def photos(self) -> list[tuple[str, int]]:
        with unit_of_work() as session:
            rows = session.execute(
                select(SignUpPhoto.kind, SignUpPhoto.position)
                .where(SignUpPhoto.sign_up_id == self.sign_up_id)
                .order_by(SignUpPhoto.kind, SignUpPhoto.position)
            )
            return [(row.kind, row.position) for row in rows]

    @property
    def known(self) -> record.Known:
        with unit_of_work() as session:
            return record.read(session, session.get_one(SignUp, self.sign_up_id))

    @property
    def has_key(self) -> bool:
        with unit_of_work() as session:
            return session.get(crypto.DataKey, self.sign_up_id) is not None

    def heard(self) -> list[str]:
        """What the bot said in the conversation, oldest first."""
        return said_in(self.conversation_id)


def said_in(conversation_id: uuid.UUID) -> list[str]:
    with unit_of_work() as session:
        rows = session.scalars(
            select(OutboxMessage.reply)
            .where(OutboxMessage.conversation_id == conversation_id)
            .order_by(OutboxMessage.id)
        )
        return [row["text"] for row in rows]


def see(monkeypatch: pytest.MonkeyPatch) -> Eyes:
    """Let the jobs of this test look with eyes that are told what they see."""
    attempts.clear()
    eyes = Eyes()
    monkeypatch.setattr(tasks, "verifier", lambda: eyes)
    return eyes


def add_member(unit_id: int, *, name: str = NAME, private: Private = PRIVATE) -> uuid.UUID:
    with unit_of_work() as session:
        return register.add(
            session, SYSTEM, unit_id=unit_id, name=name, private=private, same_person_is_another=True
        ).id


def waiting_jobs() -> list[tuple[str, dict[str, Any]]]:
    with unit_of_work() as session:
        rows = session.execute(
            text("select task_name, args from procrastinate_jobs where queue_name = 'ekyc' order by id")
        )
        return [(row.task_name, row.args) for row in rows]
