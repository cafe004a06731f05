"""The ASGI service: buffers request bodies, checks keys in the event loop, and runs Flask in threads."""

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
from reflow_accounts.web.request_input import LARGEST_BODY_BYTES

# More threads would only wait for Python's lock: bench/README.md has the figures for 2 to 16.
PAGE_THREADS = 4
# Separate threads for requests with a password, so that pages do not wait for their hashes (auth/passwords.py).
PASSWORD_THREADS = 3
# Pause before such a thread is free again: limits the rate of attempts that are refused at once.
PASSWORD_PAUSE_S = 0.1
# Separate threads for responses without the database, so that slow queries do not delay them.
STATIC_THREADS = 4
# A slow client of an export holds a thread; activity/streaming.py admits fewer exports at a time.
EXPORT_THREADS = 32
# A request that waits longer for a free thread is answered with 503.
LONGEST_WAIT_S = 3.0
LONGEST_PASSWORD_WAIT_S = 10.0

# After this signal, responses have Connection: close (server.py sends it before it stops the process).
DRAIN_SIGNAL = signal.SIGUSR1

_ASCII = "".join(map(chr, range(0x21, 0x7F)))


class ThreadPool:
    """Runs Flask in a bounded number of threads. A request that waits too long for one goes to `busy` instead."""

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
        """`queued_chunks`: pieces of a response buffered for a slow client before its thread blocks.

        `longest_wait` for a thread, and the `pause` before a thread is used again, are in seconds.
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
            return await self._run(scope, receive, send)  # type: ignore[arg-type]  # a2wsgi has its own types
        finally:
            asyncio.get_running_loop().call_later(self._pause, self._free.release)


class Service:
    """The application that an ASGI server runs."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._static = ThreadPool(app.wsgi_app, STATIC_THREADS)
        unavailable = ThreadPool(_refusing_app(app.wsgi_app), STATIC_THREADS)
        self._exports = ThreadPool(app.wsgi_app, EXPORT_THREADS, unavailable, queued_chunks=1)
        self._pages = ThreadPool(app.wsgi_app, PAGE_THREADS, unavailable)
        self._passwords = ThreadPool(
            app.wsgi_app,
            PASSWORD_THREADS,
            unavailable,
            longest_wait=LONGEST_PASSWORD_WAIT_S,
            pause=PASSWORD_PAUSE_S,
        )
        self._key_check = KeyCheck(app, self._run_flask, unavailable)
        settings: Settings = app.config["SETTINGS"]
        self._metrics = Metrics(app) if settings.metrics_token else None
        self._handle = self._handle_measured if self._metrics else self._key_check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if readiness.is_stopping():
                send = _close_after(scope, send)
            await self._handle(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _handle_measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, started_at = 0, perf_counter()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._key_check(scope, receive, send_and_note)
        finally:
            if self._metrics and status:  # without a status, the client disconnected
                self._metrics.observe(scope, status, perf_counter() - started_at)

    async def _run_flask(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, is_complete = await _read_body(scope, receive)
        if body is None:
            return None  # the client disconnected
        labels, scope = scope, _normalize_scope(scope, body, is_complete)
        pool = self._pool_for(scope, body)
        if not self._metrics:
            return await pool(scope, _receiver_of(body), send)
        scope[metrics.LABELS] = labels
        with self._metrics.passwords.track_inprogress() if pool is self._passwords else nullcontext():
            return await pool(scope, _receiver_of(body), send)

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

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
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


def _close_after(scope: Scope, send: Send) -> Send:
    """Make the server close the connection after this response; HTTP/2 has no such header (RFC 9113, 8.2.2)."""
    if not scope["http_version"].startswith("1"):
        return send

    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return send_and_close


async def _read_body(scope: Scope, receive: Receive) -> tuple[bytes | None, bool]:
    """Return the request body and whether it is complete; the body is None if the client disconnected.

    A body with a Content-Length above `LARGEST_BODY_BYTES` is not read, and a longer one without it only up to the
    limit: both are returned as incomplete, and Flask answers 413.
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


def _normalize_scope(scope: Scope, body: bytes, is_complete: bool) -> Scope:
    """Return the scope as the WSGI adapter needs it.

    Sets the Content-Length of the body, also of a chunked one. Drops names with an underscore, which WSGI cannot
    distinguish from those with a hyphen that a proxy sets (X-Forwarded-For), and the empty Host that granian adds to
    HTTP/1.0. Joins cookies that HTTP/2 split (RFC 9113, 8.2.3).
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


def _receiver_of(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _refusing_app(flask: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Return a WSGI application that makes Flask answer 503 without the database."""

    def refuse(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return flask(environ | {REFUSED: True}, start_response)

    return refuse
