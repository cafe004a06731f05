"""Answers `GET /me` and `GET /authorize` with a valid key in the event loop; Flask answers everything else."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from flask import Flask
from sqlalchemy.engine import make_url

from reflow_accounts.api_auth import forward_auth
from reflow_accounts.api_auth.store import LookupRequest, LookupResult
from reflow_accounts.api_auth.store_postgres import PostgresStore
from reflow_accounts.api_auth.store_sqlite import SqliteStore
from reflow_accounts.api_auth.verify import JSON, body_of_key, is_key, verify
from reflow_accounts.api_keys.models import ACCEPTED
from reflow_accounts.api_keys.rules import warning_headers
from reflow_accounts.api_keys.usage.rollup import NewUse, is_roll_up_due, roll_up_or_log
from reflow_accounts.auth.secrets import digest_of
from reflow_accounts.config import Settings
from reflow_accounts.contract import API_PREFIX
from reflow_accounts.database import now
from reflow_accounts.database_errors import describe
from reflow_accounts.environment import connect_arguments
from reflow_accounts.errors import InsufficientRights, Unavailable
from reflow_accounts.web import security_headers as response_headers
from reflow_accounts.web.allowed_hosts import AUTHORIZE, Hosts
from reflow_accounts.web.request_info import LONGEST_USER_AGENT, client_address, forwarded

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = dict[bytes, bytes]

# Keys of an ASGI scope, for the metrics (monitoring/metrics.py).
ROUTE, OUTCOME = "reflow.route", "reflow.key_outcome"

_ME = f"{API_PREFIX}/me"
_BEARER = b"Bearer "
# The store fills in the key.
_UNKNOWN = 0
# In larger batches the first request would wait too long for the last one.
LARGEST_BATCH = 64

_logger = logging.getLogger(__name__)

_Waiting = tuple[LookupRequest, asyncio.Future[LookupResult]]


class KeyCheck:
    """ASGI application in front of Flask. `unavailable` is an application that answers every request with 503."""

    def __init__(self, app: Flask, flask: ASGIApp, unavailable: ASGIApp) -> None:
        settings: Settings = app.config["SETTINGS"]
        self._app, self._flask, self._unavailable = app, flask, unavailable
        self._hosts, self._trusted_proxies = Hosts(settings), settings.trusted_proxies
        self.store = open_store(settings)
        self._waiting: list[_Waiting] = []
        self._batches: asyncio.Task[None] | None = None
        self._rolling_up: asyncio.Future[None] | None = None
        constant = response_headers.constant(settings.is_https) | {"Cache-Control": response_headers.NO_STORE}
        self._headers = _encode_headers(constant)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = self._request(scope)
        if request is None:
            return await self._flask(scope, receive, send)
        try:
            result = await self._result(request)
        except Unavailable:
            return await self._unavailable(scope, receive, send)
        if result.use_number is None:
            return await self._flask(scope, receive, send)
        status, headers, body = _response(scope, request, result)
        scope[ROUTE], scope[OUTCOME] = scope["path"], ACCEPTED
        await send({"type": "http.response.start", "status": status, "headers": headers + self._headers})
        return await send({"type": "http.response.body", "body": body})

    async def close(self) -> None:
        """Close the database connection of this process."""
        await self.store.close()

    def _request(self, scope: Scope) -> LookupRequest | None:
        """Return the request for the store, or None for a request that Flask answers."""
        path, query = scope["path"], scope["query_string"]
        if scope["method"] != "GET" or not ((path == _ME and not query) or path == AUTHORIZE):
            return None
        headers: Headers = dict(scope["headers"])
        authorization = headers.get(b"authorization", b"")
        is_plain = authorization.startswith(_BEARER) and len(headers) == len(scope["headers"])
        secret = authorization[len(_BEARER) :].decode("latin-1")
        has_body = b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        if not is_plain or not is_key(secret) or not self._is_our_host(path, headers) or has_body:
            return None
        if path == _ME:
            return LookupRequest(digest_of(secret), None, "", self._use(scope, headers, "GET", _ME, 200))
        try:
            team, required_rights = forward_auth.read_query(query.decode("latin-1"))
        except InsufficientRights:
            return None
        if not team.isprintable():  # PostgreSQL stores no NUL
            return None
        method = forward_auth.original_method(_header(headers, b"x-original-method")) or "GET"
        path = forward_auth.original_path(_header(headers, b"x-original-uri")) or path
        use = self._use(scope, headers, method, path, 204)
        return LookupRequest(digest_of(secret), team, " ".join(required_rights.sufficient_rights()), use)

    def _is_our_host(self, path: str, headers: Headers) -> bool:
        if path in self._hosts.open_paths:
            return True
        forwarded_host = forwarded(_header(headers, b"x-forwarded-host"), self._trusted_proxies)
        host = forwarded_host or _header(headers, b"host")
        return not host or self._hosts.has(host)

    def _use(self, scope: Scope, headers: Headers, method: str, path: str, status: int) -> NewUse:
        peer: str = (scope.get("client") or ("",))[0]
        address = client_address(peer, _header(headers, b"x-forwarded-for"), self._trusted_proxies)
        user_agent = _header(headers, b"user-agent")[:LONGEST_USER_AGENT]
        return NewUse(_UNKNOWN, now(), method, path, status, ACCEPTED, address, user_agent)

    async def _result(self, request: LookupRequest) -> LookupResult:
        """Check the request in the next batch: while one batch runs, later requests form another."""
        done: asyncio.Future[LookupResult] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, done))
        if self._batches is None:
            self._batches = asyncio.create_task(self._run_batches())
        return await done

    async def _run_batches(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
                await self._run(batch)
        finally:
            self._batches = None

    async def _run(self, batch: list[_Waiting]) -> None:
        try:
            results = await self.store.authenticate_and_record([request for request, _ in batch])
        except Exception as error:  # every waiting request needs an answer after any error
            _logger.error("key checks failed: %s", describe(error.__cause__ or error))
            # Also fail the requests that arrived in the meantime; they would wait as long again.
            batch, self._waiting = batch + self._waiting, []
            for _, done in batch:
                if not done.done():
                    done.set_exception(Unavailable())
            return
        for (_, done), result in zip(batch, results, strict=True):
            if not done.done():  # otherwise the client has disconnected
                done.set_result(result)
        if any([is_roll_up_due(result.use_number) for result in results if result.use_number]):  # noqa: C419  # each asks
            # Not awaited: key checks continue in the meantime, and after a failure.
            self._rolling_up = asyncio.get_running_loop().run_in_executor(None, self._roll_up)

    def _roll_up(self) -> None:
        try:
            with self._app.app_context():
                roll_up_or_log()
        except Exception as error:  # no caller waits for it
            _logger.error("the log of uses could not be rolled up: %s", describe(error))


def _response(
    scope: Scope, request: LookupRequest, result: LookupResult
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers and body of an allowed request: the same as from the views in api.py."""
    key = verify(result.rows)
    if scope["path"] == _ME:
        body = body_of_key(key)
        headers = {"Content-Type": JSON, "Content-Length": str(len(body))}
        return request.use.status, _encode_headers(headers | warning_headers(key.expires_at)), body
    team = forward_auth.grant(scope["query_string"].decode("latin-1"), key.teams)
    headers = forward_auth.headers_of(key.facts.user_public_id, team, key.facts.public_id)
    return request.use.status, _encode_headers(headers | warning_headers(key.expires_at)), b""


def open_store(settings: Settings) -> SqliteStore | PostgresStore:
    """Return the store for the database in `settings`; it connects on first use."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        return SqliteStore(str(url.database), settings.sqlite_synchronous)
    return PostgresStore(connect_arguments(url))


def _encode_headers(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def _header(headers: Headers, name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")
