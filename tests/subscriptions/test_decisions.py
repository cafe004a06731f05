"""The override after a decision, for all combinations of previous override and licence."""

from datetime import timedelta
from itertools import product

import pytest
import time_machine
from sqlalchemy import delete

from reflow_accounts.database import db, now
from reflow_accounts.subscriptions import overrides
from reflow_accounts.subscriptions.models import Licence, LicenceState, Override
from reflow_accounts.subscriptions.service import changes_of, status_of
from tests.helpers import rows
from tests.helpers.mailbox import Mailbox
from tests.subscriptions.facts import buy, history_of, report_from_aws

pytestmark = pytest.mark.postgresql_later

DAY = timedelta(days=1)
LICENCES = [None, "pending", "active", "ending", "ended"]
# Whether an override is active before: none, on, off.
OVERRIDES_BEFORE = [None, True, False]


def set_facts(team, override, licence):
    """Replace the facts of a team; an override, or a licence that is ending, ends tomorrow."""
    for table in (Override, Licence):
        db.session.execute(delete(table))
    end = now() + DAY
    if override is not None:
        db.session.add(
            Override(
                team_id=team.id, is_active=override, expires_at=end, by_name="Sam", reason="x", ticket=""
            )
        )
    if licence:
        facts = {"key": "l-1", "product_code": "reflow", "aws_account": "123456789012", "team_id": team.id}
        db.session.add(Licence(**facts, state=licence, ends_at=end if licence == "ending" else None))
    db.session.flush()


def override_of(team):
    override = status_of(team).override
    return override and (override.is_active, override.expires_at)


def expected_override(was_active, licence, active, until):
    """Return the expected override as (is active, end), or None."""
    if active and licence == "active" and until is None:
        return None
    if active and was_active and until is None:
        return (active, now() + DAY)
    return (active, until or (now() + 30 * DAY if active else None))


@pytest.mark.parametrize("until", [None, 2 * DAY], ids=["no end", "an end"])
@pytest.mark.parametrize("active", [True, False], ids=["active", "inactive"])
def test_decision_sets_the_expected_override(app, cast, active, until):
    with time_machine.travel("2026-11-25T12:00:00Z", tick=False), app.app_context():
        team, end = cast.solo.row(), until and now() + until
        for was_active, licence in product(OVERRIDES_BEFORE, LICENCES):
            set_facts(team, was_active, licence)
            previous, case = override_of(team), (was_active, licence)
            changed = overrides.set_active(team, active, "a reason", by=None, until=end)
            current = override_of(team)
            assert current == expected_override(was_active, licence, active, end), case
            assert changed == (current != previous), case
            assert status_of(team).is_active is active, case
            # Repeating the decision changes nothing.
            assert not overrides.set_active(team, active, "a reason", by=None, until=end), case
            assert override_of(team) == current, case


def test_deactivated_team_stays_inactive_after_a_purchase(cast, api, flask):
    cast.solo.subscribe()
    key = api(cast.nina.key().secret)
    assert flask("subscriptions", "set", "Solo", "inactive", "--reason", "fraud") == (
        0,
        "Solo is now inactive.\n",
    )
    assert history_of(cast.solo)[-1] == ("Operator", "forced_off", "active", "inactive")
    buy(cast.solo)
    assert key.get("/me").status_code == 403
    output = flask("subscriptions", "set", "Solo", "inactive", "--reason", "fraud")
    assert output == (0, "Solo is already inactive, by support.\n")


def test_inactive_team_is_kept_inactive_without_mail(app, cast, flask):
    mailbox = Mailbox(app)
    assert flask("subscriptions", "set", "Solo", "inactive", "--reason", "fraud", "--ticket", "T-1")[0] == 0
    assert rows.audit_events(app)[-1] == ("subscription.overridden", "Operator", "Solo")
    assert history_of(cast.solo) == [("Operator", "forced_off", "inactive", "inactive")]
    with app.app_context():
        [change] = changes_of(cast.solo.row())
        assert (change.reason, change.ticket) == ("fraud", "T-1")
    assert mailbox.deliver() == []


def test_active_override_outlasts_the_end_in_aws(app, cast, api, flask):
    buy(cast.solo)
    key = api(cast.nina.key().secret)
    report_from_aws(app, LicenceState.ENDING)
    code, output = flask("subscriptions", "set", "Solo", "active", "--reason", "bridge")
    assert (code, output) == (0, f"Solo is now active until {now() + 30 * DAY:%Y-%m-%d %H:%M} UTC.\n")
    mailbox = Mailbox(app)
    mailbox.deliver()
    report_from_aws(app, LicenceState.ENDED)
    assert key.get("/me").status_code == 200
    assert mailbox.deliver() == []


def test_command_explains_why_nothing_changes(cast, flask):
    buy(cast.solo)
    code, output = flask("subscriptions", "set", "Solo", "active", "--reason", "bridge")
    assert code == 0
    assert output == (
        "Solo is already active: AWS Marketplace says so. "
        "With --until it stays active until then, whatever AWS Marketplace says.\n"
    )
    end = f"{now() + DAY:%Y-%m-%d}"
    for expected in ("now", "already"):
        code, output = flask("subscriptions", "set", "Solo", "active", "--reason", "bridge", "--until", end)
        assert output.startswith(f"Solo is {expected} active"), output
        assert f"until {end} 23:59 UTC" in output
    at = f"{now() + DAY:%Y-%m-%dT00:00}"
    output = flask("subscriptions", "set", "Solo", "active", "--reason", "bridge", "--until", at)[1]
    assert f"until {end} 00:00 UTC" in output
