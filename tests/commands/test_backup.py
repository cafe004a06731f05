"""`reflow-accounts backup FILE`: a consistent copy; existing files are not overwritten."""

import os
import re
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from reflow_accounts import transfer
from reflow_accounts.activity import chain
from reflow_accounts.database import db
from tests.api_keys.usage.use_log import only_on
from tests.commands.key_uses import use
from tests.helpers.file_limit import limit_files
from tests.helpers.live_server import ROOT, SECRET_KEY
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.postgresql_later


@only_on("sqlite")
def test_copy_is_whole_private_and_one_file(app, cast, flask, tmp_path):
    file = tmp_path / "copy.db"
    assert flask("backup", str(file)) == (0, f"The database was copied to {file}.\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    with closing(sqlite3.connect(file)) as copy:
        assert copy.execute("SELECT count(*) FROM users").fetchone() == (7,)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert list(tmp_path.iterdir()) == [file]


@only_on("sqlite")
def test_copy_excludes_uncommitted_writes(app, cast, flask, tmp_path):
    with app.app_context(), db.engine.connect() as writer:
        writer.execute(text("UPDATE users SET full_name = 'half done'"))
        assert flask("backup", str(tmp_path / "copy.db"))[0] == 0
        writer.rollback()
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM users WHERE full_name = 'half done'").fetchone() == (0,)


@only_on("postgresql")
def test_backup_does_not_hold_a_whole_table_in_memory(app, flask, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "ROWS_AT_ONCE", 500)
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(
            text(
                'INSERT INTO outbox_messages (kind, "to", data, created_at, due_at, tries, done_at, failure) '
                "SELECT 'test', 'a@b.example', json_build_object('text', repeat('x', 4000)), "
                "now(), now(), 0, now(), '' FROM generate_series(1, 20000)"
            )
        )
    before = memory_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM (proc_pid_clear_refs(5))
    assert flask("backup", str(tmp_path / "copy.db"))[0] == 0
    assert memory_mb("VmHWM") - before < 50


@only_on("sqlite")
def test_existing_file_is_not_overwritten(app, flask, tmp_path):
    file, link = tmp_path / "mine", tmp_path / "link"
    file.write_text("precious")
    link.symlink_to(tmp_path / "elsewhere")
    for taken in (file, link, tmp_path):
        code, words = flask("backup", str(taken))
        assert code == 1
        assert "exists already" in words
    assert file.read_text() == "precious"
    assert not (tmp_path / "elsewhere").exists()


@only_on("sqlite")
def test_missing_folder_is_an_error(app, flask, tmp_path):
    code, words = flask("backup", str(tmp_path / "no" / "copy.db"))
    assert code == 1
    assert "cannot be written (No such file or directory)" in words


def memory_mb(name):
    """Return VmRSS, the memory of this process, or VmHWM, its peak."""
    return int(re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024


def fault_in(file, statement):
    with closing(sqlite3.connect(file)) as copy:
        copy.execute("PRAGMA foreign_keys = OFF")
        copy.execute(statement)
        copy.commit()


def test_backup_is_checked(app, cast, flask, tmp_path):
    use(app, cast.ada.key(), 3)
    flask("uses", "roll-up")
    file = tmp_path / "copy.db"
    code, words = flask("backup", str(file))
    assert (code, f"The database was copied to {file}." in words) == (0, True), words
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    code, words = flask("restore-check", str(file))
    assert (code, "is whole: 7 users, " in words, " API keys, 3 uses;" in words) == (0, True, True)
    fault_in(file, "DELETE FROM uses WHERE id = (SELECT max(id) FROM uses)")
    code, words = flask("restore-check", str(file))
    assert (code, "differs from the log of uses" in words) == (1, True)
    fault_in(file, "DELETE FROM users")
    assert "refers to a missing row of users" in flask("restore-check", str(file))[1]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE audit_events SET subject = 'another'", "was changed after link"),
        ("UPDATE uses SET status = 201 WHERE id = (SELECT min(id) FROM uses)", "uses were added or changed"),
        ("UPDATE uses SET key_id = (SELECT min(key_id) FROM uses)", "uses were added or changed"),
        ("UPDATE chain_links SET digest = zeroblob(32) WHERE number = 2", "of the chain of usr_"),
        ("DELETE FROM chain_links WHERE number = 1", "does not follow the one before"),
    ],
)
def test_changed_records_of_a_backup_are_named(app, cast, flask, tmp_path, change, fault):
    cast.ada.sign_in(app.test_client())
    key = cast.ada.key()
    for used in (key, cast.ben.key(), key):
        use(app, used, 1)
    flask("uses", "roll-up")
    with app.app_context():
        chain.extend_with_events()
        chain.extend_with_uses()
    flask("backup", str(file := tmp_path / "copy.db"))
    assert flask("restore-check", str(file))[0] == 0
    fault_in(file, change)
    code, words = flask("restore-check", str(file))
    assert (code, fault in words) == (1, True), words


@only_on("sqlite")
def test_each_changed_use_is_found_among_those_of_other_accounts(app, cast, flask, tmp_path, monkeypatch):
    monkeypatch.setattr(chain, "USES_AT_ONCE", 4)
    keys = [cast.ada.key(), cast.ben.key(), cast.vic.key()]
    for number in (0, 1, 1, 0, 1, 2, 1, 0, 1, 1):
        use(app, keys[number])
    flask("uses", "roll-up")
    with app.app_context():
        chain.extend_with_uses()
    for number in range(1, 11):
        flask("backup", str(file := tmp_path / f"{number}.db"))
        fault_in(file, f"UPDATE uses SET status = 201 WHERE id = {number}")
        words = flask("restore-check", str(file))[1]
        assert words.count("uses were added or changed") == 1, (number, words)
    flask("backup", str(pruned := tmp_path / "pruned.db"))
    fault_in(pruned, "DELETE FROM uses WHERE id <= 6")
    assert "uses were added or changed" not in flask("restore-check", str(pruned))[1]


@pytest.mark.parametrize(
    ("revision", "advice"),
    [
        (
            "0015",
            "or migrate it: run `reflow-accounts db upgrade` with its address in REFLOW_DATABASE_URL.\n",
        ),
        ("9999", "Use the version that made it.\n"),
    ],
)
def test_backup_of_another_version_says_how_to_use_it(app, cast, flask, tmp_path, revision, advice):
    flask("backup", str(file := tmp_path / "copy.db"))
    fault_in(file, f"UPDATE alembic_version SET version_num = '{revision}'")
    for command in (("restore-check",), ("copy-to", f"sqlite:///{tmp_path / 'new.db'}", "--from")):
        code, words = flask(*command, str(file))
        assert (code, words.endswith(advice)) == (1, True), words


@only_on("sqlite")
@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + b"x" * 5000])
def test_file_that_is_no_backup_is_refused(app, flask, tmp_path, content):
    file = tmp_path / "other.db"
    file.write_bytes(content)
    code, words = flask("restore-check", str(file))
    assert (code, words.startswith(f"reflow-accounts: {file}: ")) == (1, True)
    assert file.read_bytes() == content


@only_on("sqlite")
def test_file_that_a_full_disk_keeps_from_being_read_is_not_called_damaged(
    app, cast, flask, tmp_path, monkeypatch
):
    flask("backup", str(file := tmp_path / "copy.db"))
    with closing(sqlite3.connect(file)) as copy:
        copy.execute("PRAGMA journal_mode = WAL")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it would be truncated, too
    limit_files(1000)()
    try:
        code, words = flask("restore-check", str(file))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (code, "its disk is full" in words, "damaged" in words) == (1, True, False), words


@only_on("postgresql")
def test_stopped_backup_leaves_no_file(app, tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    settings = app.config["SETTINGS"]
    environ = os.environ | {
        "REFLOW_INSTANCE": str(settings.instance),
        "REFLOW_DATABASE_URL": settings.database_url,
        "REFLOW_SECRET_KEY": SECRET_KEY,
    }
    command = [sys.executable, "-m", "reflow_accounts", "backup", str(folder / "copy.db")]
    is_waiting = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database "
        "WHERE d.datname = current_database() AND NOT granted"
    )
    with app.app_context(), db.engine.connect() as other, db.engine.connect() as observer:
        other.execute(text("LOCK TABLE memberships IN ACCESS EXCLUSIVE MODE"))
        with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.DEVNULL) as running:
            wait_until(lambda: observer.scalar(is_waiting), seconds=60)
            assert list(folder.iterdir())
            running.send_signal(signal.SIGTERM)
            assert running.wait(60) == 1
    assert list(folder.iterdir()) == []
