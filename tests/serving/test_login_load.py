"""Continuous log-ins delay neither key checks nor `/healthz`."""

import json
import multiprocessing
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.client import HTTPConnection
from statistics import quantiles

import pytest

from reflow_accounts.demo import PASSWORD
from tests import factories
from tests.helpers.live_server import LiveServer

pytestmark = [pytest.mark.slow, pytest.mark.alone]

ATTACKERS, SAMPLES = 32, 300
# The slowest 5 % of requests: a key check beside its value on an idle server, and `/healthz` in seconds.
LARGEST_RATIO, SLOWEST_HEALTHZ = 3.0, 0.05
# A key check on an idle server takes about a millisecond; differences below this are noise of the machine.
SHORTEST_P95 = 0.005


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request, tmp_path_factory):
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").make_database("login_load")
    live = LiveServer(tmp_path_factory.mktemp("load"), url, REFLOW_PASSWORD_ROUNDS="12")
    live.start()
    yield live
    live.kill()


@pytest.fixture(scope="module")
def bearer(server):
    """The Authorization header of a key that works."""
    team = factories.team(server.app, "Busy", factories.person(server.app), active=True)
    return {"Authorization": f"Bearer {factories.service_account(server.app, team, 'busy').key().secret}"}


def p95_of(server, path, headers):
    """Return the 95th percentile of the response times of sequential requests, in seconds."""
    connection, times = HTTPConnection("127.0.0.1", server.port, timeout=60), []
    for _ in range(SAMPLES):
        started_at = time.perf_counter()
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
        times.append(time.perf_counter() - started_at)
        assert response.status == 200
        time.sleep(0.005)
    connection.close()
    return quantiles(times, n=20)[-1]


def log_in_without_pause(port, counts):
    """Log in in many threads until the process is killed; count the answers by status."""
    body = json.dumps({"email": "ada@acme.example", "password": PASSWORD})

    def log_in():
        while True:
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", "/api/v1/sessions", body, {"Content-Type": "application/json"})
            counts.put(connection.getresponse().status)
            connection.close()

    for _ in range(ATTACKERS):
        threading.Thread(target=log_in).start()


@contextmanager
def attacking(server):
    """Attack from another process, so that its threads do not delay the measurement."""
    spawn = multiprocessing.get_context("spawn")
    counts = spawn.SimpleQueue()
    attacker = spawn.Process(target=log_in_without_pause, args=(server.port, counts))
    attacker.start()
    statuses = Counter([counts.get()])
    try:
        yield statuses
        while not counts.empty():
            statuses[counts.get()] += 1
    finally:
        attacker.kill()
        attacker.join()


def test_logins_delay_no_key_check(server, bearer):
    idle = p95_of(server, "/api/v1/me", bearer)
    with attacking(server) as statuses:
        under_load = p95_of(server, "/api/v1/me", bearer)
        healthz = p95_of(server, "/healthz", {})
    assert set(statuses) <= {201, 503}
    assert statuses[201] > 0
    figures = f"idle {idle * 1000:.1f} ms, under load {under_load * 1000:.1f}, /healthz {healthz * 1000:.1f}"
    assert under_load <= LARGEST_RATIO * max(idle, SHORTEST_P95 / LARGEST_RATIO), figures
    assert healthz <= SLOWEST_HEALTHZ, figures
    print(figures, statuses)
