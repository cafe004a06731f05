"""Pruning shortens the log and keeps every total."""

from datetime import timedelta

import pytest
from sqlalchemy import event, inspect, text

from reflow_accounts.api_keys.models import UsageRange, Use
from reflow_accounts.api_keys.usage import retention
from reflow_accounts.connections import LOCK_TIMEOUT_MS
from reflow_accounts.database import db, now
from tests.api_keys.usage import use_log
from tests.api_keys.usage.use_log import only_on
from tests.helpers import rows


@pytest.fixture
def aged_key(app, cast):
    """A key with uses 500, 400, 300 (twice), 2 and 0 days ago, each rolled up separately."""
    key = use_log.key_number(app, cast.ada.key("aged").id)
    with app.app_context():
        retention.ensure_months()
    for days in (500, 400, 300, 300, 2, 0):
        use_log.append(app, key, now() - timedelta(days=days), f"/{days}")
        use_log.roll_up(app)
    return key


def prune(app, days: int):
    return app.test_cli_runner().invoke(args=["uses", "prune", "--older-than", str(days)])


def test_total_is_kept_when_uses_are_pruned(app, aged_key):
    before = use_log.usage_count(app, aged_key)
    assert prune(app, 365).exit_code == 0
    assert use_log.usage_count(app, aged_key) == before
    assert app.test_cli_runner().invoke(args=["uses", "verify"]).exit_code == 0
    use_log.append(app, aged_key, now())
    assert use_log.usage_count(app, aged_key).count == before.count + 1


@only_on("sqlite")
def test_sqlite_pruning_deletes_exactly_old_uses_and_their_ranges(app, aged_key):
    assert prune(app, 365).output == "2 uses older than 365 days were removed; all totals were kept.\n"
    assert rows.count(app, Use) == 4
    assert rows.count(app, UsageRange) == 4
    assert len(use_log.listed_ids(app, [aged_key], limit=50)) == 4


def test_others_write_between_the_batches_of_pruning(app, aged_key, monkeypatch):
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 1)
    added = []
    monkeypatch.setattr(retention, "sleep", lambda _: added.append(use_log.append(app, aged_key, now())))
    assert prune(app, 100).output.startswith("4 uses older")
    assert len(added) > 4
    assert app.test_cli_runner().invoke(args=["uses", "verify"]).exit_code == 0
    assert use_log.usage_count(app, aged_key).count == 6 + len(added)


@only_on("sqlite")
def test_sqlite_pruning_reads_no_newer_uses_while_others_wait(app, aged_key):
    use_log.append_many(app, aged_key, 5000)
    use_log.roll_up(app)
    steps = []

    def watch(connection, *_):
        driver = connection.connection.driver_connection
        driver.set_progress_handler(lambda: steps.append(None) if driver.in_transaction else None, 100)

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", watch)
        try:
            retention.prune(now() - timedelta(days=365))
        finally:
            event.remove(db.engine, "before_cursor_execute", watch)
            db.engine.dispose()
    assert 0 < len(steps) < 100


def test_newest_use_is_kept_so_that_its_number_is_not_reused(app, cast):
    key = use_log.key_number(app, cast.ada.key().id)
    last = [use_log.append(app, key, now() - timedelta(days=900)) for _ in range(3)][-1]
    prune(app, 30)
    assert use_log.append(app, key, now()) > last
    assert use_log.usage_count(app, key).count == 4


def test_pruning_again_removes_nothing_more(app, aged_key):
    prune(app, 365)
    assert prune(app, 365).output.startswith("0 uses")


def test_old_uses_without_a_partition_are_pruned_too(app, aged_key):
    assert prune(app, 365).output.startswith("2 uses older")
    assert rows.count(app, Use) == 4


@pytest.mark.parametrize("days", ["0", "-1", "x"])
def test_invalid_age_is_refused(app, days):
    assert app.test_cli_runner().invoke(args=["uses", "prune", "--older-than", days]).exit_code == 2


@only_on("postgresql")
def test_months_are_partitions_on_postgresql_and_old_ones_are_dropped(app, cast, monkeypatch):
    key = use_log.key_number(app, cast.ada.key().id)
    old = now() - timedelta(days=200)
    for _ in range(3):
        use_log.append(app, key, old)
    use_log.append(app, key, now())
    # As if the service had run in that month: its partition takes its uses from the default partition.
    monkeypatch.setattr(retention, "now", lambda: old)
    with app.app_context():
        retention.ensure_months()
        retention.ensure_months()
        partition = f"uses_{old:%Y_%m}"
        assert db.session.scalar(text(f"SELECT count(*) FROM {partition}")) == 3
    monkeypatch.undo()
    assert use_log.usage_count(app, key) == use_log.count_in_log(app, key)
    assert len(use_log.listed_ids(app, [key], limit=10)) == 4
    assert prune(app, 100).output.startswith("3 uses")
    with app.app_context():
        assert partition not in inspect(db.engine).get_table_names()
    assert use_log.usage_count(app, key).count == 4
    assert len(use_log.listed_ids(app, [key], limit=10)) == 1


@pytest.fixture
def reader(app):
    """Another session that has read the log in an open transaction, as a backup does."""
    with app.app_context():
        engine = db.engine
    with engine.connect() as connection:
        connection.execute(text("SELECT count(*) FROM uses"))
        yield connection


@only_on("postgresql")
def test_uses_are_recorded_while_a_backup_prevents_a_new_month(app, cast, monkeypatch, reader):
    key = use_log.key_number(app, cast.ada.key().id)
    later = now() + timedelta(days=300)
    monkeypatch.setattr(retention, "now", lambda: later)
    for is_made in (False, True):
        with app.app_context():
            retention.ensure_months()
            assert (f"uses_{later:%Y_%m}" in inspect(db.engine).get_table_names()) == is_made
        assert use_log.append(app, key, now())
        reader.rollback()


@only_on("postgresql")
def test_pruning_waits_for_a_backup_and_records_uses_meanwhile(app, cast, monkeypatch, reader):
    key = use_log.key_number(app, cast.ada.key().id)
    old = now() - timedelta(days=200)
    use_log.append(app, key, old)
    reader.rollback()
    with app.app_context():
        retention.make_months(db.engine, old, 1)
    reader.execute(text("SELECT count(*) FROM uses"))
    monkeypatch.setattr(retention, "sleep", lambda _: use_log.append(app, key, now()))
    monkeypatch.setattr(retention, "_TRIES", 2)
    refused = prune(app, 100)
    assert refused.exit_code == 1
    assert refused.output.endswith("Run the command again when it has ended.\n")
    assert use_log.usage_count(app, key).count == 3
    monkeypatch.setattr(retention, "sleep", lambda _: reader.rollback())
    assert prune(app, 100).output.startswith("1 uses older")


@only_on("postgresql")
@pytest.mark.parametrize("mode", ["ACCESS SHARE", "SHARE UPDATE EXCLUSIVE"], ids=["backup", "vacuum"])
def test_every_step_of_pruning_is_tried_again(app, cast, monkeypatch, mode):
    with app.app_context():
        retention.make_months(db.engine, now() - timedelta(days=200), 1)
        with db.engine.connect() as other:
            other.execute(text(f"LOCK TABLE uses IN {mode} MODE"))
            monkeypatch.setattr(retention, "sleep", lambda _: other.rollback())
            assert prune(app, 100).output.startswith("0 uses older")
            assert not other.in_transaction()


@only_on("postgresql")
def test_timeout_of_a_lock_lets_postgresql_cancel_an_autovacuum(app):
    with app.app_context():
        until_cancelled = text("SELECT setting::int FROM pg_settings WHERE name = 'deadlock_timeout'")
        assert db.session.scalar(until_cancelled) < LOCK_TIMEOUT_MS
