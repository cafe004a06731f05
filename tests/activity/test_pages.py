"""Pagination of the activity shows each line once, even with equal times."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from reflow_accounts.activity.service import activity_of
from reflow_accounts.api_keys.models import ACCEPTED, ApiKey
from reflow_accounts.api_keys.usage.rollup import NewUse, record, roll_up
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.database import db
from tests.api_keys.usage.use_log import only_on
from tests.helpers import rows

pytestmark = pytest.mark.postgresql_later

THEN = datetime(2026, 1, 1, tzinfo=UTC)
ENTRIES_OF_EACH_KIND = 7


@pytest.fixture
def entries_of_one_time(app, cast):
    """Uses and audit events of Ada that differ only in their ids; some of the uses are rolled up."""
    key = cast.ada.key("CI")
    with app.app_context():
        row = db.session.scalars(db.select(ApiKey).filter_by(public_id=key.id)).one()
        use = NewUse(row.id, THEN, "GET", "/api/v1/me", 200, ACCEPTED, "192.0.2.1", "tests")
        for number in range(ENTRIES_OF_EACH_KIND):
            record(use)
            db.session.add(
                AuditEvent(
                    at=THEN,
                    action=Action.SIGNED_IN,
                    actor_id=row.user_id,
                    actor_name="Ada Park",
                    account_id=row.user_id,
                )
            )
            db.session.commit()
            if number == ENTRIES_OF_EACH_KIND // 2:
                roll_up()


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_pages_show_each_line_once(app, cast, entries_of_one_time, limit):
    lines, cursor = [], None
    with app.app_context():
        while True:
            page = activity_of(cast.ada.row(), limit=limit, cursor=cursor)
            lines += [
                ("use", line.use.id) if line.use else ("event", line.event.id)
                for line in page.items
                if line.at == THEN
            ]
            cursor = page.next_cursor
            if cursor is None:
                break
    assert len(lines) == len(set(lines)) == 2 * ENTRIES_OF_EACH_KIND


def add_events(app, cast, number):
    """Add events of Ada's account and of her team, one a second."""
    with app.app_context():
        row = {"action": Action.SIGNED_IN, "actor_name": "Ada Park", "team_id": cast.acme.row().id}
        row |= {"actor_id": cast.ada.row().id, "account_id": cast.ada.row().id}
        events = [row | {"at": THEN + timedelta(seconds=second)} for second in range(number)]
        db.session.execute(insert(AuditEvent), events)
        db.session.commit()


@only_on("sqlite")
@pytest.mark.parametrize("is_last", [False, True])
def test_page_costs_the_same_in_a_long_history(app, cast, is_last):
    costs = []
    for number in (100, 3_000):
        add_events(app, cast, number)
        with app.app_context():
            user, cursor = cast.ada.row(), None
            while is_last and (found := activity_of(user, limit=90, cursor=cursor)).next_cursor:
                cursor = found.next_cursor
            with rows.counting_instructions() as instructions:
                activity_of(user, limit=90, cursor=cursor)
            costs.append(len(instructions))
    assert costs[1] < 1.5 * costs[0] + 500
