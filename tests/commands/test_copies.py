"""`copy-to`: moves a service to an empty database, restores a backup there, and never replaces other data."""

import sqlite3
import stat
from contextlib import closing
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from reflow_accounts import transfer
from reflow_accounts.api_keys.models import ApiKey, Use
from reflow_accounts.api_keys.usage import retention
from reflow_accounts.config import ConfigError
from reflow_accounts.database import db, now
from reflow_accounts.server import bring_up_to_date
from reflow_accounts.users.models import User
from tests import factories
from tests.api_keys.usage import use_log
from tests.api_keys.usage.use_log import only_on
from tests.commands.key_uses import use
from tests.helpers import databases, rows

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def empty_url(app, postgres, tmp_path):
    """The URL of an empty database of the other kind."""
    is_sqlite = app.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite")
    return postgres.make_database("moved") if is_sqlite else f"sqlite:///{tmp_path / 'moved.db'}"


@pytest.fixture
def moved(empty_url, tmp_path):
    """The application on that database, migrated."""
    app = databases.application(str(tmp_path), empty_url)
    databases.migrate(app)
    yield app
    databases.close(app)


def execute(app: Flask, statement: str) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text(statement))


def first_use(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.min(Use.id)))


def allow_uses(app: Flask, number: int) -> None:
    """Make the database refuse uses after this many, like a disk that is full then."""
    if db_kind(app) == "sqlite":
        execute(
            app,
            f"CREATE TRIGGER full BEFORE INSERT ON uses WHEN NEW.id > {number} "
            "BEGIN SELECT RAISE(ABORT, 'full'); END",
        )
    else:
        execute(app, f'ALTER TABLE uses ADD CONSTRAINT "full" CHECK (id <= {number})')


def allow_all_uses(app: Flask) -> None:
    execute(
        app,
        "DROP TRIGGER full" if db_kind(app) == "sqlite" else 'ALTER TABLE uses DROP CONSTRAINT "full"',
    )


def db_kind(app: Flask) -> str:
    with app.app_context():
        return db.engine.dialect.name


def test_interrupted_copy_continues_and_works_there(app, cast, flask, empty_url, moved, monkeypatch):
    """From SQLite to PostgreSQL, and from PostgreSQL to SQLite."""
    monkeypatch.setattr(transfer, "ROWS_AT_ONCE", 2)
    key = cast.ada.key()
    use(app, key, 3)
    flask("uses", "roll-up")
    use(app, key, 4)
    allow_uses(moved, first_use(app) + 3)
    code, words = flask("copy-to", empty_url)
    assert (code, "the copy stopped" in words) == (1, True), words
    assert len(rows.uses_of(moved, key.id)) == 4
    # An unfinished copy is no source.
    unfinished = pytest.raises(transfer.TransferError, match="unfinished copy")
    with moved.app_context(), unfinished, transfer.snapshot(db.engine):
        pass
    allow_all_uses(moved)
    use(app, key)
    code, words = flask("copy-to", empty_url)
    assert (code, "all numbers agree" in words) == (0, True), words
    use(moved, key)
    assert len(rows.uses_of(moved, key.id)) == 9
    cast_there = moved.test_cli_runner().invoke(args=["users", "list"]).output
    assert cast_there == flask("users", "list")[1]
    assert moved.test_cli_runner().invoke(args=["uses", "verify"]).exit_code == 0


def test_completed_copy_in_use_is_not_replaced(app, cast, flask, empty_url, moved):
    use(app, cast.ada.key())
    assert flask("copy-to", empty_url)[0] == 0
    there = moved.test_cli_runner()
    for words in (
        ["users", "disable", "ben@acme.example", "--reason", "left"],
        ["users", "create", "new@acme.example", "--name", "New Person", "--mail-link"],
    ):
        assert there.invoke(args=words).exit_code == 0
    before = there.invoke(args=["users", "list"]).output
    assert ("New Person" in before, "disabled" in before) == (True, True)
    code, words = flask("copy-to", empty_url)
    assert (code, "has data of its own" in words) == (1, True), words
    assert there.invoke(args=["users", "list"]).output == before


def test_rotated_keys_are_copied(app, cast, api, flask, empty_url, moved, tmp_path, monkeypatch):
    """A key refers to the key that replaced it, a later row, which may refer to it as its creator."""
    monkeypatch.setattr(transfer, "ROWS_AT_ONCE", 2)
    maker, key = cast.ada.key("maker"), cast.ada.key("deploy")
    new = api(maker.secret).post(f"/keys/{key.id}/rotation", {}).json
    assert api(maker.secret).post(f"/keys/{maker.id}/rotation", {}).status_code == 201
    file = tmp_path / "backup.db"
    for words in (["backup", str(file)], ["restore-check", str(file)], ["copy-to", empty_url]):
        code, said = flask(*words)
        assert code == 0, said
    with moved.app_context():
        old = db.session.scalars(select(ApiKey).where(ApiKey.public_id == key.id)).one()
        assert (old.replaced_by.public_id, old.replaced_by.created_by.public_id) == (new["id"], maker.id)


@only_on("postgresql")
def test_uses_of_a_copy_are_counted_after_all_months_were_pruned(app, cast, flask, empty_url, moved):
    key, old = cast.ada.key(), now() - timedelta(days=100)
    number = use_log.key_number(app, key.id)
    with app.app_context():
        retention.make_months(db.engine, old, 1)
    for _ in range(3):
        use_log.append(app, number, old)
    assert flask("uses", "prune", "--older-than", "30")[1].startswith("2 uses")
    assert flask("copy-to", empty_url)[0] == 0
    use(moved, key)
    assert use_log.usage_count(moved, number).count == 4
    use_log.roll_up(moved)
    assert use_log.usage_count(moved, number).count == 4


def test_unfinished_copy_of_another_database_is_refused(app, cast, flask, empty_url, moved, monkeypatch):
    monkeypatch.setattr(transfer, "ROWS_AT_ONCE", 2)
    key = cast.ada.key()
    use(app, key, 3)
    allow_uses(moved, first_use(app) + 1)
    assert flask("copy-to", empty_url)[0] == 1
    # The source lacks uses that were copied.
    execute(app, "DELETE FROM uses")
    code, words = flask("copy-to", empty_url)
    assert (code, "has uses that this one has not" in words) == (1, True), words
    databases.empty(app)
    factories.person(app)
    code, words = flask("copy-to", empty_url)
    assert (code, "copy of another database" in words) == (1, True), words


def test_unfinished_copy_is_not_served(app, cast, flask, empty_url, moved, monkeypatch):
    monkeypatch.setattr(transfer, "ROWS_AT_ONCE", 2)
    use(app, cast.ada.key(), 3)
    allow_uses(moved, first_use(app) + 1)
    assert flask("copy-to", empty_url)[0] == 1
    with moved.app_context():
        with pytest.raises(ConfigError, match="is an unfinished copy"):
            bring_up_to_date(moved.config["SETTINGS"])
        worker = moved.test_cli_runner().invoke(args=["mail-worker"])
    assert "is an unfinished copy" in str(worker.exception)


@only_on("sqlite")
def test_copy_that_stops_while_it_migrates_is_unfinished(app, cast, flask, tmp_path):
    file = tmp_path / "new.db"
    with closing(sqlite3.connect(file)) as target:
        # The first migration fails.
        target.execute("CREATE TABLE teams (id INTEGER)")
        assert flask("copy-to", f"sqlite:///{file}")[0] == 1
        target.execute("DROP TABLE teams")
    assert "is an unfinished copy" in flask("restore-check", str(file))[1]
    assert flask("copy-to", f"sqlite:///{file}")[0] == 0
    assert flask("restore-check", str(file))[0] == 0


def test_database_is_not_copied_to_itself(app, cast, flask):
    url = app.config["SQLALCHEMY_DATABASE_URI"]
    code, words = flask("copy-to", url)
    assert (code, "cannot be copied to itself" in words) == (1, True), words
    assert rows.count(app, User) == 7


@only_on("sqlite")
def test_database_with_other_data_is_not_overwritten(app, cast, flask, tmp_path):
    other = databases.application(str(tmp_path), f"sqlite:///{tmp_path / 'other.db'}")
    databases.migrate(other)
    factories.person(other)
    code, words = flask("copy-to", other.config["SQLALCHEMY_DATABASE_URI"])
    assert (code, "has data of its own" in words) == (1, True)
    assert rows.count(other, User) == 1
    databases.close(other)
    for url in ("mysql://x", "nonsense", "sqlite://"):
        assert flask("copy-to", url)[0] == 1


def test_backup_file_is_restored_instead_of_the_database_in_use(app, cast, flask, empty_url, moved, tmp_path):
    use(app, cast.ada.key(), 2)
    file = tmp_path / "backup.db"
    assert flask("backup", str(file))[0] == 0
    saved = flask("users", "list")[1]
    flask("users", "disable", "ben@acme.example", "--reason", "damage")
    code, words = flask("copy-to", "--from", str(file), empty_url)
    assert (code, "all numbers agree" in words) == (0, True), words
    assert moved.test_cli_runner().invoke(args=["users", "list"]).output == saved
    assert not list(tmp_path.glob("backup.db-*"))


@only_on("sqlite")
@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + b"x" * 5000])
def test_file_that_is_no_backup_is_not_restored(app, flask, empty_url, tmp_path, content):
    file = tmp_path / "other.db"
    file.write_bytes(content)
    code, words = flask("copy-to", "--from", str(file), empty_url)
    assert (code, words.startswith(f"reflow-accounts: {file}: ")) == (1, True), words
    assert flask("copy-to", "--from", str(tmp_path / "missing"), empty_url)[0] == 2


@only_on("postgresql")
def test_copy_is_private(app, cast, flask, empty_url, tmp_path):
    assert flask("copy-to", empty_url)[0] == 0
    assert stat.S_IMODE((tmp_path / "moved.db").stat().st_mode) == 0o600
