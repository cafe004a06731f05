"""Run the migrations on the application's own connection, on SQLite and PostgreSQL alike."""

from alembic import context
from flask import current_app

from reflow_accounts.api_keys.usage.retention import is_part
from reflow_accounts.database import UTCDateTime, make_file

db = current_app.extensions["migrate"].db


def render_item(kind, item, autogen_context):
    """Write our own column types into generated migrations by name."""
    if kind == "type" and isinstance(item, UTCDateTime):
        autogen_context.imports.add("from reflow_accounts.database import UTCDateTime")
        return "UTCDateTime()"
    return False


def include_name(name, kind, parents):
    """Leave the parts of the log of uses, which come and go with the months, out of comparisons."""
    return kind != "table" or not is_part(name)


make_file(db.engine)
with db.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        render_item=render_item,
        include_name=include_name,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
