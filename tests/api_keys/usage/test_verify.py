"""`flask uses verify` counts the log again: it agrees, or names each key that differs."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from reflow_accounts.api_keys.models import UsageRange, UsageTotal, Use
from reflow_accounts.database import db, now
from reflow_accounts.web.filters import rfc3339
from tests.api_keys.usage import log
from tests.helpers import rows


@pytest.fixture
def used(app, cast):
    """Two keys with three folded uses each, and one that is not folded."""
    keys = [cast.ada.key(), cast.ben.key()]
    for key in keys:
        for _ in range(3):
            log.append(app, log.number_of(app, key.id), now())
    log.fold(app)
    log.append(app, log.number_of(app, keys[0].id), now())
    return keys


def verify(app, *options: str):
    return app.test_cli_runner().invoke(args=["uses", "verify", *options])


def change(app, statement) -> None:
    with app.app_context():
        db.session.execute(statement)
        db.session.commit()


def test_it_agrees_when_nothing_is_wrong(app, used):
    answer = verify(app)
    assert (answer.exit_code, answer.output) == (0, "The totals of 2 keys agree with the log.\n")


def test_planted_error_is_named_with_its_key(app, used):
    wrong = log.number_of(app, used[1].id)
    change(app, update(UsageTotal).where(UsageTotal.key_id == wrong).values(count=UsageTotal.count + 1))
    answer = verify(app)
    assert answer.exit_code == 1
    assert f"{used[1].id}: the total says 4, the log says 3" in answer.output
    assert used[0].id not in answer.output


def test_use_that_vanished_from_the_log_is_found(app, used):
    first = log.listed(app, [log.number_of(app, used[0].id)], limit=10)[-1]
    change(app, delete(Use).where(Use.id == first))
    assert f"{used[0].id}: the total says 3, the log says 2" in verify(app).output


def test_wrong_time_is_found_and_both_times_are_said(app, used):
    wrong = log.number_of(app, used[0].id)
    right = log.listed_times(app, wrong)[1]
    late = right + timedelta(hours=1)
    change(app, update(UsageTotal).where(UsageTotal.key_id == wrong).values(last_used_at=late))
    answer = verify(app)
    assert answer.exit_code == 1
    assert (
        f"{used[0].id}: last used {rfc3339(late)} by the total, {rfc3339(right)} by the log" in answer.output
    )
    assert "the total says" not in answer.output


def test_total_without_a_log_is_found(app, used):
    change(app, delete(Use).where(Use.key_id == log.number_of(app, used[1].id)))
    assert f"{used[1].id}: the total says 3, the log says 0" in verify(app).output


RANGE_ERRORS = {
    "gone": delete(UsageRange),
    "one count more": update(UsageRange).values(count=UsageRange.count + 1),
    "one count less": update(UsageRange).values(count=UsageRange.count - 1),
    "a later begin": update(UsageRange).values(first_id=UsageRange.first_id + 1),
    "an earlier end": update(UsageRange).values(last_id=UsageRange.last_id - 1),
    "another time": update(UsageRange).values(last_at=UsageRange.first_at),
    "beyond the mark": update(UsageRange).values(fold=UsageRange.fold + 1000),
}


@pytest.mark.parametrize("error", RANGE_ERRORS)
def test_ranges_that_miss_uses_are_found_and_repaired(app, used, error):
    key, other = (log.number_of(app, one.id) for one in used)
    before = log.listed(app, [key, other], limit=10)
    change(app, RANGE_ERRORS[error].where(UsageRange.key_id == key))
    answer = verify(app)
    assert answer.exit_code == 1
    assert f"{used[0].id}: the ranges, which lists of uses read, are wrong about" in answer.output
    assert used[1].id not in answer.output
    assert "uses verify --repair" in answer.output
    assert verify(app, "--repair").exit_code == 0
    assert log.listed(app, [key, other], limit=10) == before


def test_ranges_of_unknown_keys_are_found(app, used):
    with app.app_context():
        row = db.session.execute(select(UsageRange.__table__)).mappings().first()
    change(app, UsageRange.__table__.insert().values(dict(row) | {"key_id": 9_999_999}))
    assert "(no key with number 9999999): the ranges" in verify(app).output
    assert verify(app, "--repair").exit_code == 0


def test_repair_makes_totals_what_the_log_and_the_pruning_say(app, used):
    first, second = (log.number_of(app, one.id) for one in used)
    log.append(app, first, now() - timedelta(days=400))
    app.test_cli_runner().invoke(args=["uses", "prune", "--older-than", "365"])
    right = [log.usage(app, key) for key in (first, second)]
    change(app, update(UsageTotal).values(count=UsageTotal.count + 7, last_used_at=now() - timedelta(days=1)))
    change(app, delete(UsageTotal).where(UsageTotal.key_id == second))
    change(app, delete(UsageRange))
    answer = verify(app, "--repair")
    assert answer.exit_code == 0
    assert answer.output.endswith("The totals of 2 keys were rebuilt from the log; all agree now.\n")
    assert [log.usage(app, key) for key in (first, second)] == right
    assert verify(app).exit_code == 0
    assert ("uses.recounted", "Operator", "") in rows.acts(app)


def test_nothing_is_repaired_where_nothing_is_wrong(app, used):
    acts = rows.acts(app)
    assert verify(app, "--repair").output == "The totals of 2 keys agree with the log.\n"
    assert rows.acts(app) == acts


def test_repair_while_others_use_and_fold_loses_nothing(app, used):
    key = log.number_of(app, used[0].id)
    change(app, update(UsageTotal).values(count=UsageTotal.count + 7))
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            log.append(app, key, now())
            log.fold(app)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        answers = [verify(app, "--repair") for _ in range(3)]
    finally:
        done.set()
        worker.join()
    assert [answer.exit_code for answer in answers] == [0, 0, 0]
    assert log.usage(app, key) == log.counted(app, key)
    assert len(log.listed(app, [key], limit=100_000)) == log.counted(app, key).count
