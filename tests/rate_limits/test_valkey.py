"""Counters in a real Valkey or Redis server, when one is installed."""

import shutil
import subprocess
import time
from dataclasses import replace

import pytest

from reflow_accounts.app import create_app
from reflow_accounts.errors import RateLimited, Unavailable
from reflow_accounts.rate_limits import service
from reflow_accounts.rate_limits.counters import limiter
from tests.helpers import databases
from tests.helpers.live_server import free_port

PROGRAM = shutil.which("valkey-server") or shutil.which("redis-server")

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="there is neither Valkey nor Redis here"),
    pytest.mark.postgresql_later,
]


@pytest.fixture
def counter_server(tmp_path):
    """A Valkey or Redis server: its port and its process."""
    port = free_port()
    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path))
    process = subprocess.Popen([PROGRAM, *options], stdout=subprocess.DEVNULL)
    yield port, process
    process.kill()
    process.wait()


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_nodes_share_their_counters(app, counter_server, scheme):
    port, process = counter_server
    url = f"{scheme}://127.0.0.1:{port}"
    nodes = [create_app(replace(app.config["SETTINGS"], ratelimit_storage_url=url)) for _ in range(2)]
    with nodes[0].app_context():
        deadline = time.monotonic() + 20
        while not limiter().storage.check():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    for number in range(10):
        with nodes[number % 2].app_context():
            service.hit("sign-in", account="ada@acme.example")
    with nodes[0].app_context():
        service.give_back("sign-in", account="ada@acme.example")
    with nodes[1].app_context():
        service.hit("sign-in", account="ada@acme.example")
        service.hit("sign-in", account="ben@acme.example")
    for node in nodes:
        with node.app_context(), pytest.raises(RateLimited):
            service.hit("sign-in", account="ada@acme.example")
    process.kill()
    process.wait()
    with nodes[0].app_context(), pytest.raises(Unavailable):
        service.hit("sign-in", account="ben@acme.example")
    assert nodes[1].test_client().get("/readyz").json["not_ready"] == ["rate_limits"]
    for node in nodes:
        databases.close(node)
