"""While another connection holds SQLite's write lock, key checks wait up to five seconds, and others do not wait."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests import factories
from tests.crash.timed_requests import (
    FREE_OF_DATABASE,
    KEYS,
    ME,
    PAGE,
    Answer,
    Clients,
    by_browser,
    by_key,
    send,
    slowest,
    statuses_of,
    watch,
)
from tests.helpers.live_server import LiveServer

pytestmark = [pytest.mark.slow, pytest.mark.alone]

CHECKS = 8
LONGEST_WITHOUT_WRITING_S = 3.0
# Five seconds of waiting, and what a busy machine adds.
LONGEST_CHECK_S = 7.0


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    live = LiveServer(tmp_path_factory.mktemp("writer"))
    live.start()
    yield live
    live.kill()


@pytest.fixture(scope="module")
def person(server):
    person = factories.person(server.app)
    factories.team(server.app, "Waiting", person, active=True)
    return person


@pytest.fixture(scope="module")
def checks(server, person):
    """Requests by a key: most are answered in the event loop, some by a view."""
    secret = person.key().secret
    return [by_key(ME, secret), by_key(ME, secret), by_key(ME, secret), by_key(KEYS, secret)] * (CHECKS // 4)


def database(server: LiveServer) -> sqlite3.Connection:
    return sqlite3.connect(server.database_url.removeprefix("sqlite:///"), isolation_level=None)


@contextmanager
def writing(server: LiveServer, seconds: float) -> Iterator[None]:
    """Hold the write lock while the block runs, for as many seconds at least, and change nothing."""
    with closing(database(server)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        end = time.monotonic() + seconds
        yield
        time.sleep(max(end - time.monotonic(), 0))
        connection.rollback()


def assert_recorded_once(server: LiveServer, responses: list[Answer]) -> None:
    """Every request has a name of its own: those that were accepted are recorded, each once, and no others."""
    accepted = [response.name for response in responses if response.status == 200]
    sent = {response.name for response in responses}
    with closing(database(server)) as connection:
        recorded = [name for (name,) in connection.execute("SELECT user_agent FROM uses") if name in sent]
    assert sorted(recorded) == sorted(accepted)


def assert_undisturbed(others: list[Answer]) -> None:
    assert statuses_of(others) == {200}
    assert slowest(others) < LONGEST_WITHOUT_WRITING_S


def test_key_checks_wait_for_a_short_writer(server: LiveServer, checks):
    with watch(server, *FREE_OF_DATABASE) as others, writing(server, 3):
        clients = Clients(server, checks)
    assert clients.finish() == 0
    assert statuses_of(clients.answers) == {200}
    assert slowest(clients.answers) > 2.5
    assert_recorded_once(server, clients.answers)
    assert_undisturbed(others)


def test_key_checks_get_503_during_a_long_writer(server: LiveServer, checks):
    with watch(server, *FREE_OF_DATABASE) as others, writing(server, 8):
        clients = Clients(server, checks)
    assert clients.finish() == 0
    refused = [response for response in clients.answers if response.status == 503]
    # One each: those that are sent after five seconds are answered when the writer ends, after three more.
    assert len(refused) == CHECKS
    assert {response.retry_after for response in refused} == {"5"}
    assert statuses_of(clients.answers) == {200, 503}
    assert slowest(clients.answers) < LONGEST_CHECK_S
    assert_recorded_once(server, clients.answers)
    assert_undisturbed(others)
    assert {send(server, check).status for check in checks * 2} == {200}


def test_pages_are_read_during_a_long_writer(server: LiveServer, person):
    page = by_browser(PAGE, person, server)
    with writing(server, 2):
        clients = Clients(server, [page] * 2)
    assert clients.finish() == 0
    assert_undisturbed(clients.answers)
