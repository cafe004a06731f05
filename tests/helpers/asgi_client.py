"""In-process client of the ASGI service, for tests of its event loop."""

import asyncio
import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from flask import Flask

from reflow_accounts.service import Service

Headers = Mapping[str, str] | Iterable[tuple[str, str]]

TIMEOUT_S = 30


class Answer(NamedTuple):
    """A response. Header names are in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name.lower())

    def plain(self) -> "Answer":
        """Return the response with sorted headers, for comparison."""
        return self._replace(headers=sorted(self.headers))


class AsgiClient:
    """Sends requests to `Service(app)`, which runs in an event loop in a separate thread."""

    def __init__(self, app: Flask) -> None:
        self.service = Service(app)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="asgi client", daemon=True)
        self._thread.start()

    def get(
        self, path: str, headers: Headers = (), method: str = "GET", body: bytes = b"", **scope: Any
    ) -> Answer:
        """Send one request. `path` may have a query; `scope` replaces parts of the ASGI scope."""
        start, *parts = self.exchange(
            _scope(path, headers, method, body) | scope,
            {"type": "http.request", "body": body, "more_body": False},
            {"type": "http.disconnect"},
        )
        assert start["type"] == "http.response.start"
        assert not parts[-1].get("more_body")
        found = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        return Answer(start["status"], found, b"".join(part.get("body", b"") for part in parts))

    def exchange(self, scope: dict[str, Any], *messages: dict[str, Any]) -> list[Any]:
        """Run the service for one scope with the incoming `messages`; return the messages that it sent."""
        left, sent = list(messages), []

        async def receive() -> Any:
            return left.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        running = asyncio.run_coroutine_threadsafe(self.service(scope, receive, send), self._loop)
        running.result(TIMEOUT_S)
        return sent

    def close(self) -> None:
        """Close the service and the event loop."""
        asyncio.run_coroutine_threadsafe(self.service.close(), self._loop).result(TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _scope(path: str, headers: Headers, method: str, body: bytes) -> dict[str, Any]:
    """Return the ASGI scope of a request to http://localhost."""
    path, _, query = path.partition("?")
    given = [
        (name.lower(), value)
        for name, value in (headers.items() if isinstance(headers, Mapping) else headers)
    ]
    names = {name for name, _ in given}
    if "host" not in names:
        given.insert(0, ("host", "localhost"))
    if body and not names & {"content-length", "transfer-encoding"}:
        given.append(("content-length", str(len(body))))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given],
        "client": ("127.0.0.1", 50000),
        "server": ("localhost", 80),
    }
