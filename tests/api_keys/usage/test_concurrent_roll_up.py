"""Who asks while others append and fold is told every use once: nothing that is shown ever goes back."""

import threading
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from reflow_accounts.api_keys.usage import queries
from reflow_accounts.api_keys.usage.rollup import roll_up
from reflow_accounts.database import db, now
from tests.api_keys.usage import log

READS = 40


@pytest.fixture
def key(app, cast) -> int:
    return log.number_of(app, cast.ada.key().id)


def use_and_fold(app, key: int) -> None:
    for _ in range(3):
        log.append(app, key, now())
    roll_up()


@contextmanager
def folded_before_each_statement(app, key: int):
    """Whatever is asked, its statements begin when the uses that the one before saw are folded, and more."""
    is_at_work = []

    def work(*_: object) -> None:
        if not is_at_work:
            is_at_work.append(True)
            use_and_fold(app, key)
            is_at_work.clear()

    event.listen(db.engine, "before_cursor_execute", work)
    try:
        yield
    finally:
        event.remove(db.engine, "before_cursor_execute", work)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_fold_between_the_statements_of_a_question_hides_and_doubles_nothing(app, cast, key, times):
    with app.app_context():
        with folded_before_each_statement(app, key):
            for _ in range(times):
                seen = queries.usage_counts_of([key])[key]
        assert seen == log.counted(app, key)
        with folded_before_each_statement(app, key):
            last = queries.last_uses_of([cast.ada.number])[cast.ada.number]
        assert last == log.counted(app, key).last_used_at


def test_count_and_last_use_never_go_back_while_another_thread_uses_and_folds(app, cast, key):
    done = threading.Event()

    def work() -> None:
        with app.app_context():
            while not done.is_set():
                use_and_fold(app, key)

    worker = threading.Thread(target=work)
    worker.start()
    seen = []
    try:
        with app.app_context():
            while len(seen) < READS or seen[0] == seen[-1]:
                found = queries.usage_counts_of([key])[key]
                last = queries.last_uses_of([cast.ada.number]).get(cast.ada.number)
                if found.count:
                    seen.append((found.count, found.last_used_at, last))
    finally:
        done.set()
        worker.join()
    for shown in zip(*seen, strict=True):
        assert list(shown) == sorted(shown)
    assert log.usage(app, key) == log.counted(app, key)
