"""Runs KeyCheck with the real store in an event loop of the test; stubs take the place of Flask."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from flask import Flask

from reflow_accounts.api_auth.key_check import ASGIApp, KeyCheck
from reflow_accounts.api_auth.store import LookupRequest, LookupResult
from tests.api_auth.lookups import run_in_event_loop

Result = TypeVar("Result")

# The statuses of the stubs: one for requests left to Flask, one for unavailability.
PASSED_TO_FLASK, UNAVAILABLE = 401, 503


class KeyCheckResponse(NamedTuple):
    status: int
    body: bytes


class RecordingStore:
    """A store that records its batches and results; it waits while `may_answer` is not set."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.batches: list[Sequence[LookupRequest]] = []
        self.found: list[tuple[LookupRequest, LookupResult]] = []
        self.is_asked, self.may_answer = asyncio.Event(), asyncio.Event()
        self.may_answer.set()

    async def authenticate_and_record(self, requests: Sequence[LookupRequest]) -> list[LookupResult]:
        self.batches.append(requests)
        self.is_asked.set()
        await self.may_answer.wait()
        results: list[LookupResult] = await self._store.authenticate_and_record(requests)
        self.found += zip(requests, results, strict=True)
        return results

    async def close(self) -> None:
        await self._store.close()


class KeyCheckClient:
    """Sends requests to one KeyCheck, whose store is `store`."""

    def __init__(self, app: Flask) -> None:
        self._key_check = KeyCheck(app, _stub_app(PASSED_TO_FLASK), _stub_app(UNAVAILABLE))
        self.store = self._key_check.store = RecordingStore(self._key_check.store)  # type: ignore[assignment]

    async def me(self, secret: str, user_agent: str = "tests") -> KeyCheckResponse:
        return await self.get("/api/v1/me", b"", secret, user_agent)

    async def authorize(self, secret: str, query: str) -> KeyCheckResponse:
        return await self.get("/api/v1/authorize", query.encode(), secret)

    async def get(self, path: str, query: bytes, secret: str, user_agent: str = "tests") -> KeyCheckResponse:
        sent: list[Any] = []
        headers = {"authorization": f"Bearer {secret}", "user-agent": user_agent}
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("192.0.2.1", 50000),
        }

        async def receive() -> Any:
            raise AssertionError("the body of a GET is not read")

        async def send(message: Any) -> None:
            sent.append(message)

        await self._key_check(scope, receive, send)
        start, body = sent
        return KeyCheckResponse(start["status"], body["body"])

    async def close(self) -> None:
        await self._key_check.close()


def run_with_key_checks(app: Flask, work: Callable[[KeyCheckClient], Awaitable[Result]]) -> Result:
    """Run `work` with a client of the application's key check, for at most 20 seconds."""

    async def run() -> Result:
        client = KeyCheckClient(app)
        try:
            return await asyncio.wait_for(work(client), 20)
        finally:
            await client.close()

    return run_in_event_loop(run())


def _stub_app(status: int) -> ASGIApp:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app
