"""Revocation holds for every request that begins after its answer, on every process of the server."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from reflow_accounts.server import WORKERS
from tests import factories
from tests.crash.clients import ask, log_in
from tests.crash.lines import Line, lines_to_every_worker

KEYS = 5
LINES = 8
LATE_REQUESTS = 56


@pytest.fixture
def lines(server):
    """`lines(secret)`: clients that keep their connections, some to each process of the server."""
    made: list[Line] = []

    def make(secret: str) -> list[Line]:
        made.extend(found := lines_to_every_worker(server, secret, WORKERS, LINES))
        assert {line.first for line in found} == {200}
        return found

    yield make
    for line in made:
        line.close()


def ask_all(lines: list[Line], times: int) -> list[int]:
    """Ask so often on each line, on all of them at once; return every status."""
    with ThreadPoolExecutor(len(lines)) as threads:
        answers = threads.map(lambda line: [line.ask() for _ in range(times)], lines)
        return [status for seen in answers for status in seen]


def test_no_request_after_the_answer_is_accepted(server, lines):
    session = log_in(server)
    late: list[int] = []
    for number in range(KEYS):
        key = ask(server, "POST", "/keys", session, {"name": f"raced {number}"})[1]
        clients = lines(key["secret"])
        assert set(ask_all(clients, 2)) == {200}
        assert ask(server, "DELETE", f"/keys/{key['id']}", session)[0] == 204
        late += ask_all(clients, LATE_REQUESTS)
    assert len(late) >= 2_000
    assert set(late) == {401}


def test_an_ended_subscription_closes_every_process_too(server, lines):
    person = factories.person(server.app)
    team = factories.team(server.app, "Raced", person, active=True)
    clients = lines(person.key().secret)
    team.unsubscribe()
    assert set(ask_all(clients, 8)) == {403}
    team.subscribe()
    assert set(ask_all(clients, 8)) == {200}
