"""Slow downloads do not block other requests and need little memory."""

import re
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import factories
from tests.api_keys.usage import use_log
from tests.crash.timed_requests import ME, Request, by_browser, by_key, send, slowest, statuses_of
from tests.crash.worker_connections import process_tree
from tests.helpers.live_server import LiveServer

pytestmark = [pytest.mark.slow, pytest.mark.alone]

EXPORT, PAGE = "/account/activity/export", "/account/activity"
# One person may hold two files of each of the two processes.
PERSONS, FILES_OF_EACH = 10, 2
# More than the socket buffers hold.
LINES = 12_000
WAIT_S = 20
LONGEST_S = 5.0
MOST_MEMORY_MB = 60


@pytest.fixture(scope="module")
def people(server):
    """People with a long activity; each has a key and is signed in."""
    requests = []
    for _ in range(PERSONS):
        person = factories.person(server.app)
        factories.team(server.app, "Readers", person, active=True)
        key = person.key()
        number = use_log.key_number(server.app, key.id)
        use_log.append_many(server.app, number, LINES, "/" + "p" * 250, "u" * 250)
        requests.append((by_browser(EXPORT, person, server), by_key(ME, key.secret)))
    return requests


def begin_to_read(reader: socket.socket, server: LiveServer, request: Request) -> None:
    """Ask for the file and read its first bytes, no more."""
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.settimeout(WAIT_S)
    reader.connect(("127.0.0.1", server.port))
    head = f"GET {request.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{request.header}: {request.value}\r\n\r\n"
    reader.sendall(head.encode())
    assert b"200 OK" in reader.recv(64)


def memory_mb(server: LiveServer) -> float:
    """Return how much memory the processes of the server hold."""
    assert server.process
    states = [Path(f"/proc/{pid}/status").read_text() for pid in process_tree(server.process.pid)]
    return sum(int(re.findall(r"VmRSS:\s+(\d+) kB", state)[0]) for state in states) / 1024


def test_slow_readers_block_no_other_requests(server: LiveServer, people):
    download_request, key_check = people[0]
    page = download_request._replace(path=PAGE)
    other_requests = [Request("/healthz"), page, key_check]
    # Both processes have sent a file and a page, so that what they load once is not counted.
    assert statuses_of([send(server, request) for request in [download_request, *other_requests] * 4]) == {
        200
    }
    before = memory_mb(server)
    responses, memory = [], []
    with ExitStack() as stack:
        for request, _ in people * FILES_OF_EACH:
            begin_to_read(stack.enter_context(socket.socket()), server, request)
        for _ in range(20):
            responses += [send(server, request) for request in other_requests]
            memory.append(memory_mb(server) - before)
    assert statuses_of(responses) == {200}
    assert slowest(responses) < LONGEST_S
    assert max(memory) < MOST_MEMORY_MB
    # The readers have disconnected: downloads are possible as soon as the server has noticed.
    deadline = time.monotonic() + WAIT_S
    while (status := send(server, download_request).status) == 503:
        assert time.monotonic() < deadline
    assert status == 200
