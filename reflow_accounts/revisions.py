"""The schema revision of the database: which code may use it, and the lock for migrations."""

import fcntl
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from functools import cache

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, String, delete, insert, inspect, select, text
from sqlalchemy.orm import Mapped, mapped_column

from reflow_accounts import paths
from reflow_accounts.database import Model
from reflow_accounts.environment import ConfigError

# The key of PostgreSQL's advisory lock, the same on all nodes: "REFL" in ASCII.
_LOCK = 0x5245464C
_logger = logging.getLogger(__name__)
_holder = threading.local()

TOO_NEW = (
    "The database was made by a newer version (its revision is {}; this version knows {}). "
    "Run that version, or another database."
)


class SchemaRevision(Model):
    """The revision of the database, and the oldest code that works with it; one row.

    Each migration writes it for older code, which does not know the migration: nodes of the previous version may
    start during a rolling upgrade.
    """

    __tablename__ = "schema_revisions"

    revision: Mapped[str] = mapped_column(String(32), primary_key=True)
    compatible_from: Mapped[str] = mapped_column(String(32))


class Fit(Enum):
    """How the database compares with this code."""

    EMPTY = "it has no tables"
    OLD = "it must be migrated"
    CURRENT = "it is up to date"
    NEWER = "it is newer, and works with this code"
    TOO_NEW = "it is newer, and does not work with this code"


def current_revision(connection: Connection) -> str | None:
    """Return the revision of the database, or None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(paths.MIGRATIONS))


@cache
def newest_revision() -> str:
    """Return the revision that this code needs."""
    return _scripts().get_current_head() or ""


def fit(connection: Connection) -> Fit:
    """Compare the revision of the database with this code.

    A newer revision works with this code if its SchemaRevision says so. Without a SchemaRevision (the rows may have
    been copied), it works if it is one revision ahead, because each migration works with the code before it.
    """
    revision = current_revision(connection)
    if revision is None:
        return Fit.EMPTY
    if revision in {script.revision for script in _scripts().walk_revisions()}:
        return Fit.CURRENT if revision == newest_revision() else Fit.OLD
    query = select(SchemaRevision.compatible_from).where(SchemaRevision.revision == revision)
    has_table = inspect(connection).has_table(SchemaRevision.__tablename__)
    compatible_from = connection.scalar(query) if has_table else None
    is_next = revision.isdigit() and int(revision) == int(newest_revision()) + 1
    return (
        Fit.NEWER if (compatible_from <= newest_revision() if compatible_from else is_next) else Fit.TOO_NEW
    )


def store_revision(connection: Connection, revision: str | None) -> None:
    """Store, after a migration, the oldest code that works with the database: by default the previous revision."""
    if revision is None or not inspect(connection).has_table(SchemaRevision.__tablename__):
        return
    script = _scripts().get_revision(revision)
    oldest = getattr(script.module, "compatible_from", None) or script.down_revision or revision
    connection.execute(delete(SchemaRevision))
    connection.execute(insert(SchemaRevision).values(revision=revision, compatible_from=oldest))


@contextmanager
def migration_lock(engine: Engine) -> Iterator[None]:
    """Hold the lock for migrating and seeding a database, which one process of all nodes has at a time. Re-entrant.

    Raises ConfigError if the file of the lock cannot be written.
    """
    if getattr(_holder, "is_holding", False):
        yield
        return
    lock = _lock_file if engine.dialect.name == "sqlite" else _lock_server
    with lock(engine):
        _holder.is_holding = True
        try:
            yield
        finally:
            _holder.is_holding = False


@contextmanager
def _lock_file(engine: Engine) -> Iterator[None]:
    # A separate file: closing the database's file would drop SQLite's locks on it (https://sqlite.org/howtocorrupt.html).
    name = f"{engine.url.database}.lock"
    try:
        file = open(name, "a")  # noqa: PTH123, SIM115  # a suffix, not a path; closed below
    except OSError as error:
        raise ConfigError(
            f"The file {name} cannot be written ({error.strerror}): make it writable for this user."
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say_waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _lock_server(engine: Engine) -> Iterator[None]:
    # https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS; released with the connection.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}):
            _say_waiting()
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})


def _say_waiting() -> None:
    _logger.info("another process migrates or fills the database: waiting")
