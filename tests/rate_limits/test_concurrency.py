"""Of many concurrent attempts exactly ten pass, in one process and in several."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest

from reflow_accounts import config
from reflow_accounts.app import create_app
from reflow_accounts.errors import RateLimited
from reflow_accounts.rate_limits import service
from tests.helpers.live_server import LiveServer

ALLOWED, AT_ONCE = 10, 40


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request, tmp_path_factory):
    """A server with limits behind one proxy, on each database."""
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").make_database("limits")
    settings = {"REFLOW_RATE_LIMITS": "on", "REFLOW_TRUSTED_PROXIES": "1"}
    live = LiveServer(tmp_path_factory.mktemp("limits"), url, **settings)
    live.start()
    yield live
    live.kill()


def count_true_at_once(attempt):
    """Call a function in threads that start together; return how often it returned True."""
    barrier = threading.Barrier(AT_ONCE)

    def run(number):
        barrier.wait()
        return attempt(number)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return sum(threads.map(run, range(AT_ONCE)))


def is_checked(server, email, address):
    """Send a wrong password; return whether it was checked, not limited."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
    connection.request("POST", "/api/v1/sessions", json.dumps({"email": email, "password": "x"}), headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status in (401, 429)
    return response.status == 401


def test_exactly_ten_of_many_threads_pass(app):
    def is_counted(_number):
        with app.app_context():
            try:
                service.hit("sign-in", account="ada")
            except RateLimited:
                return False
            return True

    assert count_true_at_once(is_counted) == ALLOWED


def test_exactly_ten_requests_for_one_account_pass(server):
    assert (
        count_true_at_once(lambda number: is_checked(server, "ada@acme.example", f"192.0.2.{number}"))
        == ALLOWED
    )


def test_exactly_ten_requests_from_one_address_pass(server):
    assert (
        count_true_at_once(lambda number: is_checked(server, f"p{number}@acme.example", "198.51.100.1"))
        == ALLOWED
    )


def test_only_trusted_proxy_sets_the_client_address(server):
    """Addresses that the client puts before the proxy's own have no effect."""
    results = [
        is_checked(server, f"q{number}@acme.example", f"203.0.113.{number}, 198.51.100.2")
        for number in range(12)
    ]
    assert results == [True] * ALLOWED + [False] * 2


def test_limiter_without_database_refuses_requests(tmp_path):
    environ = {
        "REFLOW_INSTANCE": str(tmp_path),
        "REFLOW_DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/none",
        "REFLOW_PASSWORD_ROUNDS": "4",
    }
    client = create_app(config.load(environ)).test_client()
    response = client.post("/api/v1/sessions", json={"email": "ada@acme.example", "password": "x"})
    assert (response.status_code, response.json["code"]) == (503, "unavailable")
    assert response.headers["Retry-After"] == "5"
