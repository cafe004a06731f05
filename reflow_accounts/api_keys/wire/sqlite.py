"""The wire to SQLite: one connection, one writer."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from reflow_accounts import sqlite_file
from reflow_accounts.api_keys.wire.asked import APPEND, LOOK_UP, SORRY, Asked, Found, Row, UseFacts, is_good
from reflow_accounts.errors import Unavailable
from reflow_accounts.extensions import BUSY_TIMEOUT_MS

_EIGHT = ", ".join("?" * 8)
_LOOK_UP = LOOK_UP.format("?1", "?2")


class SqliteWire:
    """SQLite: a write is durable against the death of the process once its commit returns.

    One connection for the whole process, its threads in turn: what another connection appends voids
    every page that this one keeps, so that with a connection for each thread a lookup would read them
    all again. Waiting here also costs less than SQLite's own polling.
    """

    goes_together = False

    def __init__(self, path: str, synchronous: str) -> None:
        """Take the file and NORMAL or FULL: what a commit waits for (https://sqlite.org/pragma.html)."""
        self._path, self._synchronous = path, synchronous
        self._turn = threading.Lock()
        self._opened: sqlite3.Connection | None = None
        self._file: sqlite_file.Identity | None = None

    def look_up(self, digest: bytes, at: datetime) -> list[Row]:
        with self._taking_turns() as connection:
            return _found(connection, digest, at)

    def append(self, use: UseFacts) -> int:
        with self._taking_turns() as connection:
            return _appended(connection, use)

    def admit(self, asked: Sequence[Asked]) -> list[Found]:
        with self._taking_turns() as connection:
            return [_admitted(connection, digest, use) for digest, use in asked]

    @contextmanager
    def _taking_turns(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._turn:
                yield self._connection()
        except sqlite3.Error as error:
            raise Unavailable(SORRY) from error

    def _connection(self) -> sqlite3.Connection:
        # Before it is opened: what takes its place in between is seen at the next turn.
        file = sqlite_file.identity_of(self._path)
        if self._opened and file == self._file:
            return self._opened
        self._close()
        self._file = file
        return self._open()

    def _open(self) -> sqlite3.Connection:
        address = sqlite_file.address_of(self._path)
        found = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        found.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        # A copy that was put in place may have been made without.
        found.execute("PRAGMA journal_mode = WAL")
        found.execute(f"PRAGMA synchronous = {self._synchronous}")
        found.execute("PRAGMA cache_size = -16000")
        self._opened = found
        return found

    def close(self) -> None:
        with self._turn:
            self._close()

    def _close(self) -> None:
        if self._opened:
            self._opened.close()
        self._opened = None

    def __del__(self) -> None:
        self.close()


def _found(connection: sqlite3.Connection, digest: bytes, at: datetime) -> list[Row]:
    return connection.execute(_LOOK_UP, (digest, _text(at))).fetchall()


def _appended(connection: sqlite3.Connection, use: UseFacts) -> int:
    row = (use.key_id, _text(use.at), *use[2:])
    return connection.execute(APPEND.format(_EIGHT), row).lastrowid or 0


def _admitted(connection: sqlite3.Connection, digest: bytes, use: UseFacts) -> Found:
    rows = _found(connection, digest, use.at)
    if not is_good(rows, use.at):
        return rows, None
    return rows, _appended(connection, use._replace(key_id=rows[0][0]))


def _text(at: datetime) -> str:
    """Write a time as SQLAlchemy does, so that texts compare as times do."""
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")
