"""Alembic runs the migrations on the connection that core.database hands over."""

from alembic import context

from core.database import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
