"""The SQL and Python rules for the effective state agree for all combinations of facts."""

from datetime import timedelta
from itertools import count, product

import pytest
import time_machine
from sqlalchemy import delete

from reflow_accounts.database import db, now
from reflow_accounts.subscriptions.models import Licence, Override

NO_TIME = timedelta()
HOUR = timedelta(hours=1)
# is_active, expires_at relative to now, is_ended
OVERRIDES = [
    None,
    (True, HOUR, False),
    (True, NO_TIME, False),
    (True, -HOUR, False),
    (True, HOUR, True),
    (False, None, False),
    (False, HOUR, False),
    (False, -HOUR, False),
    (False, None, True),
]
# State, and ends_at relative to now; None when AWS did not report it.
LICENCES = [
    None,
    ("pending", None),
    ("active", None),
    ("active", -HOUR),
    ("ending", None),
    ("ending", HOUR),
    ("ending", NO_TIME),
    ("ending", -HOUR),
    ("ended", None),
    ("ended", HOUR),
]
_numbers = count(1)


def _later(at, distance):
    return None if distance is None else at + distance


def _set_facts(team, override, licences):
    """Replace the facts of a team."""
    at = now()
    db.session.execute(delete(Override))
    db.session.execute(delete(Licence))
    if override:
        is_active, expires, is_ended = override
        row = Override(team_id=team.id, is_active=is_active, at=at, by_name="Sam", reason="x", ticket="")
        row.expires_at, row.ended_at = _later(at, expires), at if is_ended else None
        db.session.add(row)
    for state, ends in filter(None, licences):
        key = f"l-{next(_numbers)}"
        row = Licence(
            key=key, product_code="reflow", aws_account="123456789012", team_id=team.id, state=state
        )
        row.ends_at = _later(at, ends)
        db.session.add(row)
    db.session.commit()


@pytest.mark.parametrize("override", OVERRIDES, ids=str)
def test_sql_and_python_rules_agree(app, cast, api, override):
    with time_machine.travel("2026-11-25T12:00:00.5Z", tick=False):
        session, key = api(cast.ada.session()), api(cast.ada.key().secret)
        states = set()
        for licences in product(LICENCES, [None, ("ending", -HOUR), ("active", None)]):
            with app.app_context():
                _set_facts(cast.acme.row(), override, licences)
            subscription = session.get(f"/teams/{cast.acme.id}").json["subscription"]
            status = key.get("/me").status_code
            assert (subscription, status) in {("active", 200), ("inactive", 403)}, licences
            states.add(subscription)
    no_override = override is None or override[2] or override[1] in (NO_TIME, -HOUR)
    assert states == ({"active", "inactive"} if no_override else {"active" if override[0] else "inactive"})
