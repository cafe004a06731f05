"""Uses per local day equal those of the log in every time zone, after any roll-ups and pruning."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from sqlalchemy import insert, select, update

from reflow_accounts.api_keys.models import QuarterCount, RollupCursor, Use
from reflow_accounts.api_keys.usage import rollup
from reflow_accounts.api_keys.usage.daily_counts import daily_counts, daily_counts_of
from reflow_accounts.database import db
from tests.api_keys.usage import use_log

pytestmark = pytest.mark.postgresql_later

# Clocks change in these 30 days: on 26 October 2025 in Europe, on 2 November in New York, on 5 October on Lord Howe
# Island, by half an hour.
LAST = date(2025, 11, 3)
# An instant that has this date in each of the zones.
ON_LAST_DAY = datetime(2025, 11, 3, 9, 30, tzinfo=UTC)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
)


@pytest.fixture
def keys(app, cast) -> list[int]:
    return [use_log.key_number(app, cast.ada.key().id) for _ in range(2)]


def add_uses(app, keys: list[int], number: int, seed: int) -> None:
    """Add uses at random times of 40 days, many of them next to the full hour, in order of time."""
    rng = random.Random(seed)
    start = datetime(2025, 9, 27, tzinfo=UTC)
    times = [start + timedelta(minutes=15 * rng.randrange(40 * 96)) for _ in range(number)]
    edges = (timedelta(), timedelta(microseconds=-1), timedelta(microseconds=1), timedelta(minutes=7))
    facts = {"method": "GET", "path": "/", "status": 200, "address": "192.0.2.1", "user_agent": "tests"}
    outcomes = ("accepted", "accepted", "accepted", "not_found", "subscription_inactive")
    rows = [
        facts | {"key_id": rng.choice(keys), "at": at + rng.choice(edges), "outcome": rng.choice(outcomes)}
        for at in sorted(times)
    ]
    with app.app_context():
        db.session.execute(insert(Use), rows)
        db.session.commit()


def days_in_log(app, keys: list[int], zone: str) -> list[tuple[date, int, int]]:
    """Count the uses in the log one by one."""
    counts: Counter[tuple[date, bool]] = Counter()
    with app.app_context():
        for at, outcome in db.session.execute(select(Use.at, Use.outcome).where(Use.key_id.in_(keys))):
            counts[at.astimezone(ZoneInfo(zone)).date(), outcome == "accepted"] += 1
    days = [LAST - timedelta(days=before) for before in reversed(range(30))]
    return [(day, counts[day, True], counts[day, False]) for day in days]


def days_in_counts(app, keys: list[int], zone: str) -> list[tuple[date, int, int]]:
    with app.app_context(), time_machine.travel(ON_LAST_DAY):
        return [tuple(day) for day in daily_counts(keys, ZoneInfo(zone), 30)]


def assert_counts_equal_log(app, keys: list[int]) -> None:
    for zone in ZONES:
        assert days_in_counts(app, keys, zone) == days_in_log(app, keys, zone), zone
    with app.app_context(), time_machine.travel(ON_LAST_DAY):
        by_key = daily_counts_of(keys, ZoneInfo("Asia/Kathmandu"))
    for key in keys:
        assert by_key[key] == days_in_log(app, [key], "Asia/Kathmandu")


def test_daily_counts_equal_the_log_in_every_time_zone(app, keys, monkeypatch):
    monkeypatch.setattr(rollup, "LARGEST_ROLL_UP", 300)
    add_uses(app, keys, 2000, seed=1)
    assert_counts_equal_log(app, keys)
    use_log.roll_up(app)
    assert_counts_equal_log(app, keys)
    add_uses(app, keys, 500, seed=2)
    assert_counts_equal_log(app, keys)
    use_log.roll_up(app)
    assert_counts_equal_log(app, keys)
    app.test_cli_runner().invoke(args=["uses", "prune", "--older-than", str(days_since(date(2025, 10, 20)))])
    assert days_in_counts(app, keys, "UTC")[10][1:] == (0, 0)
    assert_counts_equal_log(app, keys)
    assert app.test_cli_runner().invoke(args=["uses", "verify"]).exit_code == 0


def days_since(day: date) -> int:
    return (datetime.now(UTC).date() - day).days


def test_log_from_before_the_upgrade_is_counted(app, keys):
    """After the upgrade the table and the cursor are empty, although the log is rolled up."""
    add_uses(app, keys, 300, seed=3)
    use_log.roll_up(app)
    with app.app_context():
        db.session.execute(QuarterCount.__table__.delete())
        db.session.execute(update(RollupCursor).values(counted_upto=None))
        db.session.commit()
    assert_counts_equal_log(app, keys)
    add_uses(app, keys, 300, seed=4)
    use_log.roll_up(app)
    assert_counts_equal_log(app, keys)
    assert app.test_cli_runner().invoke(args=["uses", "verify"]).exit_code == 0
    assert use_log.usage_count(app, keys[0]) == use_log.count_in_log(app, keys[0])


def test_wrong_count_is_found_and_repaired(app, keys):
    add_uses(app, keys, 100, seed=5)
    use_log.roll_up(app)
    with app.app_context():
        db.session.execute(update(QuarterCount).values(refused=QuarterCount.refused + 1))
        db.session.commit()
    result = app.test_cli_runner().invoke(args=["uses", "verify"])
    assert result.exit_code == 1
    assert "the counts by time, which charts read, are wrong about" in result.output
    assert app.test_cli_runner().invoke(args=["uses", "verify", "--repair"]).exit_code == 0
    assert_counts_equal_log(app, keys)
