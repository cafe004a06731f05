"""What a commit waits for, on every connection that records a use, whatever the database was set to."""

import pytest
from sqlalchemy import text

from reflow_accounts import config
from reflow_accounts.app import create_app
from reflow_accounts.database import db
from tests.api_keys.usage.log import on
from tests.helpers import databases, rows
from tests.helpers.api import Api

# Each row of the log says what its own transaction waited for.
TELL = """
CREATE FUNCTION tell_wait() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.user_agent := current_setting('synchronous_commit'); RETURN NEW; END $$;
CREATE TRIGGER tell_wait BEFORE INSERT ON uses FOR EACH ROW EXECUTE FUNCTION tell_wait();
"""
BE_SILENT = "DROP TRIGGER tell_wait ON uses; DROP FUNCTION tell_wait()"


@pytest.fixture
def set_to(app, name):
    """`set_to("off")`: new connections to the database begin so, and the log tells what they made of it."""
    execute(app, TELL)
    yield lambda value: execute(app, f"ALTER DATABASE {name} SET synchronous_commit = {value}")
    execute(app, f"ALTER DATABASE {name} RESET synchronous_commit")
    execute(app, BE_SILENT)


@pytest.fixture
def name(app):
    with app.app_context():
        return db.engine.url.database


def execute(app, statement: str) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text(statement))


@on("postgresql")
@pytest.mark.parametrize(
    ("set_value", "counts"),
    [("off", "on"), ("local", "local"), ("remote_write", "remote_write"), ("remote_apply", "remote_apply")],
)
def test_no_use_is_answered_before_it_is_on_disk(app, cast, another, set_to, set_value, counts):
    key = cast.ada.key()
    set_to(set_value)
    api = Api(another(), key.secret)
    assert api.get("/me").status_code == 200
    assert api.get("/keys").status_code == 200
    assert api.post("/keys", {"name": "by the session"}).status_code == 201
    assert [use.user_agent for use in rows.uses_of(app, key.id)] == [counts] * 3


@on("sqlite")
@pytest.mark.parametrize(("mode", "number"), [("NORMAL", 1), ("FULL", 2)])
def test_sqlite_waits_as_the_environment_says(app, tmp_path, mode, number):
    environ = {
        "REFLOW_INSTANCE": str(tmp_path),
        "REFLOW_DATABASE_URL": app.config["SETTINGS"].database_url,
        "REFLOW_SQLITE_SYNCHRONOUS": mode,
    }
    made = create_app(config.load(environ))
    with made.app_context():
        assert db.session.scalar(text("PRAGMA synchronous")) == number
    databases.close(made)
