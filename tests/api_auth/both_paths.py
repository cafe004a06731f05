"""Sends a request to the ASGI service, which may handle it in the event loop, and to Flask."""

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
    """`event_loop` and `flask` send one request; `same` sends it to both and compares the responses."""

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
        relative_path = path.removeprefix(API_PREFIX)
        response = Api(self._app).send(method, relative_path, data=body, headers=_headers(secret) | headers)
        return Answer(response.status_code, [(k.lower(), v) for k, v in response.headers], response.data)

    def same(
        self, path: str, secret: str | None, *args: Any, in_flask: int | None = None, **options: Any
    ) -> Answer:
        """Return the common response; with `in_flask`, check how many requests of the service reached Flask."""
        with self.requests_in_flask() as seen:
            from_event_loop = self.event_loop(path, secret, *args, **options)
        assert in_flask is None or len(seen) == in_flask, seen
        from_flask = self.flask(path, secret, *args, **options)
        assert from_event_loop.plain() == from_flask.plain(), (from_event_loop, from_flask)
        return from_event_loop

    @contextmanager
    def requests_in_flask(self) -> Iterator[list[str]]:
        """Collect the requests that reach Flask."""
        seen: list[str] = []

        def record(_app: Flask, **_: Any) -> None:
            seen.append("request")

        with request_started.connected_to(record, self._app):
            yield seen

    def close(self) -> None:
        self.asgi.close()


def _headers(secret: str | None) -> dict[str, str]:
    return {"User-Agent": USER_AGENT} | ({"Authorization": f"Bearer {secret}"} if secret else {})
