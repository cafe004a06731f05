"""Copies all rows from one database to another, SQLite or PostgreSQL, and verifies copies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import alembic.command
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    bindparam,
    create_engine,
    delete,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.engine import make_url

from reflow_accounts import revisions
from reflow_accounts.api_keys.models import RollupCursor, Use
from reflow_accounts.api_keys.usage.retention import make_months
from reflow_accounts.connections import file_identity_of
from reflow_accounts.database import UTCDateTime, db, keep_to_file, make_file, migrate, now
from reflow_accounts.revisions import Fit, SchemaRevision
from reflow_accounts.users.models import User

ROWS_AT_ONCE = 5_000
USES: Table = Use.__table__  # type: ignore[assignment]  # a Table, typed as FromClause
# A table that the target has while its copy is unfinished: only such a copy is continued.
UNFINISHED = Table("unfinished_copy", MetaData(), Column("started_at", UTCDateTime, nullable=False))

UNFINISHED_COPY = "The database is an unfinished copy. Complete it with `copy-to`, or use another one."

Progress = Callable[[int], object]


class TransferError(Exception):
    """A copy that cannot be made or is incomplete. The message gives the reason."""


def tables() -> list[Table]:
    """Return the tables whose rows are copied, referenced ones first and the log of uses last."""
    # Each database has its own SchemaRevision.
    skipped = (USES, SchemaRevision.__table__)
    return [*(table for table in db.metadata.sorted_tables if table not in skipped), USES]


def counts(connection: Connection) -> dict[str, int]:
    """Return the number of rows of each table."""
    return {table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables()}


def ensure_current(connection: Connection) -> None:
    """Raise TransferError unless the database has the revision of this code."""
    fit = revisions.fit(connection)
    if fit is Fit.EMPTY:
        raise TransferError("The database has no tables of this service.")
    if fit is not Fit.CURRENT:
        advice = "Use the version that made it"
        if fit is Fit.OLD:
            advice += (
                ", or migrate it: run `reflow-accounts db upgrade` with its address in REFLOW_DATABASE_URL"
            )
        raise TransferError(
            f"The database has revision {revisions.current_revision(connection)} and this version needs "
            f"{revisions.newest_revision()}. {advice}."
        )


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """Open a connection that sees the database at one moment, while the service continues to write.

    Raises TransferError as `ensure_current` does, and for an unfinished copy.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(text("BEGIN"))
        else:
            connection.execution_options(isolation_level="REPEATABLE READ")
        if is_unfinished(connection):
            raise TransferError(UNFINISHED_COPY)
        ensure_current(connection)
        yield connection


def is_unfinished(connection: Connection) -> bool:
    """Return whether the database is the target of a copy that was interrupted, or is running."""
    return inspect(connection).has_table(UNFINISHED.name)


@contextmanager
def open_database(url: str) -> Iterator[Engine]:
    """Open another database by its URL, and close its connections afterwards."""
    engine = create_engine(url, hide_parameters=True)
    try:
        if make_url(url).get_backend_name() == "sqlite" and "uri" not in make_url(url).query:
            keep_to_file(engine)
        yield engine
    finally:
        engine.dispose()


def prepare(source: Connection, target: Engine) -> None:
    """Migrate the target of a copy to the revision of this code; create a missing SQLite file.

    Raises TransferError, before any change, if the target is the source or has rows, unless these are of an
    unfinished copy.
    """
    make_file(target)
    _ensure_free(source, target)
    # Before the migration: when that is interrupted, the empty tables are no complete copy either.
    with target.begin() as connection:
        if not is_unfinished(connection):
            UNFINISHED.create(connection)
            connection.execute(insert(UNFINISHED).values(started_at=now()))
    config = migrate.get_config()
    config.attributes["engine"] = target
    alembic.command.upgrade(config, "head")


def _ensure_free(source: Connection, target: Engine) -> None:
    with target.connect() as connection:
        if _identity(connection) == _identity(source):
            raise TransferError("The database cannot be copied to itself. Choose an empty one.")
        table_names = set(inspect(connection).get_table_names())
        if UNFINISHED.name in table_names:
            return
        # A migration adds the only RollupCursor.
        for table in tables():
            is_checked = table.name in table_names and table.name != RollupCursor.__tablename__
            if is_checked and connection.execute(select(text("1")).select_from(table).limit(1)).first():
                raise TransferError("The other database has data of its own. Choose an empty one.")


def _identity(connection: Connection) -> object:
    """Return what two connections to the same database have in common."""
    if connection.dialect.name == "sqlite":
        query = text("SELECT file FROM pragma_database_list WHERE name = 'main'")
        return file_identity_of(connection.execute(query).scalar_one())
    return tuple(connection.execute(text("SELECT pg_postmaster_start_time(), current_database()")).one())


def copy(source: Connection, target: Engine, progress: Progress) -> dict[str, int]:
    """Copy all rows to a prepared database, and return the number of rows of each table.

    Replaces the tables in one transaction. Copies the log of uses, which only grows, in batches of `ROWS_AT_ONCE`,
    each in a separate transaction, so that an interrupted copy continues after its last batch. Calls `progress` with
    the number of rows of each batch. Raises TransferError if the numbers of rows differ at the end,
    or if the target has an unfinished copy of another database.
    """
    _ensure_continues(source, target)
    with target.begin() as connection:
        for table in reversed(tables()[:-1]):
            connection.execute(delete(table))
        for table in tables()[:-1]:
            _copy_table(table, source, connection, progress)
    _copy_uses(source, target, progress)
    with target.begin() as connection:
        _set_sequences(connection)
        copied = counts(connection)
        expected = counts(source)
        if copied != expected:
            wrong = next(name for name in expected if copied[name] != expected[name])
            raise TransferError(f"{wrong} has {copied[wrong]} rows instead of {expected[wrong]}: copy again.")
        UNFINISHED.drop(connection)
    return copied


def _ensure_continues(source: Connection, target: Engine) -> None:
    """Raise TransferError if the target has rows of another source."""
    query = select(User.public_id).order_by(User.id).limit(1)
    with target.connect() as connection:
        user_id = connection.scalar(query)
        if user_id not in (None, source.scalar(query)):
            raise TransferError(
                "The other database has an unfinished copy of another database. Choose an empty one."
            )
        last_use = connection.execute(select(USES).order_by(USES.c.id.desc()).limit(1)).one_or_none()
        number = connection.scalar(select(func.count()).select_from(USES))
    if last_use is None:
        return
    source_use = source.execute(select(USES).where(USES.c.id == last_use.id)).one_or_none()
    if source_use != last_use or number != source.scalar(
        select(func.count()).where(USES.c.id <= last_use.id)
    ):
        raise TransferError("The other database has uses that this one has not. Choose an empty one.")


def _copy_table(table: Table, source: Connection, target: Connection, progress: Progress) -> None:
    """Copy all rows of a table. References to other rows of the table, which may come later, are set at the end."""
    links = [column for column in table.c if any(key.column.table is table for key in column.foreign_keys)]
    without_links = {column.name: None for column in links}
    # Without `yield_per` psycopg reads the whole table into memory.
    in_batches = {"yield_per": ROWS_AT_ONCE}
    for batch in source.execute(select(table), execution_options=in_batches).mappings().partitions():
        target.execute(insert(table), [dict(row) | without_links for row in batch])
        progress(len(batch))
    for column in links:
        query = select(table.c.id.label("row"), column.label("link")).where(column.is_not(None))
        statement = update(table).where(table.c.id == bindparam("row")).values({column: bindparam("link")})
        for batch in source.execute(query, execution_options=in_batches).mappings().partitions():
            target.execute(statement, [dict(row) for row in batch])


def _copy_uses(source: Connection, target: Engine, progress: Progress) -> None:
    with target.connect() as connection:
        last: int = connection.scalar(select(func.coalesce(func.max(USES.c.id), 0))) or 0
    if last:
        progress(source.scalar(select(func.count()).where(USES.c.id <= last)) or 0)
    months: set[tuple[int, int]] = set()
    while True:
        page = select(USES).where(USES.c.id > last).order_by(USES.c.id).limit(ROWS_AT_ONCE)
        rows = [dict(row) for row in source.execute(page).mappings()]
        if not rows:
            return
        # PostgreSQL has a partition for each month, so that pruning can drop whole months.
        moments: dict[tuple[int, int], datetime] = {
            (row["at"].year, row["at"].month): row["at"] for row in rows
        }
        for month in moments.keys() - months:
            make_months(target, moments[month], 1)
            months.add(month)
        with target.begin() as connection:
            connection.execute(insert(USES), rows)
        last = rows[-1]["id"]
        progress(len(rows))


def _set_sequences(connection: Connection) -> None:
    """Make PostgreSQL number new rows after the copied ones."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables():
        column = table.autoincrement_column
        if column is None:
            continue
        largest = connection.scalar(select(func.max(column)))
        if largest is not None:
            sequence = select(func.setval(func.pg_get_serial_sequence(table.name, column.name), largest))
            connection.execute(sequence)


def read_only_url(file: Path) -> str:
    """Return a URL that opens an SQLite file read-only (https://sqlite.org/uri.html)."""
    return f"sqlite:///{file.absolute().as_uri()}?mode=ro&uri=true"


def faults_of_file(file: Path) -> Iterator[str]:
    """Yield the faults of a backup file: damaged pages, and references to missing rows."""
    with open_database(read_only_url(file)) as engine, engine.connect() as connection:
        for (line,) in connection.execute(text("PRAGMA integrity_check(20)")):
            if line != "ok":
                yield line
        for table, row, parent, _ in connection.execute(text("PRAGMA foreign_key_check")).fetchmany(20):
            yield f"row {row} of {table} refers to a missing row of {parent}"
