"""sign-up"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "form_draft",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("step", sa.Text(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("last_message", sa.Text(), nullable=True),
        sa.Column("last_said", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversation.id"],
            name=op.f("fk_form_draft_conversation_id_conversation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_form_draft")),
    )
    op.create_index("ix_form_draft_conversation", "form_draft", ["conversation_id"], unique=False)
    op.create_index(
        "ix_form_draft_open", "form_draft", ["conversation_id"], unique=True, postgresql_where="ended_at is null"
    )
    op.create_table(
        "sign_up",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("message_key", sa.Text(), nullable=True),
        sa.Column("text_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=True),
        sa.Column("link_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("card_takes", sa.Integer(), nullable=False),
        sa.Column("selfie_takes", sa.Integer(), nullable=False),
        sa.Column("poses", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("poses_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("unit_id", sa.BigInteger(), nullable=True),
        sa.Column("already_used", sa.Boolean(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("photos_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("photos_erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state in ('number', 'card', 'reading', 'confirm', 'selfie', 'checking', 'review', 'accepted', 'rejected', "
            "'stopped', 'expired')",
            name=op.f("ck_sign_up_state"),
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversation.id"],
            name=op.f("fk_sign_up_conversation_id_conversation"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.id"], name=op.f("fk_sign_up_member_id_member"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["text_id"], ["consent_text.id"], name=op.f("fk_sign_up_text_id_consent_text"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_sign_up_unit_id_unit"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_up")),
        sa.UniqueConstraint("message_key", name=op.f("uq_sign_up_message_key")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sign_up_token_hash")),
    )
    op.create_index("ix_sign_up_conversation", "sign_up", ["conversation_id", "created_at"], unique=False)
    op.create_index(
        "ix_sign_up_living",
        "sign_up",
        ["conversation_id"],
        unique=True,
        postgresql_where="state in ('number', 'card', 'reading', 'confirm', 'selfie', 'checking', 'review')",
    )
    op.create_index(op.f("ix_sign_up_member_id"), "sign_up", ["member_id"], unique=False)
    op.create_index(
        "ix_sign_up_photos", "sign_up", ["photos_due_at"], unique=False, postgresql_where="photos_erased_at is null"
    )
    op.create_index("ix_sign_up_review", "sign_up", ["submitted_at"], unique=False, postgresql_where="state = 'review'")
    op.create_table(
        "sign_up_photo",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("sign_up_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("pose", sa.Text(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind in ('card', 'rectified', 'portrait', 'selfie', 'frame')", name=op.f("ck_sign_up_photo_kind")
        ),
        sa.ForeignKeyConstraint(
            ["sign_up_id"], ["sign_up.id"], name=op.f("fk_sign_up_photo_sign_up_id_sign_up"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_up_photo")),
        sa.UniqueConstraint("sign_up_id", "kind", "position", name=op.f("uq_sign_up_photo_sign_up_id_kind_position")),
    )
    op.create_table(
        "sign_up_review",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("sign_up_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("verdict in ('accept', 'reject', 'again')", name=op.f("ck_sign_up_review_verdict")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_sign_up_review_account_id_account"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["sign_up_id"], ["sign_up.id"], name=op.f("fk_sign_up_review_sign_up_id_sign_up"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_up_review")),
        sa.UniqueConstraint("sign_up_id", "account_id", name=op.f("uq_sign_up_review_sign_up_id_account_id")),
    )
