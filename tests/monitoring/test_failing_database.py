"""Log lines and operator commands name the condition of a database that fails, without SQL and values."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from reflow_accounts import database
from reflow_accounts.database import db
from reflow_accounts.database_errors import database_problem
from tests.cast import Cast
from tests.helpers import databases
from tests.helpers.asgi_client import AsgiClient


@pytest.fixture(params=["sqlite", "postgresql"])
def app_with_own_database(request, tmp_path):
    """An application on a database of its own."""
    app = databases.application(str(tmp_path), databases.new_url(request, "failing", tmp_path))
    databases.migrate(app)
    yield app
    databases.close(app)


def test_log_names_the_condition_of_a_failed_key_check(app_with_own_database, caplog):
    secret = Cast.of(app_with_own_database).ada.key().secret
    with app_with_own_database.app_context(), db.engine.begin() as connection:
        connection.execute(text("DROP TABLE uses"))
        is_sqlite = db.engine.dialect.name == "sqlite"
    asgi = AsgiClient(app_with_own_database)
    assert asgi.get("/api/v1/me", {"Authorization": f"Bearer {secret}"}).status == 503
    asgi.close()
    [line] = [record.getMessage() for record in caplog.records if "key checks failed" in record.getMessage()]
    condition = "OperationalError (SQLITE_ERROR)" if is_sqlite else "UndefinedTable (42P01)"
    assert line == f"key checks failed: {condition}"


def test_command_explains_a_read_only_database(postgres, tmp_path):
    url = postgres.make_database("readonly")
    app = databases.application(str(tmp_path), url)
    databases.migrate(app)
    with app.app_context(), db.engine.connect() as connection:
        name = make_url(url).database
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
        connection.commit()
    databases.close(app)
    with app.app_context():
        result = app.test_cli_runner().invoke(
            args=["users", "create", "a@b.example", "--name", "A B", "--mail-link"]
        )
    assert result.exit_code == 1
    assert result.output == (
        "reflow-accounts: the database cannot be written (25006): its disk is full, or it is read-only. "
        "Free space or make it writable, then try again.\n"
    )
    databases.close(app)


def test_command_names_why_the_database_cannot_be_opened(tmp_path):
    app = databases.application(str(tmp_path), "postgresql://nobody@127.0.0.1:1/none")
    with app.app_context():
        result = app.test_cli_runner().invoke(args=["users", "list"])
    assert result.output.startswith("reflow-accounts: the database cannot be opened (connection failed: ")
    assert "Connection refused" in result.output
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    databases.close(app)


def test_command_explains_a_lock_of_another_process(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    app = databases.application(str(tmp_path), f"sqlite:///{tmp_path / 'busy.db'}")
    databases.migrate(app)
    with closing(sqlite3.connect(tmp_path / "busy.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with app.app_context():
            result = app.test_cli_runner().invoke(
                args=["users", "create", "a@b.example", "--name", "A B", "--mail-link"]
            )
    assert (result.exit_code, result.output) == (
        1,
        "reflow-accounts: another session, such as a backup or a VACUUM, has locked the database. "
        "Try again when it has ended.\n",
    )
    databases.close(app)


@pytest.mark.parametrize("app_with_own_database", ["postgresql"], indirect=True)
def test_lost_commit_is_not_said_to_have_done_nothing(app_with_own_database):
    with app_with_own_database.app_context():
        connection = db.engine.connect()
        killed = connection.scalar(text("SELECT pg_backend_pid()"))
        with db.engine.connect() as other:
            other.execute(text(f"SELECT pg_terminate_backend({killed})"))
        with pytest.raises(OperationalError) as failed:
            connection.commit()
    assert database_problem(failed.value).startswith("the connection to the database was lost")
    assert "may have done its work" in database_problem(failed.value)


def test_command_suggests_the_migration_of_a_new_database(tmp_path):
    app = databases.application(str(tmp_path), f"sqlite:///{tmp_path / 'new.db'}")
    (tmp_path / "new.db").touch()
    with app.app_context():
        result = app.test_cli_runner().invoke(args=["users", "list"])
    assert "if it is new, run `reflow-accounts db upgrade`." in result.output
    assert (result.exit_code, "(SQLITE_ERROR)" in result.output) == (1, True)
    databases.close(app)
