"""Key checks on PostgreSQL: one connection in the event loop, and one statement for all requests of a batch."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import pq

from reflow_accounts.api_auth.store import (
    IS_ALLOWED,
    LOOK_UP,
    TIMEOUT_S,
    USE_COLUMNS,
    LookupRequest,
    LookupResult,
    LookupRow,
)
from reflow_accounts.connections import POSTGRES_OPTIONS, WAIT_FOR_DISK
from reflow_accounts.errors import Unavailable

# One statement checks a whole batch, because a round trip and a commit cost more than the work. $1 is a JSON list of
# the requests; the result is JSON, which is read faster than the texts of columns. The ids of the uses are in the order
# of the allowed requests.
_STATEMENT = f"""
WITH lookup AS MATERIALIZED (
    SELECT request.*, {IS_ALLOWED.format("request.team", "request.sufficient")} AS is_allowed, lookup.*
    FROM json_to_recordset($1) AS request (
        n int, digest text, team text, sufficient text, at timestamptz, method text, path text, status int,
        outcome text, address text, user_agent text
    )
    CROSS JOIN LATERAL ({LOOK_UP.format("decode(request.digest, 'hex')", "request.at")}) lookup
),
added AS (
    INSERT INTO uses ({USE_COLUMNS}) SELECT DISTINCT ON (n) {USE_COLUMNS} FROM lookup WHERE is_allowed ORDER BY n
    RETURNING id
)
SELECT json_build_array(
    (SELECT array_agg(id ORDER BY id) FROM added),
    (SELECT json_agg(json_build_array(n, is_allowed, {", ".join(LookupRow._fields)})) FROM lookup)
)
"""  # noqa: S608  # made of constants
_NAME = b"authenticate_and_record"
# Plan the statement once, with index lookups for the few digests, whatever the planner estimates.
_SETTINGS = f"""
SET TIME ZONE 'UTC'; SET plan_cache_mode = force_generic_plan; SET jit = off;
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
{WAIT_FOR_DISK}
"""


class PostgresStore:
    """One connection for each process, replaced when it fails or was lost while idle."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        """`parameters` are those of the connection, by their libpq names."""
        self._parameters = parameters
        self._connection: _Connection | None = None

    async def authenticate_and_record(self, requests: Sequence[LookupRequest]) -> list[LookupResult]:
        requests_json = json.dumps(
            [_request_fields(n, request) for n, request in enumerate(requests)]
        ).encode()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                try:
                    result = await self._run(requests_json)
                except psycopg.errors.FeatureNotSupported:
                    # A migration changed a table: the server refused the prepared statement and did nothing.
                    await self.close()
                    result = await self._run(requests_json)
        except psycopg.DataError:
            # The server refused a value and did nothing: Flask answers each of these requests separately.
            return [LookupResult([], None)] * len(requests)
        except (psycopg.Error, TimeoutError) as error:
            await self.close()
            raise Unavailable from error
        return _results(result, len(requests))

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            connection.close()

    async def _run(self, requests_json: bytes) -> pq.abc.PGresult:
        if self._connection is None or self._connection.is_closed:
            self._connection = await _Connection.open(self._parameters)
        return await self._connection.run(lambda server: server.send_query_prepared(_NAME, [requests_json]))


class _Connection:
    """Connection through libpq's asynchronous interface: psycopg's cursors would cost more than the rest of a check.

    The socket is always watched, so that the loss of an idle connection is noticed immediately.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self.is_closed = False
        self._connection, self._server = connection, connection.pgconn
        self._results: list[pq.abc.PGresult] = []
        self._done: asyncio.Future[None] | None = None
        self._loop, self._socket = asyncio.get_running_loop(), connection.fileno()
        self._loop.add_reader(self._socket, self._read)

    @classmethod
    async def open(cls, parameters: dict[str, Any]) -> "_Connection":
        options = POSTGRES_OPTIONS | parameters
        connection = cls(await psycopg.AsyncConnection.connect(**options, autocommit=True))
        try:
            await connection.run(lambda server: server.send_query(_SETTINGS.encode()))
            await connection.run(lambda server: server.send_prepare(_NAME, _STATEMENT.encode()))
        except BaseException:  # a timeout cancels it
            connection.close()
            raise
        return connection

    async def run(self, send: Callable[[pq.abc.PGconn], None]) -> pq.abc.PGresult:
        """Call `send`, which sends a query, and return its last result. Raises psycopg.Error."""
        self._done, self._results = self._loop.create_future(), []
        send(self._server)
        if self._server.flush():
            self._loop.add_writer(self._socket, self._write)
        await self._done
        last = self._results[-1]
        if last.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            raise _error((last.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode())
        return last

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._server.finish()

    def _write(self) -> None:
        if not self._server.flush():
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        try:
            self._server.consume_input()
            while self._done and not self._server.is_busy():
                result = self._server.get_result()
                if result is None:
                    done, self._done = self._done, None
                    if not done.done():  # otherwise it took too long
                        done.set_result(None)
                else:
                    self._results.append(result)
        except psycopg.Error as error:
            self.close()
            if self._done and not self._done.done():
                self._done.set_exception(error)


def _error(code: str) -> psycopg.Error:
    try:
        return psycopg.errors.lookup(code)(code)
    except KeyError:
        return psycopg.OperationalError(code)


def _request_fields(n: int, request: LookupRequest) -> dict[str, Any]:
    use = request.use._asdict() | {"at": str(request.use.at)}
    return use | {"n": n, "digest": request.digest.hex(), "team": request.team, "sufficient": request.rights}


def _results(result: pq.abc.PGresult, count: int) -> list[LookupResult]:
    """Split the lookups of a batch into the results of its `count` requests."""
    use_ids, lookups = json.loads(result.get_value(0, 0) or b"")
    rows: list[list[LookupRow]] = [[] for _ in range(count)]
    allowed: set[int] = set()
    for n, is_allowed, *fields in lookups or ():
        rows[n].append(LookupRow._make(fields))
        if is_allowed:
            allowed.add(n)
    number = iter(use_ids or ())
    return [LookupResult(rows[n], next(number) if n in allowed else None) for n in range(count)]
