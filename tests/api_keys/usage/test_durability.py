"""Every connection that records a use waits until the use is on disk, whatever the database's default is."""

import pytest
from sqlalchemy import text

from reflow_accounts import config
from reflow_accounts.app import create_app
from reflow_accounts.database import db
from tests.api_keys.usage.use_log import only_on
from tests.helpers import databases, rows
from tests.helpers.api import Api

# The trigger writes into each use what its transaction waits for.
ADD_TRIGGER = """
CREATE FUNCTION tell_wait() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.user_agent := current_setting('synchronous_commit'); RETURN NEW; END $$;
CREATE TRIGGER tell_wait BEFORE INSERT ON uses FOR EACH ROW EXECUTE FUNCTION tell_wait();
"""
DROP_TRIGGER = "DROP TRIGGER tell_wait ON uses; DROP FUNCTION tell_wait()"


@pytest.fixture
def set_default(app, name):
    """`set_default("off")`: the setting of new connections; each use records what its transaction used."""
    execute(app, ADD_TRIGGER)
    yield lambda value: execute(app, f"ALTER DATABASE {name} SET synchronous_commit = {value}")
    execute(app, f"ALTER DATABASE {name} RESET synchronous_commit")
    execute(app, DROP_TRIGGER)


@pytest.fixture
def name(app):
    with app.app_context():
        return db.engine.url.database


def execute(app, statement: str) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text(statement))


@only_on("postgresql")
@pytest.mark.parametrize(
    ("default", "effective"),
    [("off", "on"), ("local", "local"), ("remote_write", "remote_write"), ("remote_apply", "remote_apply")],
)
def test_use_is_on_disk_before_its_response(app, cast, another, set_default, default, effective):
    key = cast.ada.key()
    set_default(default)
    api = Api(another(), key.secret)
    assert api.get("/me").status_code == 200
    assert api.get("/keys").status_code == 200
    assert api.post("/keys", {"name": "by the session"}).status_code == 201
    assert [use.user_agent for use in rows.uses_of(app, key.id)] == [effective] * 3


@only_on("sqlite")
@pytest.mark.parametrize(("mode", "number"), [("NORMAL", 1), ("FULL", 2)])
def test_sqlite_synchronous_mode_follows_the_environment(app, tmp_path, mode, number):
    environ = {
        "REFLOW_INSTANCE": str(tmp_path),
        "REFLOW_DATABASE_URL": app.config["SETTINGS"].database_url,
        "REFLOW_SQLITE_SYNCHRONOUS": mode,
    }
    app_of_environ = create_app(config.load(environ))
    with app_of_environ.app_context():
        assert db.session.scalar(text("PRAGMA synchronous")) == number
    databases.close(app_of_environ)
