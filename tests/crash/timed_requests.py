"""Timed requests to the real server: single ones, repeated ones and many clients at once."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from itertools import count
from typing import Any, NamedTuple

from tests.factories import Person
from tests.helpers.live_server import LiveServer
from tests.helpers.page_client import PageClient

ME, KEYS, PAGE, READY = "/api/v1/me", "/api/v1/keys", "/account/api-keys", "/readyz"
STATIC = "/static/vendor/htmx-4.0.1.min.js"
# These need no database: liveness, a file and a public page.
FREE_OF_DATABASE = ("/healthz", STATIC, "/help/cli")
# Each request has its own name, which is recorded with the use of a key.
_names = count(1)


class Request(NamedTuple):
    """A GET request by a key or a browser that is signed in."""

    path: str
    header: str = ""
    value: str = ""


class Answer(NamedTuple):
    """The response to one request and its duration. The status is 0 when none came."""

    path: str
    name: str
    status: int
    retry_after: str | None
    seconds: float


def by_key(path: str, secret: str) -> Request:
    return Request(path, "Authorization", f"Bearer {secret}")


def by_browser(path: str, person: Person, server: LiveServer) -> Request:
    """Sign the person in first."""
    browser: Any = person.sign_in(PageClient(server.app, server.app.response_class))
    return Request(path, "Cookie", f"reflow={browser.get_cookie('reflow').value}")


def send(server: LiveServer, request: Request) -> Answer:
    """Send a request over a connection of its own."""
    name = f"request {next(_names)}"
    headers = {"User-Agent": name} | ({request.header: request.value} if request.header else {})
    begun = time.monotonic()
    connection = HTTPConnection("127.0.0.1", server.port, timeout=120)
    status, retry_after = 0, None
    try:
        connection.request("GET", request.path, headers=headers)
        response = connection.getresponse()
        response.read()
        status, retry_after = response.status, response.headers["Retry-After"]
    except (OSError, HTTPException):
        pass
    finally:
        connection.close()
    return Answer(request.path, name, status, retry_after, time.monotonic() - begun)


class Clients:
    """One client for each request, which sends it repeatedly."""

    def __init__(self, server: LiveServer, requests: Sequence[Request], every_s: float = 0.0) -> None:
        self.answers: list[Answer] = []
        self._server, self._every_s = server, every_s
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(one,), daemon=True) for one in requests]
        for thread in self._threads:
            thread.start()

    def finish(self, seconds: float = 120.0) -> int:
        """Stop sending, wait up to `seconds` for the last answers, and return how many are missing."""
        self._is_over.set()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        return sum(thread.is_alive() for thread in self._threads)

    def _run(self, request: Request) -> None:
        while not self._is_over.wait(self._every_s):
            response = send(self._server, request)
            self.answers.append(response)
            if response.status == 0:
                time.sleep(0.1)  # the server may be gone


@contextmanager
def watch(server: LiveServer, *paths: str) -> Iterator[list[Answer]]:
    """Request each path continuously while the block runs, and yield the list of answers."""
    clients = Clients(server, [Request(path) for path in paths], every_s=0.05)
    try:
        yield clients.answers
    finally:
        assert clients.finish() == 0


def wait_for(server: LiveServer, status: int, seconds: float, requests: Sequence[Request]) -> float:
    """Repeat the requests until every answer has this status; return the seconds that took."""
    begun = time.monotonic()
    while True:
        responses = [send(server, request) for request in requests]
        if statuses_of(responses) == {status}:
            return time.monotonic() - begun
        assert time.monotonic() - begun < seconds, responses


def slowest(responses: Sequence[Answer]) -> float:
    return max(response.seconds for response in responses)


def statuses_of(responses: Sequence[Answer]) -> set[int]:
    assert responses
    return {response.status for response in responses}
