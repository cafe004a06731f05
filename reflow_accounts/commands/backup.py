"""`flask backup`: an online copy of the SQLite database."""

import os
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path

import click
from flask import current_app
from sqlalchemy.engine import make_url

from reflow_accounts.commands.errors import handle_errors

_OTHER = (
    "reflow-accounts: this database is not SQLite. Back it up with its own tool: "
    'pg_dump --format=custom --file=FILE "$REFLOW_DATABASE_URL"'
)


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@handle_errors
def backup(file: Path) -> None:
    """Copy the SQLite database to FILE, whole and at one moment, while the service runs.

    FILE must not exist; only its owner may read it. Keep the secret key with it: passwords need both.
    """
    url = make_url(current_app.config["SETTINGS"].database_url)
    if url.get_backend_name() != "sqlite":
        sys.exit(_OTHER)
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        sys.exit(f"reflow-accounts: {file} exists already. Nothing was changed: choose another name.")
    except OSError as error:
        sys.exit(f"reflow-accounts: {file} cannot be written ({error.strerror}).")
    try:
        _copy(str(url.database), file)
    except BaseException as error:
        with suppress(OSError):
            file.unlink()
        if isinstance(error, sqlite3.Error):
            sys.exit(f"reflow-accounts: the copy could not be made ({error}). {file} was removed again.")
        raise
    click.echo(f"The database was copied to {file}.")


def _copy(source: str, file: Path) -> None:
    """Copy with the online backup of SQLite (https://sqlite.org/backup.html), and check the copy."""
    # `mode=ro` does not create a missing database.
    with (
        closing(sqlite3.connect(f"{Path(source).absolute().as_uri()}?mode=ro", uri=True)) as original,
        closing(sqlite3.connect(file)) as copy,
    ):
        original.backup(copy)
        # A single file without WAL.
        copy.execute("PRAGMA journal_mode = DELETE")
        [result] = copy.execute("PRAGMA quick_check(1)").fetchone()
        if result != "ok":
            raise sqlite3.DatabaseError(result)
