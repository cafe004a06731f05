"""`flask uses verify` counts the log again: it agrees, or names each key that differs."""

import pytest
from sqlalchemy import delete, update

from reflow_accounts.api_keys.models import Use, UseTotal
from reflow_accounts.extensions import db, now
from tests.uses import log


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


def verify(app):
    return app.test_cli_runner().invoke(args=["uses", "verify"])


def change(app, statement) -> None:
    with app.app_context():
        db.session.execute(statement)
        db.session.commit()


def test_it_agrees_when_nothing_is_wrong(app, used):
    answer = verify(app)
    assert (answer.exit_code, answer.output) == (0, "The totals of 2 keys agree with the log.\n")


def test_a_planted_error_is_named_with_its_key(app, used):
    wrong = log.number_of(app, used[1].id)
    change(app, update(UseTotal).where(UseTotal.key_id == wrong).values(count=UseTotal.count + 1))
    answer = verify(app)
    assert answer.exit_code == 1
    assert f"{used[1].id}: the total says 4, the log says 3" in answer.output
    assert used[0].id not in answer.output


def test_a_use_that_vanished_from_the_log_is_found(app, used):
    first = log.listed(app, [log.number_of(app, used[0].id)], limit=10)[-1]
    change(app, delete(Use).where(Use.id == first))
    assert f"{used[0].id}: the total says 3, the log says 2" in verify(app).output


def test_a_wrong_time_is_found(app, used):
    wrong = log.number_of(app, used[0].id)
    change(app, update(UseTotal).where(UseTotal.key_id == wrong).values(last_used_at=now()))
    assert verify(app).exit_code == 1


def test_a_total_without_a_log_is_found(app, used):
    change(app, delete(Use).where(Use.key_id == log.number_of(app, used[1].id)))
    assert f"{used[1].id}: the total says 3, the log says 0" in verify(app).output
