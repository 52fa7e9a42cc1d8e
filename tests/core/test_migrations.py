"""The migrations make what the models describe."""

import pytest
from alembic import command
from sqlalchemy import text

import forms.models  # noqa: F401 - its tables are compared
import knowledge.models  # noqa: F401
import members.models
import members.sign_up_models  # noqa: F401
import messaging.models  # noqa: F401
from core import audit, crypto  # noqa: F401
from core import database as db

pytestmark = pytest.mark.usefixtures("database")


def test_models_and_migrations_agree() -> None:
    config = db.alembic_config()
    with db.engine().begin() as connection:
        config.attributes["connection"] = connection
        command.check(config)


def test_migrating_again_changes_nothing() -> None:
    db.migrate()
    with db.engine().connect() as connection:
        assert connection.execute(text("select version_num from alembic_version")).scalars().all() == ["0003"]
