"""Pruning shortens the log and keeps every total."""

from datetime import timedelta

import pytest
from sqlalchemy import inspect, text

from reflow_accounts.api_keys.models import UsageRange, Use
from reflow_accounts.api_keys.usage import retention
from reflow_accounts.database import db, now
from tests.api_keys.usage import log
from tests.api_keys.usage.log import on
from tests.helpers import rows


@pytest.fixture
def aged(app, cast):
    """A key with uses 500, 400, 300 (twice), 2 and 0 days ago, each in a fold of its own."""
    key = log.number_of(app, cast.ada.key("aged").id)
    with app.app_context():
        retention.ensure_months()
    for days in (500, 400, 300, 300, 2, 0):
        log.append(app, key, now() - timedelta(days=days), f"/{days}")
        log.fold(app)
    return key


def prune(app, days: int):
    return app.test_cli_runner().invoke(args=["uses", "prune", "--older-than", str(days)])


def test_total_stays_when_the_uses_go(app, aged):
    before = log.usage(app, aged)
    assert prune(app, 365).exit_code == 0
    assert log.usage(app, aged) == before
    assert app.test_cli_runner().invoke(args=["uses", "verify"]).exit_code == 0
    log.append(app, aged, now())
    assert log.usage(app, aged).count == before.count + 1


@on("sqlite")
def test_sqlite_pruning_deletes_exactly_old_uses_and_their_ranges(app, aged):
    assert prune(app, 365).output == "2 uses older than 365 days were removed; all totals were kept.\n"
    assert rows.count(app, Use) == 4
    assert rows.count(app, UsageRange) == 4
    assert len(log.listed(app, [aged], limit=50)) == 4


def test_newest_use_stays_so_that_its_number_is_not_given_again(app, cast):
    key = log.number_of(app, cast.ada.key().id)
    last = [log.append(app, key, now() - timedelta(days=900)) for _ in range(3)][-1]
    prune(app, 30)
    assert log.append(app, key, now()) > last
    assert log.usage(app, key).count == 4


def test_pruning_again_removes_nothing_more(app, aged):
    prune(app, 365)
    assert prune(app, 365).output.startswith("0 uses")


def test_old_uses_without_a_month_of_their_own_go_too(app, aged):
    assert prune(app, 365).output.startswith("2 uses older")
    assert rows.count(app, Use) == 4


@pytest.mark.parametrize("days", ["0", "-1", "x"])
def test_age_that_is_none_is_refused(app, days):
    assert app.test_cli_runner().invoke(args=["uses", "prune", "--older-than", days]).exit_code == 2


@on("postgresql")
def test_on_postgresql_months_are_parts_and_old_ones_are_dropped(app, cast, monkeypatch):
    key = log.number_of(app, cast.ada.key().id)
    old = now() - timedelta(days=200)
    for _ in range(3):
        log.append(app, key, old)
    log.append(app, key, now())
    # As if the service had run in that month: its part is made, and takes its uses from the default part.
    monkeypatch.setattr(retention, "now", lambda: old)
    with app.app_context():
        retention.ensure_months()
        retention.ensure_months()
        part = f"uses_{old:%Y_%m}"
        assert db.session.scalar(text(f"SELECT count(*) FROM {part}")) == 3
    monkeypatch.undo()
    assert log.usage(app, key) == log.counted(app, key)
    assert len(log.listed(app, [key], limit=10)) == 4
    assert prune(app, 100).output.startswith("3 uses")
    with app.app_context():
        assert part not in inspect(db.engine).get_table_names()
    assert log.usage(app, key).count == 4
    assert len(log.listed(app, [key], limit=10)) == 1


@pytest.fixture
def reader(app):
    """Another session that has read the log in an open transaction, as a backup does."""
    with app.app_context():
        engine = db.engine
    with engine.connect() as connection:
        connection.execute(text("SELECT count(*) FROM uses"))
        yield connection


@on("postgresql")
def test_uses_are_recorded_while_a_backup_prevents_a_new_month(app, cast, monkeypatch, reader):
    key = log.number_of(app, cast.ada.key().id)
    later = now() + timedelta(days=300)
    monkeypatch.setattr(retention, "now", lambda: later)
    for is_made in (False, True):
        with app.app_context():
            retention.ensure_months()
            assert (f"uses_{later:%Y_%m}" in inspect(db.engine).get_table_names()) == is_made
        assert log.append(app, key, now())
        reader.rollback()


@on("postgresql")
def test_pruning_waits_for_a_backup_and_records_uses_meanwhile(app, cast, monkeypatch, reader):
    key = log.number_of(app, cast.ada.key().id)
    old = now() - timedelta(days=200)
    log.append(app, key, old)
    reader.rollback()
    with app.app_context():
        retention.make_months(db.engine, old, 1)
    reader.execute(text("SELECT count(*) FROM uses"))
    monkeypatch.setattr(retention, "sleep", lambda _: log.append(app, key, now()))
    monkeypatch.setattr(retention, "_TRIES", 2)
    refused = prune(app, 100)
    assert refused.exit_code == 1
    assert refused.output.endswith("Run the command again when it has ended.\n")
    assert log.usage(app, key).count == 3
    monkeypatch.setattr(retention, "sleep", lambda _: reader.rollback())
    assert prune(app, 100).output.startswith("1 uses older")
