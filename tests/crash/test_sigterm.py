"""On SIGTERM the server answers accepted requests, records their uses and exits with 0."""

import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import func, select, text

from reflow_accounts.api_keys.models import ApiKey, Use
from reflow_accounts.database import db
from reflow_accounts.server import SECONDS_TO_STOP, WORKERS
from tests.crash.load import LoadClients, ask, log_in
from tests.crash.timed_requests import KEYS, ME, Clients, by_key
from tests.crash.worker_connections import WorkerConnection
from tests.helpers.live_server import LiveServer

pytestmark = [pytest.mark.slow, pytest.mark.alone]

CLIENTS = 8
ROUNDS = 3
ATTEMPTS = 3
SECONDS_TO_EXIT = 20
ENOUGH_ANSWERS = 50


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request, tmp_path_factory):
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").make_database("sigterm")
    live = LiveServer(tmp_path_factory.mktemp("sigterm"), url)
    live.start()
    yield live
    live.kill()


def count_uses(server: LiveServer, key_id: str) -> int:
    query = select(func.count()).select_from(Use).join(Use.key).where(ApiKey.public_id == key_id)
    with server.app.app_context():
        return db.session.scalar(query)


def terminate(server: LiveServer, seconds: float = SECONDS_TO_EXIT) -> int:
    """Send SIGTERM to the main process, as systemd and Docker do; return its exit code."""
    assert server.process
    server.process.send_signal(signal.SIGTERM)
    return server.process.wait(seconds)


@contextmanager
def holding_uses(server: LiveServer) -> Iterator[None]:
    """Let no use be recorded while the block runs."""
    with server.app.app_context(), db.engine.connect() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        connection.execute(text("DELETE FROM uses WHERE 1 = 0" if is_sqlite else "LOCK TABLE uses"))
        yield
        connection.rollback()


def started(server: LiveServer) -> dict[str, str]:
    """Return a new key, when every process of the server answers."""
    key: dict[str, str] = ask(server, "POST", "/keys", log_in(server), {"name": secrets.token_hex(4)})[1]
    deadline, seen = time.monotonic() + 30, set()
    while len(seen) < WORKERS:
        assert time.monotonic() < deadline, "one process takes every connection"
        one = WorkerConnection(server, key["secret"])
        seen.add(one.worker)
        one.close()
        time.sleep(0.02)
    return key


def test_stopping_server_records_every_answered_use(server):
    for _ in range(ROUNDS):
        key = started(server)
        before = count_uses(server, key["id"])
        crowd = LoadClients(server, key["secret"], CLIENTS)
        crowd.start()
        while sum(crowd.answers) < ENOUGH_ANSWERS:
            time.sleep(0.01)
        assert terminate(server) == 0
        responses = crowd.wait()
        server.restart()
        recorded = count_uses(server, key["id"]) - before
        assert crowd.refusals == []
        assert responses <= recorded <= responses + CLIENTS
        assert ask(server, "GET", "/me", key["secret"])[0] == 200
    assert "Traceback" not in server.log.read_text()


def test_stopping_server_answers_requests_in_progress(server):
    secret = started(server)["secret"]
    requests = [by_key(ME, secret), by_key(KEYS, secret)] * (CLIENTS // 2)
    with holding_uses(server):
        clients = Clients(server, requests)
        time.sleep(1)  # nothing tells when a request has arrived and waits
        server.process.send_signal(signal.SIGTERM)
        unanswered = clients.finish(1)
    assert unanswered == CLIENTS
    assert clients.finish() == 0
    assert [response.status for response in clients.answers] == [200] * CLIENTS
    assert server.process.wait(SECONDS_TO_EXIT) == 0


def test_stopping_server_does_not_wait_for_idle_clients(server):
    secret = started(server)["secret"]
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            stack.callback(WorkerConnection(server, secret).close)
        begun = time.monotonic()
        assert terminate(server) == 0
    assert time.monotonic() - begun < SECONDS_TO_EXIT / 2


def test_starting_server_can_be_stopped(server):
    """One process answers already while the other is still starting.

    A signal is lost that comes just between the startup of a worker's application and its event loop: granian's
    main process ends that worker after SECONDS_TO_STOP.
    """
    for _ in range(ATTEMPTS):
        assert terminate(server, SECONDS_TO_STOP + SECONDS_TO_EXIT) == 0
        server.restart()
