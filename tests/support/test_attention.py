"""The filter "Needs attention" in SQL and the status of a team in Python agree for all combinations of facts."""

import csv
from datetime import timedelta
from itertools import product

import time_machine

from reflow_accounts.database import db, now
from reflow_accounts.subscriptions.models import Licence, Override
from reflow_accounts.subscriptions.service import statuses_of
from reflow_accounts.teams.models import Team

NO_TIME, HOUR, WEEK, MOMENT = timedelta(), timedelta(hours=1), timedelta(days=7), timedelta(microseconds=1)
# is_active, expires_at relative to now, is_ended
OVERRIDES = [
    None,
    (True, 5 * WEEK, False),
    (True, WEEK + MOMENT, False),
    (True, WEEK, False),
    (True, MOMENT, False),
    (True, NO_TIME, False),
    (True, HOUR, True),
    (False, None, False),
    (False, WEEK + MOMENT, False),
    (False, WEEK, False),
    (False, NO_TIME, False),
    (False, None, True),
]
# State, ends_at relative to now, age
LICENCES = [
    None,
    ("pending", None, HOUR),
    ("pending", None, HOUR + MOMENT),
    ("active", None, 2 * HOUR),
    ("ending", None, 2 * HOUR),
    ("ending", MOMENT, 2 * HOUR),
    ("ending", NO_TIME, 2 * HOUR),
    ("ended", None, 2 * HOUR),
]
CASES = list(product(OVERRIDES, LICENCES, LICENCES[:4]))
REASONS = {"Support and AWS disagree", "The override ends within 7 days", "The purchase waits for AWS"}


def later(at, distance):
    return None if distance is None else at + distance


def add_facts(team, override, licences):
    """Give a team its override and licences, which belong to `team.id`."""
    at = now()
    if override:
        is_active, expires, is_ended = override
        row = Override(team_id=team.id, is_active=is_active, at=at, by_name="Sam", reason="x", ticket="")
        row.expires_at, row.ended_at = later(at, expires), at if is_ended else None
        db.session.add(row)
    for place, (state, ends, age) in enumerate(filter(None, licences)):
        row = Licence(key=f"l-{team.id}-{place}", product_code="reflow", aws_account="123456789012")
        row.team_id, row.state, row.ends_at, row.created_at = team.id, state, later(at, ends), at - age
        db.session.add(row)


def reason_of(status):
    """Return why a team needs attention, by the rule in Python."""
    ends_at = status.override.expires_at if status.override else None
    if status.is_contradicted:
        return "Support and AWS disagree"
    if ends_at and ends_at - now() <= WEEK:
        return "The override ends within 7 days"
    return "The purchase waits for AWS" if status.is_waiting else ""


def export_rows(client, query):
    lines = csv.reader(client.get(f"/support/export?{query}").text.splitlines()[1:])
    return [(line[0], line[5]) for line in lines if line[0].startswith("Case")]


def test_filter_and_status_agree(app, cast, client):
    with time_machine.travel("2026-11-25T12:00:00.5Z", tick=False):
        with app.app_context():
            teams = [Team(name=f"Case {place:04}") for place in range(len(CASES))]
            db.session.add_all(teams)
            db.session.flush()
            for team, (override, *licences) in zip(teams, CASES, strict=True):
                add_facts(team, override, licences)
            db.session.commit()
            statuses = statuses_of([team.id for team in teams])
            expected = [(team.name, reason_of(statuses[team.id])) for team in teams]
        cast.sam.sign_in(client)
        attention, everything = export_rows(client, "state=attention"), export_rows(client, "")
    urgent, others = [row for row in expected if row[1]], [row for row in expected if not row[1]]
    assert {reason for _, reason in urgent} == REASONS
    assert attention == urgent
    assert everything == urgent + others
