"""Slow clients do not delay others: the four attacks of slowhttptest, on the real server."""

import socket
import threading
import time
import urllib.request
from contextlib import ExitStack

import pytest

from tests.helpers.live_server import LiveServer

pytestmark = [pytest.mark.slow, pytest.mark.alone]

CONNECTIONS = 200
SECONDS = 8.0
# What somebody else waits for a page meanwhile, at most, on a busy machine.
PATIENCE_S = 5.0
HEAD = b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BODY = (
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 60000\r\n\r\n"
)
CHUNKS = (
    b"POST /api/v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
READ = b"GET /static/vendor/htmx-4.0.1.min.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20
WAYS = {
    "headers": (HEAD, b"X-Drip: 1\r\n"),
    "bodies": (BODY, b"a"),
    "chunks": (CHUNKS, b"1\r\na\r\n"),
    "reads": (READ, b""),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    live = LiveServer(tmp_path_factory.mktemp("slow"))
    live.start()
    yield live
    live.kill()


def connect(server: LiveServer, first: bytes) -> socket.socket:
    drip = socket.socket()
    # A small receive buffer, so that the server must keep what is not read.
    drip.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    drip.settimeout(10)
    drip.connect(("127.0.0.1", server.port))
    drip.sendall(first)
    return drip


def keep_dripping(drips: list[socket.socket], drop: bytes, is_over: threading.Event) -> None:
    while not is_over.wait(0.5):
        for drip in drips:
            try:
                if drop:
                    drip.sendall(drop)
                else:
                    drip.recv(1)
            except OSError:
                continue  # the server may hang up: that is its good right


@pytest.mark.parametrize("way", list(WAYS))
def test_slow_clients_do_not_delay_others(server, way):
    first, drop = WAYS[way]
    is_over = threading.Event()
    with ExitStack() as stack:
        drips = [stack.enter_context(connect(server, first)) for _ in range(CONNECTIONS)]
        dripping = threading.Thread(target=keep_dripping, args=(drips, drop, is_over))
        dripping.start()
        stack.callback(dripping.join)
        stack.callback(is_over.set)
        waits = []
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            begun = time.monotonic()
            with urllib.request.urlopen(f"{server.url}/login", timeout=PATIENCE_S) as response:
                assert response.status == 200
                response.read()
            waits.append(time.monotonic() - begun)
    assert max(waits) < PATIENCE_S, waits
    assert len(waits) > 10
