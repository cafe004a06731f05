"""Revocation holds for every request that begins after its answer, on every process of the server."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.crash.clients import Crowd, ask, log_in

pytestmark = pytest.mark.slow

KEYS = 5
LATE_REQUESTS = 420


def test_no_request_after_the_answer_is_accepted(live):
    session = log_in(live)
    for number in range(KEYS):
        key = ask(live, "POST", "/keys", session, {"name": f"raced {number}"})[1]
        warm = [ask(live, "GET", "/me", key["secret"])[0] for _ in range(20)]
        assert set(warm) == {200}
        assert ask(live, "DELETE", f"/keys/{key['id']}", session)[0] == 204
        # A connection for each request, so that both processes get some.
        with ThreadPoolExecutor(8) as threads:
            late = list(
                threads.map(
                    lambda _, key=key: ask(live, "GET", "/me", key["secret"])[0], range(LATE_REQUESTS)
                )
            )
        assert late == [401] * LATE_REQUESTS


def test_an_ended_subscription_closes_every_process_too(live):
    from tests import factories

    person = factories.person(live.app)
    team = factories.team(live.app, "Raced", person, active=True)
    key = person.key()
    assert ask(live, "GET", "/me", key.secret)[0] == 200
    team.unsubscribe()
    assert [ask(live, "GET", "/me", key.secret)[0] for _ in range(60)] == [403] * 60
    team.subscribe()
    assert [ask(live, "GET", "/me", key.secret)[0] for _ in range(60)] == [200] * 60


def test_clients_that_keep_their_connection_notice_too(live):
    session = log_in(live)
    key = ask(live, "POST", "/keys", session, {"name": "kept open"})[1]
    crowd = Crowd(live, key["secret"], 4)
    watcher = threading.Thread(target=crowd.start)
    watcher.start()
    watcher.join()
    while sum(crowd.answers) < 20:
        pass
    assert ask(live, "DELETE", f"/keys/{key['id']}", session)[0] == 204
    at_revocation = sum(crowd.answers)
    while len(crowd.refusals) < 100:
        pass
    live.kill()
    # Requests that were on their way when the answer came: at most one for each client.
    assert crowd.wait() <= at_revocation + 4
    assert set(crowd.refusals) == {401}
    live.start()
