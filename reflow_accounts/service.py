"""The ASGI service: request bodies are buffered, keys are checked in the event loop, Flask answers the rest."""

import asyncio
import signal
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from time import perf_counter
from typing import Any
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIEnvironment

from a2wsgi import WSGIMiddleware
from flask import Flask

from reflow_accounts import background_jobs
from reflow_accounts.api_auth.key_check import ASGIApp, KeyCheck, Message, Receive, Scope, Send
from reflow_accounts.config import Settings
from reflow_accounts.monitoring import metrics, readiness
from reflow_accounts.monitoring.metrics import Metrics
from reflow_accounts.web.error_handlers import REFUSED
from reflow_accounts.web.input import LARGEST_BODY_BYTES

# More threads would wait for Python's lock and for the database's writer (bench/README.md).
PAGE_THREADS = 8
# Requests with a password wait here for a hash (auth/passwords.py), so that pages need not wait for them.
PASSWORD_THREADS = 3
# A place is free again only after a pause, so that attempts which are refused at once do not follow without end.
PASSWORD_PAUSE_S = 0.1
# Answers that need no database, so that no request that waits for one delays them.
STATIC_THREADS = 4
# A slow reader of an export holds a thread; activity/streaming.py admits fewer than these at a time.
EXPORT_THREADS = 32
# A request that finds no free thread for so long is answered with 503.
LONGEST_WAIT_S = 3.0
LONGEST_PASSWORD_WAIT_S = 10.0

# On this signal requests are answered with Connection: close (server.py sends it before it stops the process).
DRAIN_SIGNAL = signal.SIGUSR1

_ASCII = "".join(map(chr, range(0x21, 0x7F)))


class ThreadPool:
    """Flask in a bounded number of threads. A request that waits too long for one goes to `busy` instead."""

    def __init__(
        self,
        flask: Any,
        threads: int,
        busy: ASGIApp | None = None,
        *,
        queued_chunks: int = 8,
        longest_wait: float = LONGEST_WAIT_S,
        pause: float = 0,
    ) -> None:
        """`queued_chunks` pieces of a response may wait for a slow reader before its thread waits too.

        `longest_wait` for a thread and the `pause` before a thread is used again are in seconds.
        """
        self._run = WSGIMiddleware(flask, workers=threads, send_queue_size=queued_chunks)
        self._free, self._busy = asyncio.Semaphore(threads), busy
        self._longest_wait, self._pause = longest_wait, pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._longest_wait if self._busy else None):
                await self._free.acquire()
        except TimeoutError:
            assert self._busy
            return await self._busy(scope, receive, send)
        try:
            return await self._run(scope, receive, send)  # type: ignore[arg-type]  # its own types of the same
        finally:
            asyncio.get_running_loop().call_later(self._pause, self._free.release)


class Service:
    """The application that an ASGI server runs."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._static = ThreadPool(app.wsgi_app, STATIC_THREADS)
        unavailable = ThreadPool(_refusing(app.wsgi_app), STATIC_THREADS)
        self._exports = ThreadPool(app.wsgi_app, EXPORT_THREADS, unavailable, queued_chunks=1)
        self._pages = ThreadPool(app.wsgi_app, PAGE_THREADS, unavailable)
        self._passwords = ThreadPool(
            app.wsgi_app,
            PASSWORD_THREADS,
            unavailable,
            longest_wait=LONGEST_PASSWORD_WAIT_S,
            pause=PASSWORD_PAUSE_S,
        )
        self._key_check = KeyCheck(app, self._flask, unavailable)
        settings: Settings = app.config["SETTINGS"]
        self._metrics = Metrics(app) if settings.metrics_token else None
        self._answer = self._measured if self._metrics else self._key_check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if readiness.is_stopping():
                send = _closing(scope, send)
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, begun = 0, perf_counter()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._key_check(scope, receive, send_and_note)
        finally:
            if self._metrics and status:  # otherwise the client has gone
                self._metrics.observe(scope, status, perf_counter() - begun)

    async def _flask(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, is_complete = await _read_body(scope, receive)
        if body is None:
            return None  # the client has gone
        labels, scope = scope, _normalized(scope, body, is_complete)
        pool = self._pool_for(scope, body)
        if not self._metrics:
            return await pool(scope, _once(body), send)
        scope[metrics.LABELS] = labels
        with self._metrics.passwords.track_inprogress() if pool is self._passwords else nullcontext():
            return await pool(scope, _once(body), send)

    def _pool_for(self, scope: Scope, body: bytes) -> ThreadPool:
        path = scope["path"]
        if b"password" in body:
            return self._passwords
        if path.endswith("/export"):
            return self._exports
        has_cookie = any(name == b"cookie" for name, _ in scope["headers"])
        needs_no_database = path.startswith(("/static/", "/cli/")) or path == "/healthz"
        if needs_no_database or (path.startswith(("/help/", "/privacy")) and not has_cookie):
            return self._static
        return self._pages

    async def close(self) -> None:
        """Close the database connection of the event loop."""
        await self._key_check.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        """Run background jobs while the server runs (https://asgi.readthedocs.io/en/latest/specs/lifespan.html)."""
        await receive()
        background_jobs.start(self._app)
        with suppress(
            NotImplementedError, RuntimeError, ValueError
        ):  # not in the main thread, or not on this system
            asyncio.get_running_loop().add_signal_handler(DRAIN_SIGNAL, readiness.begin_to_stop)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.to_thread(background_jobs.stop)
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})


def _closing(scope: Scope, send: Send) -> Send:
    """Have the server close the connection after this answer; HTTP/2 has no such header (RFC 9113, 8.2.2)."""
    if not scope["http_version"].startswith("1"):
        return send

    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return send_and_close


async def _read_body(scope: Scope, receive: Receive) -> tuple[bytes | None, bool]:
    """Return the request body and whether it is all of it; None when the client went away.

    What announces more than `LARGEST_BODY_BYTES` is not read at all, and what turns out to be more is not read
    to its end: Flask answers both with 413.
    """
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if length.isdigit() and int(length) > LARGEST_BODY_BYTES:
        return b"", False
    body = bytearray()
    while len(body) <= LARGEST_BODY_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None, False
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body), True
    return b"", False


def _normalized(scope: Scope, body: bytes, is_complete: bool) -> Scope:
    """Return the scope as the adapter to WSGI needs it.

    The length is that of the body, also of a chunked one. Names with an underscore are dropped: in WSGI they
    could not be told from those with a hyphen, which a proxy sets (X-Forwarded-For). So is the empty Host that
    granian adds to HTTP/1.0. Cookies that HTTP/2 split are joined (RFC 9113, 8.2.3).
    """
    dropped = (b"content-length", b"transfer-encoding", b"cookie")
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if b"_" not in name and name not in dropped and (name, value) != (b"host", b"")
    ]
    if cookies := [value for name, value in scope["headers"] if name == b"cookie"]:
        headers.append((b"cookie", b"; ".join(cookies)))
    length = len(body) if is_complete else LARGEST_BODY_BYTES + 1
    if length or any(name in dropped[:2] for name, _ in scope["headers"]):
        headers.append((b"content-length", b"%d" % length))
    query = quote(scope["query_string"], safe=_ASCII).encode()
    version = scope["http_version"] if "." in scope["http_version"] else f"{scope['http_version']}.0"
    return {**scope, "headers": headers, "query_string": query, "http_version": version}


def _once(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _refusing(flask: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Return a WSGI application that has Flask answer 503 without asking the database."""

    def refuse(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return flask(environ | {REFUSED: True}, start_response)

    return refuse
