"""`flask uses verify` counts the log again and names each key that differs."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from reflow_accounts.api_keys.models import UsageRange, UsageTotal, Use
from reflow_accounts.database import db, now
from reflow_accounts.web.filters import rfc3339
from tests.api_keys.usage import use_log
from tests.helpers import rows


@pytest.fixture
def used_keys(app, cast):
    """Two keys with three rolled-up uses each, and one unrolled use of the first."""
    keys = [cast.ada.key(), cast.ben.key()]
    for key in keys:
        for _ in range(3):
            use_log.append(app, use_log.key_number(app, key.id), now())
    use_log.roll_up(app)
    use_log.append(app, use_log.key_number(app, keys[0].id), now())
    return keys


def verify(app, *options: str):
    return app.test_cli_runner().invoke(args=["uses", "verify", *options])


def change(app, statement) -> None:
    with app.app_context():
        db.session.execute(statement)
        db.session.commit()


def test_totals_agree_when_nothing_is_wrong(app, used_keys):
    result = verify(app)
    assert (result.exit_code, result.output) == (0, "The totals of 2 keys agree with the log.\n")


def test_wrong_total_is_named_with_its_key(app, used_keys):
    wrong_key = use_log.key_number(app, used_keys[1].id)
    change(app, update(UsageTotal).where(UsageTotal.key_id == wrong_key).values(count=UsageTotal.count + 1))
    result = verify(app)
    assert result.exit_code == 1
    assert f"{used_keys[1].id}: the total says 4, the log says 3" in result.output
    assert used_keys[0].id not in result.output


def test_use_missing_from_the_log_is_found(app, used_keys):
    first = use_log.listed_ids(app, [use_log.key_number(app, used_keys[0].id)], limit=10)[-1]
    change(app, delete(Use).where(Use.id == first))
    assert f"{used_keys[0].id}: the total says 3, the log says 2" in verify(app).output


def test_wrong_time_is_found_and_both_times_are_shown(app, used_keys):
    wrong_key = use_log.key_number(app, used_keys[0].id)
    expected = use_log.times_in_log(app, wrong_key)[1]
    late = expected + timedelta(hours=1)
    change(app, update(UsageTotal).where(UsageTotal.key_id == wrong_key).values(last_used_at=late))
    result = verify(app)
    assert result.exit_code == 1
    assert (
        f"{used_keys[0].id}: last used {rfc3339(late)} by the total, {rfc3339(expected)} by the log"
        in result.output
    )
    assert "the total says" not in result.output


def test_total_without_a_log_is_found(app, used_keys):
    change(app, delete(Use).where(Use.key_id == use_log.key_number(app, used_keys[1].id)))
    assert f"{used_keys[1].id}: the total says 3, the log says 0" in verify(app).output


RANGE_ERRORS = {
    "gone": delete(UsageRange),
    "one count more": update(UsageRange).values(count=UsageRange.count + 1),
    "one count less": update(UsageRange).values(count=UsageRange.count - 1),
    "a later begin": update(UsageRange).values(first_id=UsageRange.first_id + 1),
    "an earlier end": update(UsageRange).values(last_id=UsageRange.last_id - 1),
    "another time": update(UsageRange).values(last_at=UsageRange.first_at),
    "beyond the cursor": update(UsageRange).values(fold=UsageRange.fold + 1000),
}


@pytest.mark.parametrize("error", RANGE_ERRORS)
def test_ranges_that_miss_uses_are_found_and_repaired(app, used_keys, error):
    key, other = (use_log.key_number(app, one.id) for one in used_keys)
    before = use_log.listed_ids(app, [key, other], limit=10)
    change(app, RANGE_ERRORS[error].where(UsageRange.key_id == key))
    result = verify(app)
    assert result.exit_code == 1
    assert f"{used_keys[0].id}: the ranges, which lists of uses read, are wrong about" in result.output
    assert used_keys[1].id not in result.output
    assert "uses verify --repair" in result.output
    assert verify(app, "--repair").exit_code == 0
    assert use_log.listed_ids(app, [key, other], limit=10) == before


def test_ranges_of_unknown_keys_are_found(app, used_keys):
    with app.app_context():
        row = db.session.execute(select(UsageRange.__table__)).mappings().first()
    change(app, UsageRange.__table__.insert().values(dict(row) | {"key_id": 9_999_999}))
    assert "(no key with number 9999999): the ranges" in verify(app).output
    assert verify(app, "--repair").exit_code == 0


def test_repair_makes_totals_equal_the_log_and_the_pruned_uses(app, used_keys):
    first, second = (use_log.key_number(app, one.id) for one in used_keys)
    use_log.append(app, first, now() - timedelta(days=400))
    app.test_cli_runner().invoke(args=["uses", "prune", "--older-than", "365"])
    expected = [use_log.usage_count(app, key) for key in (first, second)]
    change(app, update(UsageTotal).values(count=UsageTotal.count + 7, last_used_at=now() - timedelta(days=1)))
    change(app, delete(UsageTotal).where(UsageTotal.key_id == second))
    change(app, delete(UsageRange))
    result = verify(app, "--repair")
    assert result.exit_code == 0
    assert result.output.endswith("The totals of 2 keys were rebuilt from the log; all agree now.\n")
    assert [use_log.usage_count(app, key) for key in (first, second)] == expected
    assert verify(app).exit_code == 0
    assert ("uses.recounted", "Operator", "") in rows.audit_events(app)


def test_repair_without_errors_changes_nothing(app, used_keys):
    events = rows.audit_events(app)
    assert verify(app, "--repair").output == "The totals of 2 keys agree with the log.\n"
    assert rows.audit_events(app) == events


def test_repair_during_concurrent_uses_and_roll_ups_loses_nothing(app, used_keys):
    key = use_log.key_number(app, used_keys[0].id)
    change(app, update(UsageTotal).values(count=UsageTotal.count + 7))
    stop = threading.Event()

    def add_uses() -> None:
        while not stop.is_set():
            use_log.append(app, key, now())
            use_log.roll_up(app)

    worker = threading.Thread(target=add_uses)
    worker.start()
    try:
        results = [verify(app, "--repair") for _ in range(3)]
    finally:
        stop.set()
        worker.join()
    assert [result.exit_code for result in results] == [0, 0, 0]
    assert use_log.usage_count(app, key) == use_log.count_in_log(app, key)
    assert len(use_log.listed_ids(app, [key], limit=100_000)) == use_log.count_in_log(app, key).count
