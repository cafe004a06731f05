"""`reflow-accounts backup`, `restore-check` and `copy-to`: copy the database and check the copy."""

import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import click
from flask import current_app
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from reflow_accounts import transfer
from reflow_accounts.activity.chain import broken_links
from reflow_accounts.api_keys.usage.verify import differences
from reflow_accounts.commands.errors import handle_errors, say_what_takes_long
from reflow_accounts.config import ConfigError, Settings
from reflow_accounts.database import db
from reflow_accounts.database_errors import database_problem, describe, is_unwritable
from reflow_accounts.environment import database_address
from reflow_accounts.transfer import TransferError

_NO_BACKUP = "it is not a database of this service, or it is damaged"
_LABELS = (("users", "users"), ("teams", "teams"), ("api_keys", "API keys"), ("uses", "uses"))


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@handle_errors
def backup(file: Path) -> None:
    """Copy a consistent snapshot of the database to FILE, also while the service runs.

    FILE is an SQLite database, whichever kind is in use; `copy-to` copies it to PostgreSQL. It must not exist yet;
    only its owner may read it. Keep the secret key with it: passwords need both.
    """
    settings: Settings = current_app.config["SETTINGS"]
    url = make_url(settings.database_url)
    # systemd stops a timer's command so; like Ctrl-C, it must leave no partial file.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        sys.exit(f"reflow-accounts: {file} exists already. Nothing was changed: choose another name.")
    except OSError as error:
        sys.exit(f"reflow-accounts: {file} cannot be written ({error.strerror}).")
    try:
        if url.get_backend_name() == "sqlite":
            _copy_file(str(url.database), file)
        else:
            _copy_rows(file)
    except BaseException as error:
        with suppress(OSError):
            file.unlink()
        if isinstance(error, sqlite3.Error | TransferError):
            sys.exit(f"reflow-accounts: the copy could not be made ({error}). {file} was removed again.")
        raise
    finally:
        for suffix in ("-wal", "-shm", "-journal", ".lock"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
    click.echo(f"The database was copied to {file}.")


def _copy_file(source: str, file: Path) -> None:
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


def _copy_rows(file: Path) -> None:
    """Copy a snapshot of PostgreSQL, row by row, to a new SQLite file."""
    with transfer.open_database(f"sqlite:///{file}") as target, transfer.snapshot(db.engine) as source:
        _copy(source, target)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


@click.command("restore-check")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@handle_errors
def check_backup(file: Path) -> None:
    """Check FILE, made by `backup`: pages, references, revision, counts of uses, and hash chains.

    Changes nothing. Exit code 1 when something is wrong.
    """
    say_what_takes_long("Reading all pages, uses and hash chains, which takes minutes with millions of uses…")
    faults = _faults_of(file)
    try:
        with transfer.open_database(transfer.read_only_url(file)) as engine:
            if not faults:
                with transfer.snapshot(engine) as connection:
                    counts = transfer.counts(connection)
                    faults += [
                        f"the total of {difference.key_id} differs from the log of uses"
                        for difference in differences(engine)
                    ]
                    faults += broken_links(connection)
    except TransferError as error:
        faults.append(str(error))
    except SQLAlchemyError as error:
        faults.append(_fault_of(error))
    if faults:
        sys.exit("\n".join(f"reflow-accounts: {file}: {fault}" for fault in faults[:20]))
    summary = ", ".join(f"{counts[name]} {label}" for name, label in _LABELS)
    click.echo(f"{file} is whole: {summary}; {sum(counts.values())} rows in {len(counts)} tables.")


def _faults_of(file: Path) -> list[str]:
    try:
        return list(transfer.faults_of_file(file))
    except SQLAlchemyError as error:
        return [_fault_of(error)]


def _fault_of(error: SQLAlchemyError) -> str:
    # Files in WAL mode and large sorts need space to be read.
    return f"it cannot be checked: {database_problem(error)}" if is_unwritable(error) else _NO_BACKUP


@click.command("copy-to")
@click.argument("url")
@click.option(
    "--from",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Copy FILE, made by `backup`, instead of the database in use.",
)
@handle_errors
def copy_to(url: str, file: Path | None) -> None:
    """Copy the database to the empty PostgreSQL (or SQLite) database at URL, and verify the numbers of rows.

    Stop the service first, and start it with REFLOW_DATABASE_URL=URL afterwards. Run the command again to continue
    an interrupted copy. A completed copy, and any other database with rows, is never replaced.
    """
    try:
        address = database_address("URL", url)
        with (
            _open_original(file) as original,
            transfer.open_database(address) as target,
            transfer.snapshot(original) as source,
        ):
            counts = _copy(source, target)
            say_what_takes_long("Comparing the totals of the copy with its log of uses…")
            differing_keys = differences(target)
    except (TransferError, ConfigError) as error:
        sys.exit(f"reflow-accounts: {error}")
    except SQLAlchemyError as error:
        sys.exit(
            f"reflow-accounts: the copy stopped ({describe(error)}). Check that both databases answer, "
            "then run the command again to continue."
        )
    if differing_keys:
        sys.exit(
            f"reflow-accounts: all rows were copied, but the totals of {len(differing_keys)} keys differ from the "
            "log of uses, as in the original: set REFLOW_DATABASE_URL to the copy and run `uses verify --repair`."
        )
    click.echo(f"{sum(counts.values())} rows were copied in {len(counts)} tables; all numbers agree.")


@contextmanager
def _open_original(file: Path | None) -> Iterator[Engine]:
    """Open what is copied: a whole backup file, or without one the database in use. Raises TransferError."""
    if file is None:
        yield db.engine
        return
    for fault in _faults_of(file):
        raise TransferError(f"{file}: {fault}")
    with transfer.open_database(transfer.read_only_url(file)) as engine:
        try:
            with transfer.snapshot(engine):
                pass
        except TransferError as error:
            raise TransferError(f"{file}: {error}") from None
        yield engine


def _copy(source: Connection, target: Engine) -> dict[str, int]:
    """Copy all rows, with a progress bar on a terminal, on standard error."""
    transfer.prepare(source, target)
    total = sum(transfer.counts(source).values())
    with click.progressbar(length=total, label="Copying", file=sys.stderr, show_pos=True) as bar:
        return transfer.copy(source, target, bar.update)
