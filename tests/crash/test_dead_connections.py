"""Closed connections to PostgreSQL and changed tables make no request fail."""

import time

import psycopg
import pytest

from reflow_accounts.server import WORKERS
from tests import factories
from tests.crash.timed_requests import KEYS, ME, PAGE, Clients, by_browser, by_key, statuses_of
from tests.crash.worker_connections import connect_to_every_worker
from tests.helpers.live_server import LiveServer
from tests.helpers.relay import Relay

pytestmark = [pytest.mark.slow, pytest.mark.alone]

TIMES = 5
KILLS = 20
# psycopg prepares a statement when a connection commits it for the sixth time; a pool holds five connections.
UNTIL_PREPARED = 40
# A new column; a type that the rows of a key check have; the old type again.
CHANGES = {
    "added": "ALTER TABLE teams ADD COLUMN IF NOT EXISTS added text",
    "widened": "ALTER TABLE users ALTER full_name TYPE varchar(500)",
    "unbounded": "ALTER TABLE users ALTER full_name TYPE text",
}
TERMINATE = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture(scope="module")
def database(postgres):
    """The database's own address."""
    return postgres.make_database("dead")


@pytest.fixture(scope="module")
def relay(postgres):
    relay = Relay(postgres.folder)
    relay.start()
    yield relay
    relay.stop()


@pytest.fixture(scope="module")
def server(relay, database, tmp_path_factory):
    live = LiveServer(tmp_path_factory.mktemp("dead"), relay.url_of(database))
    live.start()
    yield live
    live.kill()


@pytest.fixture(scope="module")
def person(server):
    person = factories.person(server.app)
    factories.team(server.app, "Reconnected", person, active=True)
    return person


@pytest.fixture(scope="module")
def secret(person):
    return person.key().secret


@pytest.fixture(scope="module")
def page(server, person):
    return by_browser(PAGE, person, server)


@pytest.fixture(scope="module")
def workers(server, secret):
    """One client for each process of the server."""
    connections = connect_to_every_worker(server, secret, WORKERS, WORKERS)
    yield {one.worker: one for one in connections}.values()
    for one in connections:
        one.close()


def end_connections(how: str, relay: Relay, database: str) -> None:
    if how == "terminated":
        with psycopg.connect(database, autocommit=True) as connection:
            assert connection.execute(TERMINATE).fetchall()
    else:
        relay.stop()
        relay.start()


def migrate(database: str, change: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(change)


@pytest.mark.parametrize("how", ["terminated", "restarted"])
def test_first_requests_afterwards_succeed(workers, relay, database, page, how):
    for _ in range(TIMES):
        assert [one.ask(KEYS) for one in workers] == [200] * WORKERS
        end_connections(how, relay, database)
        assert [one.ask() for one in workers] == [200] * WORKERS
        assert [one.ask(PAGE, Cookie=page.value) for one in workers] == [200] * WORKERS
        end_connections(how, relay, database)
        assert [one.ask(KEYS) for one in workers] == [200] * WORKERS


def test_requests_in_progress_get_an_answer(server: LiveServer, relay, database, secret, page):
    clients = Clients(server, [by_key(ME, secret), by_key(KEYS, secret), page] * 3)
    for _ in range(KILLS):
        number = len(clients.answers)
        while len(clients.answers) < number + 20:
            time.sleep(0.01)
        end_connections("terminated", relay, database)
    assert clients.finish() == 0
    assert statuses_of(clients.answers) <= {200, 503}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_table_fails_no_key_check(workers, database, change):
    assert {one.ask() for one in workers for _ in range(TIMES)} == {200}
    migrate(database, change)
    assert [one.ask() for one in workers for _ in range(TIMES)] == [200] * TIMES * WORKERS


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_table_breaks_no_view(workers, database, page, change):
    for one in workers:
        assert one.ask(PAGE, Cookie=page.value) == 200
        assert {one.ask(KEYS) for _ in range(UNTIL_PREPARED)} == {200}
    migrate(database, change)
    # A statement that was prepared for the old table cannot be run again in its transaction: try again.
    assert {one.ask(KEYS) for one in workers} <= {200, 503}
    assert [one.ask(KEYS) for one in workers for _ in range(TIMES)] == [200] * TIMES * WORKERS
    assert [one.ask(PAGE, Cookie=page.value) for one in workers] == [200] * WORKERS
