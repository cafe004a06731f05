"""Run the migrations with the application's engine, on SQLite and PostgreSQL."""

import sys

from alembic import context
from flask import current_app
from sqlalchemy.exc import InternalError, OperationalError

from reflow_accounts import revisions
from reflow_accounts.api_keys.usage.retention import is_part
from reflow_accounts.database import UTCDateTime, make_file
from reflow_accounts.database_errors import condition_of, opening_problem
from reflow_accounts.environment import ConfigError
from reflow_accounts.revisions import Fit

db = current_app.extensions["migrate"].db
# A copy (reflow_accounts/transfer.py) migrates another database.
engine = context.config.attributes.get("engine") or db.engine


def render_item(kind, item, autogen_context):
    """Write our own column types into generated migrations by name."""
    if kind == "type" and isinstance(item, UTCDateTime):
        autogen_context.imports.add("from reflow_accounts.database import UTCDateTime")
        return "UTCDateTime()"
    return False


def include_name(name, kind, parents):
    """Exclude the monthly partitions of the log of uses from comparisons."""
    return kind != "table" or not is_part(name)


def ensure_known(connection):
    """Exit with a sentence if the database has a revision that is not among these migrations."""
    if revisions.fit(connection) in (Fit.NEWER, Fit.TOO_NEW):
        message = revisions.TOO_NEW.format(
            revisions.current_revision(connection), revisions.newest_revision()
        )
        sys.exit(f"reflow-accounts: {message}")


def note_revision(ctx, step, heads, run_args):
    """Store which code works with the database, in the transaction of each step."""
    revisions.store_revision(ctx.connection, max(heads, default=None))


def check_references(connection):
    """Turn SQLite's foreign keys on again, and exit with an error if a migration broke one."""
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    connection.rollback()
    connection.exec_driver_sql("PRAGMA foreign_keys = ON")
    if broken:
        sys.exit(f"reflow-accounts: rows of {broken[0][0]} point to missing rows of {broken[0][2]}.")


def run():
    """Run the requested migrations, one process at a time."""
    make_file(engine)
    with revisions.migration_lock(engine), engine.connect() as connection:
        ensure_known(connection)
        is_sqlite = connection.dialect.name == "sqlite"
        if is_sqlite:
            # Alembic changes a table by copying it (https://sqlite.org/lang_altertable.html#otheralter); with foreign
            # keys on, dropping the original would count as deleting its rows.
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        # Ends the transaction that SQLAlchemy began; each migration begins its own.
        connection.rollback()
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            render_item=render_item,
            include_name=include_name,
            compare_server_default=True,
            transaction_per_migration=True,
            on_version_apply=note_revision,
        )
        with context.begin_transaction():
            context.run_migrations()
        if is_sqlite:
            check_references(connection)


try:
    run()
except ConfigError as error:
    sys.exit(f"reflow-accounts: {error}")
except (OperationalError, InternalError) as error:
    # A fault of a step keeps its traceback, which names the step.
    if engine is not db.engine or condition_of(error) == "SQLITE_ERROR":
        raise
    sys.exit(f"reflow-accounts: {opening_problem(error)}")
