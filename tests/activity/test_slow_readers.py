"""Who asks for a long file and does not read it keeps nobody else waiting, on the real server."""

import http.client
import socket
import time
from contextlib import ExitStack

from tests import factories
from tests.helpers.page_client import PageClient
from tests.uses import log

# Twice as many readers as the server has threads; one person may hold two files of each of two processes.
PERSONS, FILES_OF_EACH = 4, 2
WAIT_SECONDS = 20


def ask_and_wait(one: socket.socket, live, cookie: str) -> None:
    """Ask for the file and read its first bytes, no more."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.settimeout(WAIT_SECONDS)
    one.connect(("127.0.0.1", live.port))
    request = f"GET /account/activity/export HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: reflow={cookie}\r\n\r\n"
    one.sendall(request.encode())
    assert b"200 OK" in one.recv(64)


def status_of(live, path: str, cookie: str = "") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=WAIT_SECONDS)
    try:
        connection.request("GET", path, headers={"Cookie": f"reflow={cookie}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def test_readers_that_do_not_read_stop_nobody(live):
    cookies = []
    for _ in range(PERSONS):
        person = factories.person(live.app)
        factories.team(live.app, "Readers", person, active=True)
        # More than the buffers on the way hold.
        number = log.number_of(live.app, person.key().id)
        log.append_many(live.app, number, 12_000, "/" + "p" * 250, "u" * 250)
        browser = person.sign_in(PageClient(live.app, live.app.response_class))
        cookies.append(browser.get_cookie("reflow").value)
    with ExitStack() as readers:
        for cookie in cookies:
            for _ in range(FILES_OF_EACH):
                ask_and_wait(readers.enter_context(socket.socket()), live, cookie)
        for _ in range(20):
            assert status_of(live, "/healthz") == 200
            assert status_of(live, "/account/activity", cookies[0]) == 200
    # They hang up: their places are free again, as soon as the server has seen it.
    deadline = time.monotonic() + WAIT_SECONDS
    while (status := status_of(live, "/account/activity/export", cookies[0])) == 503:
        assert time.monotonic() < deadline
    assert status == 200
