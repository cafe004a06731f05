"""Starts that fail say why and what to do, and leave nothing behind that hinders the next one."""

import errno
import os
import resource
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from reflow_accounts import config
from tests.helpers.file_limit import NO_BYTECODE, limit_files
from tests.helpers.live_server import ROOT, SECRET_KEY

pytestmark = pytest.mark.slow

# Without the right of root to open every file.
AS_ANYBODY = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


def run(folder, *words, largest_file=resource.RLIM_INFINITY, **environ):
    """Run an operator command that must fail, with files of at most `largest_file` bytes; return its message."""
    done = subprocess.run(
        [*AS_ANYBODY, sys.executable, "-m", "reflow_accounts", *words],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "REFLOW_INSTANCE": str(folder),
            **NO_BYTECODE,
            **environ,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=limit_files(largest_file),
    )
    assert done.returncode == 1
    return done.stderr


def test_full_disk_leaves_no_secret_key(tmp_path):
    assert run(tmp_path, "config", largest_file=10) == (
        f"reflow-accounts: The folder {tmp_path} cannot be written (File too large): "
        "make it writable or set REFLOW_INSTANCE to another.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_secret_key_is_kept_on_a_file_system_without_hard_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    key = config.load({"REFLOW_INSTANCE": str(tmp_path)}).secret_key
    assert config.load({"REFLOW_INSTANCE": str(tmp_path)}).secret_key == key
    assert [file.name for file in tmp_path.iterdir()] == ["secret.key"]


def test_processes_that_start_at_once_share_one_secret_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: config.load({"REFLOW_INSTANCE": str(tmp_path)}).secret_key, range(40)))
    assert len(set(keys)) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["secret.key"]


def test_unreadable_secret_key_is_not_called_unusable(tmp_path):
    file = tmp_path / "secret.key"
    file.write_text(SECRET_KEY)
    file.chmod(0)
    assert run(tmp_path, "users", "list") == (
        f"reflow-accounts: {file} cannot be read (Permission denied): make it readable for this user.\n"
    )


@pytest.mark.parametrize("command", [("serve",), ("db", "upgrade")])
def test_lock_of_another_user_is_named(tmp_path, command):
    lock = tmp_path / "reflow.db.lock"
    lock.touch(0o400)
    assert run(tmp_path, *command, REFLOW_SECRET_KEY=SECRET_KEY, PORT="1025") == (
        f"reflow-accounts: The file {lock} cannot be written (Permission denied): make it writable for this user.\n"
    )


@pytest.mark.parametrize("command", [("serve",), ("db", "upgrade"), ("db", "current")])
def test_database_that_does_not_answer_is_named(tmp_path, command):
    address = "postgresql://reflow@127.0.0.1:1/reflow"
    said = run(tmp_path, *command, REFLOW_SECRET_KEY=SECRET_KEY, REFLOW_DATABASE_URL=address, PORT="1025")
    assert said.startswith("reflow-accounts: the database cannot be opened (connection failed: ")
    assert said.endswith("Check that it answers, and REFLOW_DATABASE_URL.\n")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("command", [("serve",), ("db", "upgrade")])
def test_full_disk_is_named_when_the_database_is_migrated(tmp_path, command):
    said = run(tmp_path, *command, largest_file=50_000, REFLOW_SECRET_KEY=SECRET_KEY, PORT="1025")
    assert said.startswith("reflow-accounts: the database cannot be written (SQLITE_")
    assert said.endswith(
        "its disk is full, or it is read-only. Free space or make it writable, then try again.\n"
    )


def test_fault_of_a_migration_is_not_one_of_the_address(tmp_path):
    with closing(sqlite3.connect(tmp_path / "reflow.db")) as database:
        database.execute("CREATE TABLE users (id INTEGER)")
    said = run(tmp_path, "db", "upgrade", REFLOW_SECRET_KEY=SECRET_KEY)
    assert "Check that it answers" not in said
    assert "table users already exists" in said
    assert "migrations/versions/0001" in said
