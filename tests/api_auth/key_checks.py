"""KeyCheck in an event loop of the test's own, with the real store, between stand-ins for Flask."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from flask import Flask

from reflow_accounts.api_auth.key_check import ASGIApp, KeyCheck
from reflow_accounts.api_auth.store import LookupRequest, LookupResult
from tests.api_auth.lookups import run_in_event_loop

Result = TypeVar("Result")

# What the stand-ins answer: a request that is left to Flask, and one that gets 503.
LEFT_TO_FLASK, UNAVAILABLE = 401, 503


class Answer(NamedTuple):
    status: int
    body: bytes


class WatchedStore:
    """The store of a database. Keeps what it was asked and what it found; waits while `may_answer` is not set."""

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


class Checks:
    """Requests to one KeyCheck; `store` is the one that it asks."""

    def __init__(self, app: Flask) -> None:
        self._key_check = KeyCheck(app, _answering(LEFT_TO_FLASK), _answering(UNAVAILABLE))
        self.store = self._key_check.store = WatchedStore(self._key_check.store)  # type: ignore[assignment]

    async def me(self, secret: str, user_agent: str = "tests") -> Answer:
        return await self.get("/api/v1/me", b"", secret, user_agent)

    async def authorize(self, secret: str, query: str) -> Answer:
        return await self.get("/api/v1/authorize", query.encode(), secret)

    async def get(self, path: str, query: bytes, secret: str, user_agent: str = "tests") -> Answer:
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
        return Answer(start["status"], body["body"])

    async def close(self) -> None:
        await self._key_check.close()


def in_event_loop(app: Flask, work: Callable[[Checks], Awaitable[Result]]) -> Result:
    """Do `work` with the key checks of an application; it fails when that takes long."""

    async def run() -> Result:
        checks = Checks(app)
        try:
            return await asyncio.wait_for(work(checks), 20)
        finally:
            await checks.close()

    return run_in_event_loop(run())


def _answering(status: int) -> ASGIApp:
    async def answer(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return answer
