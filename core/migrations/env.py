"""Alembic runs the migrations on the connection that core.database hands over."""

from typing import Any

from alembic import context

from core.database import Base


def _own(_object: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """The jobs' tables are procrastinate's business."""
    return not (kind == "table" and (name or "").startswith("procrastinate_"))


context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, include_object=_own
)
with context.begin_transaction():
    context.run_migrations()
