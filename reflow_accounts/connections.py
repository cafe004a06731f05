"""The file of an SQLite database, and PostgreSQL connections with timeouts."""

import os
from pathlib import Path
from typing import Any

import psycopg
from flask import g, has_app_context, has_request_context
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, func, select, text

FileIdentity = tuple[int, int]

# Pages in the write-ahead log (40 MB) before a commit copies them into the database
# (https://sqlite.org/wal.html#ckpt). Roll-ups write the same pages again and again, and key checks wait while pages
# are copied and synced: with SQLite's default of 1000, about twice a second.
SQLITE_CHECKPOINT_PAGES = 10_000

# Timeout of a statement within a request; commands and background jobs have none.
STATEMENT_TIMEOUT_S = 5.0
# Timeout of a lock on a whole table. Longer than PostgreSQL's `deadlock_timeout` (a second), after which it cancels an
# autovacuum that is in the way (https://www.postgresql.org/docs/current/routine-vacuuming.html).
LOCK_TIMEOUT_MS = 1_500
# https://www.postgresql.org/docs/current/libpq-connect.html: seconds, and milliseconds for tcp_user_timeout.
# The database URL can override them.
POSTGRES_OPTIONS: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    # Statements that psycopg prepares automatically would fail after a migration of their table.
    "prepare_threshold": None,
}
# Replaces synchronous_commit=off, so that a commit waits for the disk. Other values do so already.
WAIT_FOR_DISK = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""


def sqlite_uri_of(path: str) -> str:
    """Return the URI with which `sqlite3.connect(…, uri=True)` opens an existing file and creates none."""
    return f"{Path(path).absolute().as_uri()}?mode=rw"


def file_identity_of(path: str) -> FileIdentity | None:
    """Return device and inode, or None without a file.

    They detect a replaced file: SQLite keeps reading and writing an open file that was deleted.
    """
    try:
        stat = os.stat(path)  # noqa: PTH116  # on every request: Path.stat is slower
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def lock_table(connection: Connection, table: str, mode: str) -> None:
    """Lock a table of PostgreSQL until the transaction ends; nothing on SQLite.

    Raises OperationalError (see `database_errors.is_locked`) after LOCK_TIMEOUT_MS: all later statements on the table
    wait behind the request, and a backup or a VACUUM may hold another lock for hours.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
        connection.execute(text(f"LOCK TABLE {table} IN {mode} MODE"))


def newest_settled_id(engine: Engine, model: Any) -> int:
    """Return an id of this append-only table below which no more rows can be committed.

    SQLite has one writer, so ids are committed in order. PostgreSQL assigns ids before the commit: the lock
    waits for running appends and is released at once.
    """
    with engine.begin() as connection:
        lock_table(connection, model.__tablename__, "SHARE")
        return connection.scalar(select(func.max(model.id))) or 0


class PostgresConnection(psycopg.Connection[Any]):
    """A blocking connection; a statement of a request that times out closes it and raises OperationalError."""

    _is_rolling_back = False

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        # Clients wait during requests, steps of downloads, and the rollback after the request context has ended.
        if self._is_rolling_back or has_request_context() or (has_app_context() and "has_client" in g):
            kwargs.setdefault("timeout", STATEMENT_TIMEOUT_S)
        try:
            return super().wait(gen, *args, **kwargs)
        except psycopg.OperationalError:
            # psycopg does not close a connection that still waits for the result of its statement.
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise

    def rollback(self) -> None:
        self._is_rolling_back = True
        try:
            super().rollback()
        except psycopg.OperationalError:
            # The server rolls back the transaction of a lost connection. An error here, at the end of a request, would
            # replace its response.
            self.close()
        finally:
            self._is_rolling_back = False
