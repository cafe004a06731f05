"""On a full disk writing requests get 503, nothing is half written, and they work again once space is free."""

import resource
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests import factories
from tests.crash.load import ask
from tests.crash.timed_requests import (
    FREE_OF_DATABASE,
    KEYS,
    ME,
    PAGE,
    READY,
    Answer,
    Clients,
    Request,
    by_browser,
    by_key,
    send,
    statuses_of,
    wait_for,
)
from tests.crash.worker_connections import process_tree
from tests.helpers.file_limit import NO_BYTECODE
from tests.helpers.live_server import LiveServer

pytestmark = [pytest.mark.slow, pytest.mark.alone]

CLIENTS = 8
REFUSALS = 50
FREE_BYTES = 200_000
DISK_MB = 32
LONGEST_S = 30.0


class Limit:
    """A limit on the size of files (setrlimit(2)): what the server writes beyond it fails with EFBIG."""

    condition = "SQLITE_IOERR_WRITE"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, server: LiveServer) -> None:
        largest = max(file.stat().st_size for file in self.folder.iterdir())
        self._set(server, largest + FREE_BYTES)

    def empty(self, server: LiveServer) -> None:
        self._set(server, resource.RLIM_INFINITY)

    def close(self) -> None:
        pass

    def _set(self, server: LiveServer, size: int) -> None:
        assert server.process
        for pid in process_tree(server.process.pid):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


class Disk:
    """A small file system in memory: what is written beyond its size fails with ENOSPC."""

    condition = "SQLITE_FULL"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"
        options = ["-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
        if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
            pytest.skip("a file system can be mounted by root alone")

    def fill(self, _server: LiveServer) -> None:
        with self._filler.open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                filler.truncate(max(filler.tell() - FREE_BYTES, 0))

    def empty(self, _server: LiveServer) -> None:
        self._filler.unlink()

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.fixture(params=[Limit, Disk], ids=["limit", "disk"])
def disk(request, tmp_path):
    disk = request.param(tmp_path)
    yield disk
    disk.close()


@pytest.fixture
def server(disk, tmp_path_factory):
    live = LiveServer(disk.folder, **NO_BYTECODE)
    live.log = tmp_path_factory.mktemp("log") / "server.log"
    live.start()
    yield live
    live.kill()


@pytest.fixture
def requests(server):
    """What a key and a browser ask for, by path."""
    person = factories.person(server.app)
    factories.team(server.app, "Writers", person, active=True)
    secret = person.key().secret
    return {ME: by_key(ME, secret), KEYS: by_key(KEYS, secret), PAGE: by_browser(PAGE, person, server)}


def first_column(server: LiveServer, query: str) -> list[Any]:
    with closing(sqlite3.connect(server.database_url.removeprefix("sqlite:///"))) as connection:
        return [row[0] for row in connection.execute(query)]


def use_until_refused(server: LiveServer, request: Request) -> list[Answer]:
    clients = Clients(server, [request] * CLIENTS)
    deadline = time.monotonic() + LONGEST_S
    while [response.status for response in clients.answers].count(503) < REFUSALS:
        assert time.monotonic() < deadline, clients.answers[-10:]
        time.sleep(0.01)
    assert clients.finish() == 0
    return clients.answers


def assert_recorded(server: LiveServer, responses: list[Answer]) -> None:
    """What was accepted is recorded once, and nothing that was refused."""
    sent = {response.name for response in responses}
    recorded = [name for name in first_column(server, "SELECT user_agent FROM uses") if name in sent]
    assert sorted(recorded) == sorted(response.name for response in responses if response.status == 200)
    assert first_column(server, "PRAGMA integrity_check") == ["ok"]


def test_writing_is_refused_until_space_is_free(server: LiveServer, disk, requests):
    # SQLite writes its log anew from the start after a checkpoint: a short one has to grow at once.
    assert first_column(server, "PRAGMA wal_checkpoint(TRUNCATE)") == [0]
    disk.fill(server)
    responses = use_until_refused(server, requests[ME])
    assert statuses_of(responses) == {200, 503}
    responses += [send(server, requests[KEYS]) for _ in range(CLIENTS)]
    assert statuses_of(responses[-CLIENTS:]) == {503}
    secret = requests[KEYS].value.removeprefix("Bearer ")
    assert ask(server, "POST", "/keys", secret, {"name": "not made"})[0] == 503
    reading = [requests[PAGE], *(Request(path) for path in (*FREE_OF_DATABASE, READY))]
    assert statuses_of([send(server, request) for request in reading]) == {200}
    assert_recorded(server, responses)

    disk.empty(server)
    wait_for(server, 200, LONGEST_S, [*requests.values()] * CLIENTS)
    server.restart()
    wait_for(server, 200, LONGEST_S, [*requests.values()] * CLIENTS)
    assert_recorded(server, responses)
    assert "not made" not in first_column(server, "SELECT name FROM api_keys")
    log = server.log.read_text()
    assert "Traceback" not in log
    assert f"key checks failed: OperationalError ({disk.condition})" in log
