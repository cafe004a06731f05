"""Start and end of the server: what it prints and logs, and how it stops."""

import json
import signal
import time

import pytest

from reflow_accounts.demo import PASSWORD
from tests.helpers.live_server import LiveServer
from tests.serving.raw_http import connected, request


@pytest.mark.slow
def test_stopping_server_closes_idle_connections_after_a_response(tmp_path):
    server = LiveServer(tmp_path)
    server.start()
    try:
        with connected(server) as first, connected(server) as second:
            for connection in (first, second):
                assert connection.exchange(request("/healthz")).headers["Connection"] is None
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            ready = first.exchange(request("/readyz"))
            assert (ready.status, ready.headers["Connection"]) == (503, "close")
            assert json.loads(ready.body)["not_ready"] == ["stopping"]
            refused = second.exchange(request("/api/v1/me"))
            assert (refused.status, refused.headers["Connection"]) == (401, "close")
            assert first.read_to_end() == second.read_to_end() == b""
        assert server.process.wait(20) == 0
    finally:
        server.kill()
    banner, lines = [], []
    for line in server.log.read_text().splitlines():
        (lines if line.startswith("{") else banner).append(line)
    assert {json.loads(line)["level"] for line in lines} == {"info"}
    assert server.url in banner[0]
    assert any("ada@acme.example" in line for line in banner)
    assert PASSWORD not in "".join(banner)
