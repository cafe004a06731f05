"""The hot path's way to the database: one lookup, one append, by the raw driver."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import psycopg
from flask import Flask, current_app
from psycopg import pq
from sqlalchemy.engine import make_url

from reflow_accounts.errors import Unavailable
from reflow_accounts.extensions import BUSY_TIMEOUT_MS

_EXTENSION = "api_key_wire"
_SORRY = "Reflow cannot reach its database. Nothing was changed. Try again in a few seconds."

# All that a request with a key must know, in one statement: a row for each team of the key's user.
_LOOK_UP = """
SELECT k.id AS key_id, k.public_id, k.name, k.hint, k.expires_at, k.revoked_at,
       u.id AS user_id, u.public_id AS user_public_id, u.full_name, u.email, u.kind, u.is_staff, u.disabled_at,
       t.public_id AS team_public_id, t.name AS team_name, m.rights, s.state
FROM api_keys k
JOIN users u ON u.id = k.user_id
LEFT JOIN memberships m ON m.user_id = u.id
LEFT JOIN teams t ON t.id = m.team_id
LEFT JOIN subscriptions s ON s.team_id = m.team_id
WHERE k.digest = {0}
ORDER BY m.created_at, m.team_id
"""
_APPEND = """
INSERT INTO uses (key_id, at, method, path, status, outcome, address, user_agent)
VALUES ({0})
"""

# On PostgreSQL a round trip costs more than the work: the lookup and the append travel together. The key is
# good when the database says so in the same moment.
_ADMIT = f"""
WITH found AS MATERIALIZED ({_LOOK_UP.format("$1")}),
good AS (
    SELECT DISTINCT key_id FROM found
    WHERE revoked_at IS NULL AND disabled_at IS NULL AND state = 'active'
      AND (expires_at IS NULL OR expires_at > $2)
),
added AS (
    INSERT INTO uses (key_id, at, method, path, status, outcome, address, user_agent)
    SELECT key_id, $3, $4, $5, $6, $7, $8, $9 FROM good
    RETURNING id
)
SELECT found.*, (SELECT id FROM added) FROM found
"""  # noqa: S608  # made of constants
_PREPARED = {
    b"look_up": _LOOK_UP.format("$1"),
    b"append": _APPEND.format("$1, $2, $3, $4, $5, $6, $7, $8") + " RETURNING id",
    b"admit": _ADMIT,
}
_EIGHT = ", ".join("?" * 8)
_STALE_PLAN = b"0A000"
# A digest travels as its bytes (1), everything else as text (0).
_FORMATS = {b"look_up": [1], b"append": [0] * 8, b"admit": [1] + [0] * 8}

Row = tuple[Any, ...]


class UseFacts(NamedTuple):
    """One use as it is appended; `outcome` is "accepted" or the error code that the answer carries."""

    key_id: int
    at: datetime
    method: str
    path: str
    status: int
    outcome: str
    address: str
    user_agent: str


class Wire(Protocol):
    """What the hot path asks of a database. Each raises Unavailable when it is away, full or locked."""

    def look_up(self, digest: bytes) -> list[Row]:
        """Return the rows of `_LOOK_UP`: none for an unknown digest."""

    def append(self, use: UseFacts) -> int:
        """Append one use, durable when this returns, and return its number. Never tried twice."""

    def admit(self, digest: bytes, use: UseFacts) -> tuple[list[Row], int | None]:
        """Look a key up and, when it is good now and paid for, append `use` of it (whose key is put in).

        Return the rows of `_LOOK_UP`, and the number of the use or None.
        """


class SqliteWire:
    """SQLite: a write is durable against the death of the process once its commit returns.

    One connection for the whole process, its threads in turn: what another connection appends voids
    every page that this one keeps, so that with a connection for each thread a lookup would read them
    all again. Waiting here also costs less than SQLite's own polling.
    """

    def __init__(self, path: str, synchronous: str) -> None:
        """Take the file and NORMAL or FULL: what a commit waits for (https://sqlite.org/pragma.html)."""
        self._path, self._synchronous = path, synchronous
        self._turn = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    def look_up(self, digest: bytes) -> list[Row]:
        with self._taking_turns() as connection:
            return _found(connection, digest)

    def append(self, use: UseFacts) -> int:
        with self._taking_turns() as connection:
            return _appended(connection, use)

    def admit(self, digest: bytes, use: UseFacts) -> tuple[list[Row], int | None]:
        with self._taking_turns() as connection:
            rows = _found(connection, digest)
            if not is_good(rows, use.at):
                return rows, None
            return rows, _appended(connection, use._replace(key_id=rows[0][0]))

    @contextmanager
    def _taking_turns(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._turn:
                yield self._opened or self._open()
        except sqlite3.Error as error:
            raise Unavailable(_SORRY) from error

    def _open(self) -> sqlite3.Connection:
        found = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        found.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        found.execute(f"PRAGMA synchronous = {self._synchronous}")
        found.execute("PRAGMA cache_size = -16000")
        self._opened = found
        return found

    def __del__(self) -> None:
        if self._opened:
            self._opened.close()


def _found(connection: sqlite3.Connection, digest: bytes) -> list[Row]:
    return connection.execute(_LOOK_UP.format("?"), (digest,)).fetchall()


def _appended(connection: sqlite3.Connection, use: UseFacts) -> int:
    row = (use.key_id, use.at.strftime("%Y-%m-%d %H:%M:%S.%f"), *use[2:])
    return connection.execute(_APPEND.format(_EIGHT), row).lastrowid or 0


class PostgresWire:
    """PostgreSQL: every append is a transaction; the server groups the commits of several connections.

    It speaks to libpq itself, with statements prepared once: a cursor would cost more than the request.
    There are as many connections as requests are answered at once, whichever threads they have.
    """

    def __init__(self, address: str) -> None:
        """Take the address as libpq reads it (postgresql://…)."""
        self._address = address
        # Taken from its end and put back there; both are one step for Python.
        self._idle: list[psycopg.Connection] = []

    def look_up(self, digest: bytes) -> list[Row]:
        # A connection that died since its last request says so only now. Reading twice is harmless.
        try:
            return self._ask(b"look_up", [digest])
        except Unavailable:
            return self._ask(b"look_up", [digest])

    def append(self, use: UseFacts) -> int:
        rows = self._ask(b"append", [str(value).encode() for value in use])
        return int(rows[0][0])

    def admit(self, digest: bytes, use: UseFacts) -> tuple[list[Row], int | None]:
        at, *facts = (str(value).encode() for value in use[1:])
        rows = self._ask(b"admit", [digest, at, at, *facts])
        return rows, int(rows[0][-1]) if rows and rows[0][-1] else None

    def _ask(self, statement: bytes, values: list[bytes]) -> list[Row]:
        try:
            result = self._run(statement, values)
            if result.error_field(pq.DiagnosticField.SQLSTATE) == _STALE_PLAN:
                # A migration changed a table: the statement was refused, and is prepared anew.
                self._drop_all()
                result = self._run(statement, values)
            if result.status != pq.ExecStatus.TUPLES_OK:
                raise psycopg.OperationalError(result.error_message.decode("utf-8", "replace"))
        except psycopg.Error as error:
            self._drop_all()
            raise Unavailable(_SORRY) from error
        return [
            tuple(_text(result.get_value(row, column)) for column in range(result.nfields))
            for row in range(result.ntuples)
        ]

    def _run(self, statement: bytes, values: list[bytes]) -> pq.abc.PGresult:
        connection = self._take()
        try:
            return connection.pgconn.exec_prepared(statement, values, _FORMATS[statement])
        finally:
            self._idle.append(connection)

    def _take(self) -> psycopg.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _connect(self) -> psycopg.Connection:
        made = psycopg.connect(self._address, autocommit=True, connect_timeout=5)
        made.execute("SET TIME ZONE 'UTC'")
        for name, statement in _PREPARED.items():
            made.pgconn.prepare(name, statement.encode())
        return made

    def _drop_all(self) -> None:
        """Close what nobody uses: when one connection died, or knows an old plan, the others are likely to."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def __del__(self) -> None:
        self._drop_all()


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def is_good(rows: list[Row], at: datetime) -> bool:
    """Say whether the key that was found is live, its user enabled, and one of the user's teams paid for."""
    if not rows:
        return False
    expires_at, revoked_at, disabled_at = rows[0][4], rows[0][5], rows[0][12]
    is_live = revoked_at is None and disabled_at is None
    return (
        is_live and (expires_at is None or utc(expires_at) > at) and any(row[16] == "active" for row in rows)
    )


def utc(value: str) -> datetime:
    """Return a time as the lookup gives it: text in UTC, with its zone or, on SQLite, without."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def bind(app: Flask, database_url: str, sqlite_synchronous: str) -> None:
    """Keep the wire of an application; nothing is opened yet."""
    url = make_url(database_url)
    wire: Wire
    if url.get_backend_name() == "sqlite":
        wire = SqliteWire(str(url.database), sqlite_synchronous)
    else:
        wire = PostgresWire(url.set(drivername="postgresql").render_as_string(hide_password=False))
    app.extensions[_EXTENSION] = wire


def wire_of(app: Flask) -> Wire:
    """Return the wire of an application."""
    found: Wire = app.extensions[_EXTENSION]
    return found


def wire() -> Wire:
    """Return the wire of the current application."""
    return wire_of(current_app)
