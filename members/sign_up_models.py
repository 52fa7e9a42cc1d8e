"""Tables of signing up by photographs: the sign-up, its photographs, what reviewers said."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class SignUp(Base):
    """Somebody who signs up by photographs of the member card and of the face.

    Everything that tells who it is, is sealed under a data key of its own (owner = ``id``): destroying the key is what erases the
    photographs everywhere, backups of the database included.
    """

    __tablename__ = "sign_up"
    __table_args__ = (
        Index("ix_sign_up_conversation", "conversation_id", "created_at"),
        Index(
            "ix_sign_up_living",
            "conversation_id",
            unique=True,
            postgresql_where="state in ('number', 'card', 'reading', 'confirm', 'selfie', 'checking', 'review')",
        ),
        Index("ix_sign_up_review", "submitted_at", postgresql_where="state = 'review'"),
        Index("ix_sign_up_photos", "photos_due_at", postgresql_where="photos_erased_at is null"),
        CheckConstraint(
            "state in ('number', 'card', 'reading', 'confirm', 'selfie', 'checking', 'review', 'accepted', 'rejected', "
            "'stopped', 'expired')",
            name="state",
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("conversation.id", ondelete="SET NULL"))
    """Where it began and where the result is said."""
    channel: Mapped[str] = mapped_column(Text)
    message_key: Mapped[str | None] = mapped_column(Text, unique=True)
    """Conversation and message id, hashed: the same tap handled twice begins once."""
    text_id: Mapped[int] = mapped_column(ForeignKey("consent_text.id", ondelete="RESTRICT"))
    """What was agreed to, at ``created_at`` in ``channel``."""
    state: Mapped[str] = mapped_column(Text)
    """``number`` (the conversation is to name what the page shows), ``card`` (waits for its photograph), ``reading``, ``confirm`` (the member looks at what was read), ``selfie``, ``checking``,
    ``review`` (a person will look); ``accepted``, ``rejected``, ``stopped``, ``expired``."""
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    """SHA-256 of the link's token."""
    browser_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """SHA-256 of the cookie of the browser that opened the link first; no other one gets in."""
    link_expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    card_takes: Mapped[int] = mapped_column(Integer, default=0)
    selfie_takes: Mapped[int] = mapped_column(Integer, default=0)
    poses: Mapped[list[str] | None] = mapped_column(JSONB)
    """The requests of the challenge under way, in their order."""
    poses_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    member_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("member.id", ondelete="SET NULL"), index=True)
    """Whom the register shows for what was read; nobody is told before the end."""
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id", ondelete="SET NULL"))
    """The unit of that member at the time."""
    already_used: Mapped[bool] = mapped_column(Boolean, default=False)
    """The card has an account: two people must agree."""
    reasons: Mapped[list[str]] = mapped_column(JSONB, default=list)
    """Codes: of the last photograph while it goes on, of the decision afterwards."""
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """JSON: fields read, confidence, quality, the face's score, the challenge; context ``sign_up``."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    submitted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When it came to a person for review."""
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    photos_due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    """The latest moment at which the photographs go, decided or not."""
    photos_erased_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class SignUpPhoto(Base):
    """A photograph of a sign-up, sealed under its key (context ``sign_up_photo``); JPEG, nothing but pixels."""

    __tablename__ = "sign_up_photo"
    __table_args__ = (
        UniqueConstraint("sign_up_id", "kind", "position"),
        CheckConstraint("kind in ('card', 'rectified', 'portrait', 'selfie', 'frame')", name="kind"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    sign_up_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sign_up.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    """``card`` as taken, ``rectified``, its ``portrait``, ``selfie`` (the best frame), ``frame`` of the challenge."""
    position: Mapped[int] = mapped_column(Integer, default=0)
    pose: Mapped[str | None] = mapped_column(Text)
    """Of a frame: what was asked."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class SignUpReview(Base):
    """What somebody who reviews sign-ups said about one."""

    __tablename__ = "sign_up_review"
    __table_args__ = (
        UniqueConstraint("sign_up_id", "account_id"),
        CheckConstraint("verdict in ('accept', 'reject', 'again')", name="verdict"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    sign_up_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sign_up.id", ondelete="CASCADE"))
    account_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    verdict: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    """A code of ``members.signup.review.REASONS``."""
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
