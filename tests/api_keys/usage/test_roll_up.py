"""Folding changes nothing that anybody can see: counts, times and lists are those of the log."""

import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import event, func, insert, select, text

from reflow_accounts.api_keys.models import RollupCursor, UsageRange, UsageTotal, Use
from reflow_accounts.api_keys.usage import queries, rollup
from reflow_accounts.database import db, now
from tests.api_keys.usage import log
from tests.api_keys.usage.log import on
from tests.helpers import rows


@pytest.fixture
def keys(app, cast) -> list[int]:
    """The numbers of three keys of Ada's."""
    return [log.number_of(app, cast.ada.key().id) for _ in range(3)]


def test_usage_count_is_the_same_before_and_after_roll_up(app, keys):
    times = [now() - timedelta(minutes=minutes) for minutes in (9, 5, 7)]
    for at in times:
        log.append(app, keys[0], at)
    before = log.usage(app, keys[0])
    log.fold(app)
    assert log.usage(app, keys[0]) == before == log.counted(app, keys[0])
    assert before.last_used_at == max(times)
    assert log.usage(app, keys[1]).count == 0


def test_uses_far_apart_in_the_log_are_listed(app, keys):
    numbers = [1, 70_000, 600_000, 600_001]
    facts = {
        "method": "GET",
        "path": "/",
        "status": 200,
        "outcome": "accepted",
        "address": "",
        "user_agent": "",
    }
    for number in numbers:
        with app.app_context():
            key = keys[number % 2]
            db.session.execute(insert(Use).values(id=number, key_id=key, at=now(), **facts))
            db.session.commit()
        log.fold(app)
    assert log.listed(app, keys, limit=9) == numbers[::-1]
    assert log.listed(app, keys, limit=2, before=70_001) == [70_000, 1]


@on("postgresql")
def test_totals_of_many_keys_are_updated_in_place(app):
    uses = "INSERT INTO uses (key_id, at, method, path, status, outcome, address, user_agent) "
    uses += "SELECT id, now(), 'GET', '/', 200, 'accepted', '', '' FROM generate_series(100001, 102000) AS id"
    pages = []
    for _ in range(10):
        with app.app_context():
            db.session.execute(text(uses))
            db.session.commit()
        log.fold(app)
        with app.app_context():
            pages.append(db.session.scalar(text("SELECT pg_relation_size('use_totals') / 8192")))
    assert pages[-1] <= 2 * pages[0]


def test_folded_and_new_uses_are_counted_together(app, keys):
    for _ in range(3):
        log.append(app, keys[0], now())
    log.fold(app)
    log.append(app, keys[0], now() - timedelta(days=1))
    assert log.usage(app, keys[0]) == log.counted(app, keys[0])
    log.fold(app)
    assert log.usage(app, keys[0]) == log.counted(app, keys[0])


def test_older_use_that_is_folded_later_does_not_turn_the_time_back(app, keys):
    newest = now()
    log.append(app, keys[0], newest)
    log.fold(app)
    log.append(app, keys[0], newest - timedelta(hours=1))
    log.fold(app)
    assert log.usage(app, keys[0]).last_used_at == newest


def test_folding_twice_counts_once(app, keys):
    log.append(app, keys[0], now())
    log.fold(app)
    log.fold(app)
    assert log.usage(app, keys[0]).count == 1


def test_several_that_fold_at_once_count_each_use_once(app, keys):
    numbers = random.Random(7)
    for _ in range(300):
        log.append(app, numbers.choice(keys), now())

    def work(number: int) -> None:
        for _ in range(20):
            log.append(app, keys[number % 3], now())
            if number % 2:
                log.fold(app)
        with app.app_context():
            db.session.remove()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(8)))
    for key in keys:
        assert log.usage(app, key) == log.counted(app, key)
    log.fold(app)
    for key in keys:
        assert log.usage(app, key) == log.counted(app, key)
    with app.app_context():
        assert db.session.scalar(select(func.sum(UsageTotal.count))) == 300 + 8 * 20
        assert db.session.scalar(select(func.sum(UsageRange.count))) == 300 + 8 * 20
        assert db.session.scalar(select(RollupCursor.upto)) == db.session.scalar(select(func.max(Use.id)))


def test_long_log_is_rolled_up_in_several_steps(app, keys, monkeypatch):
    # PostgreSQL's numbers go on from the tests before, and steps of ten would take long to get there.
    start = log.append(app, keys[1], now())
    log.fold(app)
    monkeypatch.setattr(rollup, "LARGEST_ROLL_UP", 10)
    numbers = [log.append(app, keys[0], now()) for _ in range(35)]
    log.fold(app)
    assert rows.count(app, UsageRange) == 1 + len({(number - start - 1) // 10 for number in numbers})
    assert log.usage(app, keys[0]).count == 35


@on("sqlite")
def test_uses_of_many_keys_are_rolled_up_in_several_transactions(app, keys, monkeypatch):
    monkeypatch.setattr(rollup, "KEYS_AT_ONCE", 1)
    for number in range(12):
        log.append(app, keys[number % 2], now())
    log.fold(app)
    # First two uses, whose rows are twice too many, then one at a time.
    assert rows.count(app, UsageRange) == 12
    assert [log.usage(app, key).count for key in keys[:2]] == [6, 6]


@on("sqlite")
def test_other_writers_need_not_wait_while_uses_are_summed_up(app, keys):
    for number in range(12):
        log.append(app, keys[number % 3], now())
    written = []

    def write(_connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO temp."):
            with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                written.append(other.execute("UPDATE teams SET name = name").rowcount)
                other.execute("COMMIT")

    with app.app_context():
        path, engine = db.engine.url.database, db.engine
    event.listen(engine, "after_cursor_execute", write)
    try:
        log.fold(app)
    finally:
        event.remove(engine, "after_cursor_execute", write)
    assert sum(written) > 0
    assert log.usage(app, keys[0]).count == 4


@on("sqlite")
def test_batch_of_too_many_keys_is_made_smaller(app, keys, monkeypatch):
    """Four uses of one key let the next batch be eight, which would write six rows instead of two."""
    monkeypatch.setattr(rollup, "KEYS_AT_ONCE", 2)
    start = now() - timedelta(hours=1)
    for _ in range(4):
        log.append(app, keys[0], start)
    for number in range(12):
        log.append(app, keys[number % 3], start + timedelta(minutes=15 * (number % 2)))
    log.fold(app)
    assert rows.count(app, UsageRange) > 1 + 3 + 3
    assert [log.usage(app, key).count for key in keys[:3]] == [8, 4, 4]
    assert app.test_cli_runner().invoke(args=["uses", "verify"]).exit_code == 0


def test_request_whose_number_is_due_folds(app, cast, api, monkeypatch):
    monkeypatch.setattr(rollup, "ROLL_UP_EVERY", 4)
    key = cast.ada.key()
    number = log.number_of(app, key.id)
    for _ in range(9):
        assert api(key.secret).get("/me").status_code == 200
        assert api(key.secret).get("/keys").status_code == 200
    with app.app_context():
        assert db.session.scalar(select(UsageTotal.count).where(UsageTotal.key_id == number)) >= 12
    assert log.usage(app, number).count == 18


def test_where_somebody_folds_beside_the_requests_they_ask_and_do_not_wait(app, cast, api, monkeypatch):
    asked = []
    monkeypatch.setattr(rollup, "ROLL_UP_EVERY", 4)
    monkeypatch.setattr(rollup, "_wake_job", lambda: asked.append(1) or True)
    key = cast.ada.key()
    for _ in range(8):
        assert api(key.secret).get("/me").status_code == 200
    assert len(asked) == 2
    assert rows.count(app, UsageTotal) == 0
    assert log.usage(app, log.number_of(app, key.id)).count == 8


@pytest.mark.parametrize("seed", range(6))
def test_list_holds_what_the_log_holds_however_it_was_folded(app, keys, seed):
    chance = random.Random(seed)
    start = now() - timedelta(hours=10)
    uses = []
    for step in range(120):
        key = chance.choices(keys, weights=(20, 4, 1))[0]
        at = start + timedelta(minutes=5 * step)
        uses.append((log.append(app, key, at), key, at))
        if chance.random() < 0.1:
            log.fold(app)
    for _ in range(12):
        some = chance.sample(keys, chance.randint(1, 3))
        limit = chance.choice([1, 7, 50, 200])
        bounds = {
            "before": chance.choice([None, uses[chance.randrange(120)][0]]),
            "since": chance.choice([None, uses[chance.randrange(120)][2]]),
            "until": chance.choice([None, uses[chance.randrange(120)][2]]),
        }
        wanted = [
            number
            for number, key, at in reversed(uses)
            if key in some
            and (bounds["before"] is None or number < bounds["before"])
            and (bounds["since"] is None or at >= bounds["since"])
            and (bounds["until"] is None or at < bounds["until"])
        ]
        assert log.listed(app, some, limit=limit, **bounds) == wanted[:limit]


def test_activity_goes_through_folded_and_new_uses_page_by_page(app, cast, api):
    key = cast.ada.key("paged")
    number = log.number_of(app, key.id)
    for step in range(25):
        log.append(app, number, now(), f"/step/{step}")
        if step % 10 == 9:
            log.fold(app)
    session = cast.ada.session()
    seen, cursor, more = [], "first", ""
    while cursor is not None:
        page = api(session).get(f"/activity?limit=4&key={key.id}{more}").json
        seen += [item["use"]["path"] for item in page["items"] if item["use"]]
        cursor = page["next_cursor"]
        more = f"&cursor={cursor}"
    assert seen == [f"/step/{step}" for step in reversed(range(25))]


@on("sqlite")
def test_no_question_reads_the_whole_log(app, keys):
    """Sparse keys in a long log: SQLite's own plan says whether it searches by number or scans."""
    for step in range(30):
        for key in keys[: 1 + step % 3]:
            log.append(app, key, now())
        log.fold(app)
    with rows.watching(app) as asked:
        log.listed(app, [keys[2]], limit=50)
        log.listed(app, keys, limit=200, since=now() - timedelta(hours=1))
        log.usage(app, keys[1])
    questions = [statement for statement in asked.seen if "FROM uses" in statement]
    assert len(questions) >= 3
    with app.app_context():
        driver = db.session.connection().connection.driver_connection
        for question in questions:
            plan = driver.execute(f"EXPLAIN QUERY PLAN {question}", [1] * question.count("?")).fetchall()
            assert not [step for *_, step in plan if step.startswith("SCAN uses")], question


@pytest.mark.slow
@on("postgresql")
@pytest.mark.parametrize("question", ["how often", "who when"])
def test_question_reads_the_tail_and_not_the_log(app, cast, keys, question):
    """PostgreSQL chooses by what it knows of the log; a connection tells what it read."""
    log.append_many(app, keys[0], 20_000)
    log.fold(app)
    log.append_many(app, keys[1], 100)
    lines = "SELECT sum(seq_tup_read) FROM pg_stat_xact_user_tables WHERE relname ~ '^uses_'"
    with app.app_context():
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE uses"))
        before = db.session.scalar(text(lines))
        if question == "how often":
            assert queries.usage_counts_of(keys)[keys[0]].count == 20_000
        else:
            assert queries.last_uses_of([cast.ada.number])
        assert db.session.scalar(text(lines)) - before <= 100
