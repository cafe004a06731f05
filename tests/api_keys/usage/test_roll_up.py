"""A roll-up changes no visible result: counts, times and lists equal those of the log."""

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
from tests.api_keys.usage import use_log
from tests.api_keys.usage.use_log import only_on
from tests.helpers import rows


@pytest.fixture
def keys(app, cast) -> list[int]:
    """The numbers of three keys of Ada's."""
    return [use_log.key_number(app, cast.ada.key().id) for _ in range(3)]


def test_usage_count_is_the_same_before_and_after_roll_up(app, keys):
    times = [now() - timedelta(minutes=minutes) for minutes in (9, 5, 7)]
    for at in times:
        use_log.append(app, keys[0], at)
    before = use_log.usage_count(app, keys[0])
    use_log.roll_up(app)
    assert use_log.usage_count(app, keys[0]) == before == use_log.count_in_log(app, keys[0])
    assert before.last_used_at == max(times)
    assert use_log.usage_count(app, keys[1]).count == 0


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
        use_log.roll_up(app)
    assert use_log.listed_ids(app, keys, limit=9) == numbers[::-1]
    assert use_log.listed_ids(app, keys, limit=2, before=70_001) == [70_000, 1]


@only_on("postgresql")
def test_totals_of_many_keys_are_updated_in_place(app):
    uses = "INSERT INTO uses (key_id, at, method, path, status, outcome, address, user_agent) "
    uses += "SELECT id, now(), 'GET', '/', 200, 'accepted', '', '' FROM generate_series(100001, 102000) AS id"
    pages = []
    for _ in range(10):
        with app.app_context():
            db.session.execute(text(uses))
            db.session.commit()
        use_log.roll_up(app)
        with app.app_context():
            pages.append(db.session.scalar(text("SELECT pg_relation_size('use_totals') / 8192")))
    # Without free space in the pages, ten times as many.
    assert pages[-1] <= 4 * pages[0]


def test_rolled_up_and_unrolled_uses_are_counted_together(app, keys):
    for _ in range(3):
        use_log.append(app, keys[0], now())
    use_log.roll_up(app)
    use_log.append(app, keys[0], now() - timedelta(days=1))
    assert use_log.usage_count(app, keys[0]) == use_log.count_in_log(app, keys[0])
    use_log.roll_up(app)
    assert use_log.usage_count(app, keys[0]) == use_log.count_in_log(app, keys[0])


def test_last_use_stays_the_newest_after_a_later_roll_up_of_an_older_use(app, keys):
    newest = now()
    use_log.append(app, keys[0], newest)
    use_log.roll_up(app)
    use_log.append(app, keys[0], newest - timedelta(hours=1))
    use_log.roll_up(app)
    assert use_log.usage_count(app, keys[0]).last_used_at == newest


def test_second_roll_up_counts_nothing_twice(app, keys):
    use_log.append(app, keys[0], now())
    use_log.roll_up(app)
    use_log.roll_up(app)
    assert use_log.usage_count(app, keys[0]).count == 1


def test_concurrent_roll_ups_count_each_use_once(app, keys):
    numbers = random.Random(7)
    for _ in range(300):
        use_log.append(app, numbers.choice(keys), now())

    def work(number: int) -> None:
        for _ in range(20):
            use_log.append(app, keys[number % 3], now())
            if number % 2:
                use_log.roll_up(app)
        with app.app_context():
            db.session.remove()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(8)))
    for key in keys:
        assert use_log.usage_count(app, key) == use_log.count_in_log(app, key)
    use_log.roll_up(app)
    for key in keys:
        assert use_log.usage_count(app, key) == use_log.count_in_log(app, key)
    with app.app_context():
        assert db.session.scalar(select(func.sum(UsageTotal.count))) == 300 + 8 * 20
        assert db.session.scalar(select(func.sum(UsageRange.count))) == 300 + 8 * 20
        assert db.session.scalar(select(RollupCursor.upto)) == db.session.scalar(select(func.max(Use.id)))


def test_long_log_is_rolled_up_in_several_steps(app, keys, monkeypatch):
    # PostgreSQL's numbers go on from the tests before, and steps of ten would take long to get there.
    start = use_log.append(app, keys[1], now())
    use_log.roll_up(app)
    monkeypatch.setattr(rollup, "LARGEST_ROLL_UP", 10)
    numbers = [use_log.append(app, keys[0], now()) for _ in range(35)]
    use_log.roll_up(app)
    assert rows.count(app, UsageRange) == 1 + len({(number - start - 1) // 10 for number in numbers})
    assert use_log.usage_count(app, keys[0]).count == 35


@only_on("sqlite")
def test_uses_of_many_keys_are_rolled_up_in_several_transactions(app, keys, monkeypatch):
    monkeypatch.setattr(rollup, "KEYS_AT_ONCE", 1)
    for number in range(12):
        use_log.append(app, keys[number % 2], now())
    use_log.roll_up(app)
    # First two uses, whose rows are twice too many, then one at a time.
    assert rows.count(app, UsageRange) == 12
    assert [use_log.usage_count(app, key).count for key in keys[:2]] == [6, 6]


@only_on("sqlite")
def test_other_writers_are_not_blocked_while_uses_are_summed_up(app, keys):
    for number in range(12):
        use_log.append(app, keys[number % 3], now())
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
        use_log.roll_up(app)
    finally:
        event.remove(engine, "after_cursor_execute", write)
    assert sum(written) > 0
    assert use_log.usage_count(app, keys[0]).count == 4


@only_on("sqlite")
def test_batch_with_too_many_keys_is_reduced(app, keys, monkeypatch):
    """Four uses of one key let the next batch be eight, which would write six rows instead of two."""
    monkeypatch.setattr(rollup, "KEYS_AT_ONCE", 2)
    start = now() - timedelta(hours=1)
    for _ in range(4):
        use_log.append(app, keys[0], start)
    for number in range(12):
        use_log.append(app, keys[number % 3], start + timedelta(minutes=15 * (number % 2)))
    use_log.roll_up(app)
    assert rows.count(app, UsageRange) > 1 + 3 + 3
    assert [use_log.usage_count(app, key).count for key in keys[:3]] == [8, 4, 4]
    assert app.test_cli_runner().invoke(args=["uses", "verify"]).exit_code == 0


def test_every_nth_request_rolls_up_uses(app, cast, api, monkeypatch):
    monkeypatch.setattr(rollup, "ROLL_UP_EVERY", 4)
    key = cast.ada.key()
    number = use_log.key_number(app, key.id)
    for _ in range(9):
        assert api(key.secret).get("/me").status_code == 200
        assert api(key.secret).get("/keys").status_code == 200
    with app.app_context():
        assert db.session.scalar(select(UsageTotal.count).where(UsageTotal.key_id == number)) >= 12
    assert use_log.usage_count(app, number).count == 18


def test_requests_wake_the_roll_up_job_and_do_not_wait(app, cast, api, monkeypatch):
    wake_ups = []
    monkeypatch.setattr(rollup, "ROLL_UP_EVERY", 4)
    monkeypatch.setattr(rollup, "_wake_job", lambda: wake_ups.append(1) or True)
    key = cast.ada.key()
    for _ in range(8):
        assert api(key.secret).get("/me").status_code == 200
    assert len(wake_ups) == 2
    assert rows.count(app, UsageTotal) == 0
    assert use_log.usage_count(app, use_log.key_number(app, key.id)).count == 8


@pytest.mark.parametrize("seed", range(6))
def test_list_equals_the_log_after_any_roll_ups(app, keys, seed):
    chance = random.Random(seed)
    start = now() - timedelta(hours=10)
    uses = []
    for step in range(120):
        key = chance.choices(keys, weights=(20, 4, 1))[0]
        at = start + timedelta(minutes=5 * step)
        uses.append((use_log.append(app, key, at), key, at))
        if chance.random() < 0.1:
            use_log.roll_up(app)
    for _ in range(12):
        chosen_keys = chance.sample(keys, chance.randint(1, 3))
        limit = chance.choice([1, 7, 50, 200])
        bounds = {
            "before": chance.choice([None, uses[chance.randrange(120)][0]]),
            "since": chance.choice([None, uses[chance.randrange(120)][2]]),
            "until": chance.choice([None, uses[chance.randrange(120)][2]]),
        }
        expected = [
            number
            for number, key, at in reversed(uses)
            if key in chosen_keys
            and (bounds["before"] is None or number < bounds["before"])
            and (bounds["since"] is None or at >= bounds["since"])
            and (bounds["until"] is None or at < bounds["until"])
        ]
        assert use_log.listed_ids(app, chosen_keys, limit=limit, **bounds) == expected[:limit]


def test_activity_lists_rolled_up_and_unrolled_uses_page_by_page(app, cast, api):
    key = cast.ada.key("paged")
    number = use_log.key_number(app, key.id)
    for step in range(25):
        use_log.append(app, number, now(), f"/step/{step}")
        if step % 10 == 9:
            use_log.roll_up(app)
    session = cast.ada.session()
    seen, cursor, more = [], "first", ""
    while cursor is not None:
        page = api(session).get(f"/activity?limit=4&key={key.id}{more}").json
        seen += [item["use"]["path"] for item in page["items"] if item["use"]]
        cursor = page["next_cursor"]
        more = f"&cursor={cursor}"
    assert seen == [f"/step/{step}" for step in reversed(range(25))]


@only_on("sqlite")
def test_query_scans_no_whole_log(app, keys):
    """Keys with few uses in a long log: the query plan of SQLite tells a search by number from a scan."""
    for step in range(30):
        for key in keys[: 1 + step % 3]:
            use_log.append(app, key, now())
        use_log.roll_up(app)
    with rows.collect_statements(app) as statements:
        use_log.listed_ids(app, [keys[2]], limit=50)
        use_log.listed_ids(app, keys, limit=200, since=now() - timedelta(hours=1))
        use_log.usage_count(app, keys[1])
    queries_of_uses = [statement for statement in statements.seen if "FROM uses" in statement]
    assert len(queries_of_uses) >= 3
    with app.app_context():
        driver = db.session.connection().connection.driver_connection
        for query in queries_of_uses:
            plan = driver.execute(f"EXPLAIN QUERY PLAN {query}", [1] * query.count("?")).fetchall()
            assert not [step for *_, step in plan if step.startswith("SCAN uses")], query


@pytest.mark.slow
@only_on("postgresql")
@pytest.mark.parametrize("query", ["usage count", "last use"])
def test_query_reads_unrolled_rows_only(app, cast, keys, query):
    """PostgreSQL plans by its statistics of the log, and counts the rows that a connection read."""
    use_log.append_many(app, keys[0], 20_000)
    use_log.roll_up(app)
    use_log.append_many(app, keys[1], 100)
    lines = "SELECT sum(seq_tup_read) FROM pg_stat_xact_user_tables WHERE relname ~ '^uses_'"
    with app.app_context():
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE uses"))
        before = db.session.scalar(text(lines))
        if query == "usage count":
            assert queries.usage_counts_of(keys)[keys[0]].count == 20_000
        else:
            assert queries.last_uses_of([cast.ada.number])
        assert db.session.scalar(text(lines)) - before <= 100
