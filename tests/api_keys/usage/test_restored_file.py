"""A running server answers 503 while its SQLite file is missing, and uses a copy put in its place."""

import shutil
import sqlite3
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from reflow_accounts import config
from reflow_accounts.database import db
from tests.crash.load import ask, log_in
from tests.helpers import databases
from tests.helpers.live_server import LiveServer

# Each request opens a connection, so that both processes of the server get some.
TIMES = 12


@pytest.fixture
def server(tmp_path):
    live = LiveServer(tmp_path)
    live.start()
    yield live
    databases.close(live.app)
    live.kill()


def run_command(server: LiveServer, *arguments: str) -> None:
    with server.app.app_context():
        result = server.app.test_cli_runner().invoke(args=list(arguments))
    assert result.exit_code == 0, result.output


def statuses_of_key(server: LiveServer, secret: str) -> set[int]:
    return {ask(server, "GET", "/me", secret)[0] for _ in range(TIMES)}


def status_of(server: LiveServer, path: str) -> int:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    with closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


def count_uses(file: Path, name: str) -> int:
    query = "SELECT count(*) FROM uses JOIN api_keys k ON k.id = key_id WHERE k.name = ?"
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query, [name]).fetchone()[0]


def test_missing_database_is_503_and_a_restored_copy_is_used(server, tmp_path):
    file, copy = tmp_path / "reflow.db", tmp_path / "copy"
    session = log_in(server)
    key = ask(server, "POST", "/keys", session, {"name": "restored"})[1]
    run_command(server, "backup", str(copy))
    assert statuses_of_key(server, key["secret"]) == {200}
    assert {status_of(server, "/readyz") for _ in range(TIMES)} == {200}

    for part in tmp_path.glob("reflow.db*"):
        part.unlink()
    assert statuses_of_key(server, key["secret"]) == {503}
    assert ask(server, "POST", "/keys", key["secret"], {"name": "lost"})[0] == 503
    assert {status_of(server, "/readyz") for _ in range(TIMES)} == {503}
    assert list(tmp_path.glob("reflow.db*")) == []

    shutil.copy(copy, file)
    assert statuses_of_key(server, key["secret"]) == {200}
    assert ask(server, "POST", "/keys", key["secret"], {"name": "kept"})[0] == 201
    assert {status_of(server, "/readyz") for _ in range(TIMES)} == {200}
    assert count_uses(file, "restored") == TIMES + 1

    run_command(server, "users", "disable", "ada@acme.example", "--reason", "left")
    assert statuses_of_key(server, key["secret"]) == {401}


def test_request_creates_no_database(tmp_path):
    app = databases.application(str(tmp_path), f"sqlite:///{tmp_path / 'reflow.db'}")
    with app.app_context(), pytest.raises(OperationalError):
        db.session.execute(text("SELECT 1"))
    assert list(tmp_path.iterdir()) == []
    databases.migrate(app)
    with app.app_context():
        assert db.session.scalar(text("SELECT count(*) FROM uses")) == 0
    databases.close(app)


def test_relative_path_is_resolved_to_one_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environ = {"REFLOW_INSTANCE": str(tmp_path), "REFLOW_DATABASE_URL": "sqlite:///here.db"}
    assert config.load(environ).database_url == f"sqlite:///{tmp_path / 'here.db'}"
