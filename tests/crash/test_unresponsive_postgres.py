"""While PostgreSQL does not respond, requests that need it get 503 in time and others their normal answer."""

import signal
import time
from contextlib import closing
from http.client import HTTPConnection

import psycopg
import pytest

from reflow_accounts.activity.streaming import CUT_SHORT
from tests import factories
from tests.api_keys.usage import use_log
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
    slowest,
    statuses_of,
    wait_for,
    watch,
)
from tests.helpers.at_once import at_once
from tests.helpers.live_server import LiveServer
from tests.helpers.relay import Relay

pytestmark = [pytest.mark.slow, pytest.mark.alone]

LONGEST_S = 15.0
LONGEST_WITHOUT_DATABASE_S = 1.0
RECOVERED_AFTER_S = 15.0
SECONDS_TO_EXIT = 20
PAGES, CHECKS = 16, 8
# More rows take longer to write than to read: the database falls silent while pages are being written.
KEYS_ON_PAGE = 60
LINES = 12_000
# Connections of each kind, so that both processes of the server are asked.
TIMES = 8


@pytest.fixture(scope="module")
def database(postgres):
    """The database's own address."""
    return postgres.make_database("unresponsive")


@pytest.fixture(scope="module")
def relay(postgres):
    relay = Relay(postgres.folder)
    relay.start()
    yield relay
    relay.stop()


@pytest.fixture(scope="module")
def server(relay, database, tmp_path_factory):
    live = LiveServer(tmp_path_factory.mktemp("unresponsive"), relay.url_of(database))
    live.start()
    yield live
    relay.thaw()
    live.kill()


@pytest.fixture(scope="module")
def requests(server):
    """Requests that need the database, by their path."""
    person = factories.person(server.app)
    factories.team(server.app, "Patient", person, active=True)
    secrets = [person.key().secret for _ in range(KEYS_ON_PAGE)]
    page = by_browser(PAGE, person, server)
    return {ME: by_key(ME, secrets[0]), KEYS: by_key(KEYS, secrets[0]), PAGE: page, READY: Request(READY)}


@pytest.fixture
def long_file(server):
    """A download of several pieces, longer than the buffers on the way."""
    person = factories.person(server.app)
    factories.team(server.app, "Readers", person, active=True)
    number = use_log.key_number(server.app, person.key().id)
    use_log.append_many(server.app, number, LINES, "/" + "p" * 250, "u" * 250)
    return by_browser("/account/activity/export", person, server)


@pytest.fixture(autouse=True)
def recovered(server, relay, requests):
    """The server has connections before each test, and needs no help afterwards."""
    wait_for(server, 200, RECOVERED_AFTER_S, [*requests.values()] * TIMES)
    yield
    relay.thaw()
    wait_for(server, 200, RECOVERED_AFTER_S, [*requests.values()] * TIMES)


def names_of_recorded(database: str) -> list[str]:
    with psycopg.connect(database) as connection:
        return [name for (name,) in connection.execute("SELECT user_agent FROM uses")]


def assert_recorded_once(database: str, responses: list[Answer]) -> set[str]:
    """Each use that was answered with 200 is recorded, and none twice; return the names of all that are."""
    recorded = names_of_recorded(database)
    assert {
        response.name for response in responses if response.path in (ME, KEYS) and response.status == 200
    } <= set(recorded)
    assert len(recorded) == len(set(recorded))
    return set(recorded)


@pytest.mark.parametrize("wave", ["connected", "reconnecting"])
def test_requests_that_need_the_database_get_503_in_time(server: LiveServer, relay, requests, wave):
    together = [requests[PAGE]] * PAGES + [requests[ME]] * CHECKS + [requests[KEYS], requests[READY]] * 2
    relay.freeze()
    if wave == "reconnecting":
        at_once([lambda one=one: send(server, one) for one in together])
    with watch(server, *FREE_OF_DATABASE) as others:
        responses = at_once([lambda one=one: send(server, one) for one in together])
    assert statuses_of(responses) == {503}
    assert {response.retry_after for response in responses} == {"5"}
    assert slowest(responses) < LONGEST_S
    assert statuses_of(others) == {200}
    assert slowest(others) < LONGEST_WITHOUT_DATABASE_S
    assert len(others) > 50


@pytest.mark.parametrize("attempt", range(3))
def test_requests_in_progress_are_answered_in_time(server: LiveServer, relay, requests, database, attempt):
    clients = Clients(server, [requests[PAGE]] * PAGES + [requests[ME], requests[KEYS]] * (CHECKS // 2))
    time.sleep(2)
    relay.freeze()
    unanswered = clients.finish(LONGEST_S)
    relay.thaw()
    assert clients.finish() == 0
    assert statuses_of(clients.answers) == {200, 503}
    assert_recorded_once(database, clients.answers)
    assert unanswered == 0
    assert slowest(clients.answers) < LONGEST_S


def test_request_with_503_is_recorded_at_most_once(server: LiveServer, relay, requests, database):
    relay.freeze()
    refused = at_once([lambda one=one: send(server, one) for one in [requests[ME], requests[KEYS]] * CHECKS])
    assert statuses_of(refused) == {503}
    relay.thaw()
    wait_for(server, 200, RECOVERED_AFTER_S, [*requests.values()] * TIMES)
    recorded = assert_recorded_once(database, refused)
    # The statement of a key check may have been on its way; a view had sent nothing that records.
    assert not {response.name for response in refused if response.path == KEYS} & recorded


def test_download_in_progress_ends_early(server: LiveServer, relay, long_file):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=LONGEST_S)
    with closing(connection):
        connection.request("GET", long_file.path, headers={long_file.header: long_file.value})
        response = connection.getresponse()
        begun = response.read(1000)
        relay.freeze()
        rest = response.read()
    assert response.status == 200
    assert begun.startswith(b"Time (UTC),")
    assert CUT_SHORT.encode() in rest


def test_server_stops_at_sigterm(server: LiveServer, relay, requests):
    clients = Clients(server, [requests[PAGE], requests[ME]] * CHECKS)
    time.sleep(2)
    relay.freeze()
    server.process.send_signal(signal.SIGTERM)
    try:
        assert server.process.wait(SECONDS_TO_EXIT) == 0
    finally:
        relay.thaw()
        clients.finish()
        server.restart()
