"""Queries beside concurrent uses and roll-ups count every use once; shown values never decrease."""

import threading
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from reflow_accounts.api_keys.usage import queries
from reflow_accounts.api_keys.usage.rollup import roll_up
from reflow_accounts.database import db, now
from tests.api_keys.usage import use_log

READS = 40


@pytest.fixture
def key(app, cast) -> int:
    return use_log.key_number(app, cast.ada.key().id)


def add_uses_and_roll_up(app, key: int) -> None:
    for _ in range(3):
        use_log.append(app, key, now())
    roll_up()


@contextmanager
def roll_up_before_each_statement(app, key: int):
    """Add uses and roll them up before each statement of the block."""
    running = []

    def add_uses(*_: object) -> None:
        if not running:
            running.append(True)
            add_uses_and_roll_up(app, key)
            running.clear()

    event.listen(db.engine, "before_cursor_execute", add_uses)
    try:
        yield
    finally:
        event.remove(db.engine, "before_cursor_execute", add_uses)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_roll_up_between_statements_of_a_query_miscounts_nothing(app, cast, key, times):
    with app.app_context():
        with roll_up_before_each_statement(app, key):
            for _ in range(times):
                seen = queries.usage_counts_of([key])[key]
        assert seen == use_log.count_in_log(app, key)
        with roll_up_before_each_statement(app, key):
            last = queries.last_uses_of([cast.ada.number])[cast.ada.number]
        assert last == use_log.count_in_log(app, key).last_used_at


def test_count_and_last_use_never_decrease_during_concurrent_roll_ups(app, cast, key):
    stop = threading.Event()

    def add_uses() -> None:
        with app.app_context():
            while not stop.is_set():
                add_uses_and_roll_up(app, key)

    worker = threading.Thread(target=add_uses)
    worker.start()
    seen = []
    try:
        with app.app_context():
            while len(seen) < READS or seen[0] == seen[-1]:
                usage = queries.usage_counts_of([key])[key]
                last = queries.last_uses_of([cast.ada.number]).get(cast.ada.number)
                if usage.count:
                    seen.append((usage.count, usage.last_used_at, last))
    finally:
        stop.set()
        worker.join()
    for shown in zip(*seen, strict=True):
        assert list(shown) == sorted(shown)
    assert use_log.usage_count(app, key) == use_log.count_in_log(app, key)
