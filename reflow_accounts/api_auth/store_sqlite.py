"""Key checks on SQLite: one connection in the event loop, which never blocks on a lock."""

import asyncio
import sqlite3
from collections.abc import Sequence
from time import monotonic
from typing import Any

from reflow_accounts import connections
from reflow_accounts.api_auth.store import (
    IS_ALLOWED,
    LOOK_UP,
    TIMEOUT_S,
    USE_COLUMNS,
    LookupRequest,
    LookupResult,
    LookupRow,
)
from reflow_accounts.api_keys.usage.rollup import NewUse
from reflow_accounts.errors import Unavailable

_LOOK_UP = f"""
SELECT lookup.*, {IS_ALLOWED.format("?3", "?4")} FROM ({LOOK_UP.format("?1", "?2")}) lookup
"""  # noqa: S608  # made of constants
_APPEND = f"INSERT INTO uses ({USE_COLUMNS}) VALUES ({', '.join('?' * len(NewUse._fields))})"  # noqa: S608  # as above
# SQLite's own busy handler sleeps up to 100 ms at a time, and would do so in the thread of the event loop.
_RETRY_S = 0.001
_PRIMARY_CODE = 0xFF  # https://sqlite.org/rescode.html: the other bits tell variants of an error apart


class SqliteStore:
    """One connection for each process: appends by another connection would invalidate its page cache."""

    def __init__(self, path: str, synchronous: str) -> None:
        """`synchronous` is NORMAL or FULL: what a commit waits for (https://sqlite.org/pragma.html)."""
        self._path, self._synchronous = path, synchronous
        self._connection: sqlite3.Connection | None = None
        self._file: connections.FileIdentity | None = None

    async def authenticate_and_record(self, requests: Sequence[LookupRequest]) -> list[LookupResult]:
        deadline = monotonic() + TIMEOUT_S
        while True:
            try:
                return _run_batch(self._connect(), requests)
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
                # Busy: another connection is writing, nothing was recorded, so the batch can be retried.
                if code != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                    raise Unavailable from error
            await asyncio.sleep(_RETRY_S)

    async def close(self) -> None:
        self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        # Read the identity before the file is opened, so that the next call notices a replacement in between.
        file = connections.file_identity_of(self._path)
        if self._connection and file == self._file:
            return self._connection
        self._close()
        address = connections.sqlite_uri_of(self._path)
        connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=0)
        try:
            # A restored copy may not be in WAL mode.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute("PRAGMA cache_size = -16000")
            connection.execute(f"PRAGMA wal_autocheckpoint = {connections.SQLITE_CHECKPOINT_PAGES}")
        except sqlite3.Error:
            connection.close()
            raise
        self._file, self._connection = file, connection
        return connection


def _run_batch(connection: sqlite3.Connection, requests: Sequence[LookupRequest]) -> list[LookupResult]:
    # Formatted as SQLAlchemy does, so that texts compare like times.
    times = [request.use.at.replace(tzinfo=None).isoformat(" ", "microseconds") for request in requests]
    lookups = _look_up(connection, requests, times)
    uses = [
        (rows[0][0], at, *request.use[2:]) if any(row[-1] for row in rows) else None
        for request, at, rows in zip(requests, times, lookups, strict=True)
    ]
    numbers = _append(connection, uses) if any(uses) else [None] * len(uses)
    return [
        LookupResult([LookupRow._make(row[:-1]) for row in rows], number)
        for rows, number in zip(lookups, numbers, strict=True)
    ]


def _look_up(
    connection: sqlite3.Connection, requests: Sequence[LookupRequest], times: Sequence[str]
) -> list[list[Any]]:
    # One transaction: each of its own would lock and unlock the file again.
    connection.execute("BEGIN")
    try:
        return [
            connection.execute(_LOOK_UP, (request.digest, at, request.team, request.rights)).fetchall()
            for request, at in zip(requests, times, strict=True)
        ]
    finally:
        connection.rollback()


def _append(connection: sqlite3.Connection, uses: list[tuple[Any, ...] | None]) -> list[int | None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        numbers = [connection.execute(_APPEND, use).lastrowid if use else None for use in uses]
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return numbers
