"""Revocation holds for every request that begins after its answer, on every process of the server."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from reflow_accounts.server import WORKERS
from tests import factories
from tests.crash.load import ask, log_in
from tests.crash.worker_connections import WorkerConnection, connect_to_every_worker

pytestmark = pytest.mark.slow

KEYS = 5
LINES = 8
LATE_REQUESTS = 56


@pytest.fixture
def connections(server):
    """`connections(secret)`: clients that keep their connections, some to each process of the server."""
    made: list[WorkerConnection] = []

    def make(secret: str) -> list[WorkerConnection]:
        made.extend(found := connect_to_every_worker(server, secret, WORKERS, LINES))
        assert {connection.first for connection in found} == {200}
        return found

    yield make
    for connection in made:
        connection.close()


def ask_all(connections: list[WorkerConnection], times: int) -> list[int]:
    """Send `times` requests on each connection, on all of them concurrently; return every status."""
    with ThreadPoolExecutor(len(connections)) as threads:
        responses = threads.map(lambda connection: [connection.ask() for _ in range(times)], connections)
        return [status for seen in responses for status in seen]


def test_revoked_key_is_refused_on_every_process(server, connections):
    session = log_in(server)
    late: list[int] = []
    for number in range(KEYS):
        key = ask(server, "POST", "/keys", session, {"name": f"raced {number}"})[1]
        clients = connections(key["secret"])
        assert set(ask_all(clients, 2)) == {200}
        assert ask(server, "DELETE", f"/keys/{key['id']}", session)[0] == 204
        late += ask_all(clients, LATE_REQUESTS)
    assert len(late) >= 2_000
    assert set(late) == {401}


def test_ended_subscription_is_refused_on_every_process(server, connections):
    person = factories.person(server.app)
    team = factories.team(server.app, "Raced", person, active=True)
    clients = connections(person.key().secret)
    team.unsubscribe()
    assert set(ask_all(clients, 8)) == {403}
    team.subscribe()
    assert set(ask_all(clients, 8)) == {200}
