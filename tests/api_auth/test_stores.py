"""The stores of key checks: concurrent writes to one SQLite file, and recovery after a failure."""

import asyncio
import shutil
import sqlite3
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select, text

from reflow_accounts.api_auth import store_postgres, store_sqlite
from reflow_accounts.api_auth.store_postgres import PostgresStore
from reflow_accounts.api_auth.store_sqlite import SqliteStore
from reflow_accounts.api_keys.models import Use
from reflow_accounts.database import db, now
from reflow_accounts.environment import connect_arguments
from reflow_accounts.errors import Unavailable
from tests.api_auth.lookups import lookup, run_in_event_loop
from tests.api_keys.usage.use_log import only_on

SECONDS = 1.5
BATCH = 8
# A longer wait would be noticeable; the store itself gives up after seconds.
LONGEST_WAIT_S = 0.5


def path_of(app) -> str:
    with app.app_context():
        return str(db.engine.url.database)


def append_for_a_while(path: str, secret: str, start: Barrier) -> tuple[list[int], float]:
    """Append batches as fast as possible; return the ids of the uses and the longest wait in seconds."""
    start.wait()
    end_at = time.monotonic() + SECONDS

    async def append() -> tuple[list[int], float]:
        store, numbers, waits = SqliteStore(path, "NORMAL"), [], []
        while time.monotonic() < end_at:
            started_at = time.monotonic()
            results = await store.authenticate_and_record([lookup(secret, now()) for _ in range(BATCH)])
            waits.append(time.monotonic() - started_at)
            numbers += [result.use_number for result in results]
            # A server sends its responses before the next batch.
            await asyncio.sleep(0)
        await store.close()
        return numbers, max(waits)

    return asyncio.run(append())


@only_on("sqlite")
def test_concurrent_processes_lose_no_use_and_wait_briefly(app, cast):
    key, context = cast.ada.key(), get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(2, context) as processes:
        arguments = (path_of(app), key.secret, manager.Barrier(2))
        futures = [processes.submit(append_for_a_while, *arguments) for _ in range(2)]
        (first, longest), (second, longest_of_second) = [future.result() for future in futures]
    with app.app_context():
        numbers = list(db.session.scalars(select(Use.id).order_by(Use.id)))
    assert sorted(first + second) == numbers
    # Neither process was starved.
    assert min(len(first), len(second)) > len(numbers) / 10
    assert max(longest, longest_of_second) < LONGEST_WAIT_S


@only_on("sqlite")
def test_sqlite_store_opens_a_replaced_file_after_a_failure(app, cast, tmp_path, monkeypatch):
    key, path = cast.ada.key(), tmp_path / "copy.db"
    copy(path_of(app), path)

    def fail(*_arguments, **_options):
        raise sqlite3.OperationalError("unable to open database file")

    async def futures() -> None:
        store = SqliteStore(str(path), "NORMAL")
        request = lookup(key.secret, now())
        assert (await store.authenticate_and_record([request]))[0].use_number
        copy(path_of(app), path)
        with monkeypatch.context() as patch:
            patch.setattr(store_sqlite.sqlite3, "connect", fail)
            with pytest.raises(Unavailable):
                await store.authenticate_and_record([request])
        try:
            assert (await store.authenticate_and_record([request]))[0].use_number
        finally:
            await store.close()

    run_in_event_loop(futures())


def copy(source: str, target: Path) -> None:
    """Replace `target` by a copy of a database."""
    new = target.with_suffix(".new")
    with sqlite3.connect(source) as source_database, sqlite3.connect(new) as target_database:
        source_database.backup(target_database)
    source_database.close()
    target_database.close()
    for file in target.parent.glob(f"{target.name}-*"):
        file.unlink()
    shutil.move(new, target)


@only_on("postgresql")
def test_postgres_store_closes_an_unusable_connection(app, cast, monkeypatch):
    """A database that is not migrated refuses the statement of each request."""
    monkeypatch.setattr(store_postgres, "_STATEMENT", "SELECT 1 FROM missing")
    with app.app_context():
        parameters = connect_arguments(db.engine.url.update_query_dict({"application_name": "refused"}))

    async def futures() -> None:
        store = PostgresStore(parameters)
        for _ in range(5):
            with pytest.raises(Unavailable):
                await store.authenticate_and_record([lookup("rfk_x", now())])
        # Checked while the event loop runs, because its end closes all connections.
        await wait_until_all_are_closed(app)
        await store.close()

    run_in_event_loop(futures())


async def wait_until_all_are_closed(app) -> None:
    """Wait until the server has noticed that the connections named "refused" are closed."""
    count = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'refused'")
    async with asyncio.timeout(5):
        while True:
            with app.app_context():
                if not db.session.scalar(count):
                    return
            await asyncio.sleep(0.05)
