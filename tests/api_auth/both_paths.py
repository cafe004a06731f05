"""Send the same request to the ASGI service, which may answer it in the event loop, and to Flask alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, request_started

from reflow_accounts.contract import API_PREFIX
from tests.helpers.api import Api
from tests.helpers.asgi_client import Answer, AsgiClient

ME = f"{API_PREFIX}/me"
AUTHORIZE = f"{API_PREFIX}/authorize"
USER_AGENT = "tests"


class BothPaths:
    """`event_loop` and `flask` send one request; `same` sends it to both and compares the answers."""

    def __init__(self, app: Flask) -> None:
        self.asgi = AsgiClient(app)
        self._app = app

    def event_loop(
        self, path: str, secret: str | None, method: str = "GET", body: bytes = b"", **headers: str
    ) -> Answer:
        return self.asgi.get(path, _headers(secret) | headers, method, body)

    def flask(
        self, path: str, secret: str | None, method: str = "GET", body: bytes = b"", **headers: str
    ) -> Answer:
        headers.pop("Transfer-Encoding", None)  # a WSGI server has put the chunks together
        relative = path.removeprefix(API_PREFIX)
        answer = Api(self._app).send(method, relative, data=body, headers=_headers(secret) | headers)
        return Answer(answer.status_code, [(k.lower(), v) for k, v in answer.headers], answer.data)

    def same(
        self, path: str, secret: str | None, *args: Any, in_flask: int | None = None, **more: Any
    ) -> Answer:
        """Return the answer of both paths. Of the service's, `in_flask` is how many Flask gave, when given."""
        with self.requests_in_flask() as seen:
            fast = self.event_loop(path, secret, *args, **more)
        assert in_flask is None or len(seen) == in_flask, seen
        slow = self.flask(path, secret, *args, **more)
        assert fast.plain() == slow.plain(), (fast, slow)
        return fast

    @contextmanager
    def requests_in_flask(self) -> Iterator[list[str]]:
        """Collect the requests that reach Flask."""
        seen: list[str] = []

        def note(_app: Flask, **_: Any) -> None:
            seen.append("request")

        with request_started.connected_to(note, self._app):
            yield seen

    def close(self) -> None:
        self.asgi.close()


def _headers(secret: str | None) -> dict[str, str]:
    return {"User-Agent": USER_AGENT} | ({"Authorization": f"Bearer {secret}"} if secret else {})
