"""`flask backup FILE`: a consistent copy; existing files are not overwritten."""

import sqlite3
import stat
from contextlib import closing

from sqlalchemy import text

from reflow_accounts.database import db
from tests.api_keys.usage.log import on


@on("sqlite")
def test_copy_is_whole_private_and_one_file(app, cast, flask, tmp_path):
    file = tmp_path / "copy.db"
    assert flask("backup", str(file)) == (0, f"The database was copied to {file}.\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    with closing(sqlite3.connect(file)) as copy:
        assert copy.execute("SELECT count(*) FROM users").fetchone() == (7,)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert list(tmp_path.iterdir()) == [file]


@on("sqlite")
def test_copy_excludes_uncommitted_writes(app, cast, flask, tmp_path):
    with app.app_context(), db.engine.connect() as writer:
        writer.execute(text("UPDATE users SET full_name = 'half done'"))
        assert flask("backup", str(tmp_path / "copy.db"))[0] == 0
        writer.rollback()
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM users WHERE full_name = 'half done'").fetchone() == (0,)


@on("sqlite")
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


@on("sqlite")
def test_missing_folder_is_an_error(app, flask, tmp_path):
    code, words = flask("backup", str(tmp_path / "no" / "copy.db"))
    assert code == 1
    assert "cannot be written (No such file or directory)" in words


@on("postgresql")
def test_postgresql_is_referred_to_pg_dump(app, flask, tmp_path):
    code, words = flask("backup", str(tmp_path / "copy.db"))
    assert code == 1
    assert "pg_dump" in words
    assert not (tmp_path / "copy.db").exists()
