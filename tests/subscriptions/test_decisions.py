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
from tests.subscriptions.facts import aws_says, buy, history_of

pytestmark = pytest.mark.postgresql_later

DAY = timedelta(days=1)
LICENCES = [None, "pending", "active", "ending", "ended"]
# Whether support holds it on or off before.
BEFORE = [None, True, False]


def put(team, override, licence):
    """Replace the facts of a team; an override that is there ends tomorrow, a licence that is ending as well."""
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
    found = status_of(team).override
    return found and (found.is_active, found.expires_at)


def wanted_override(before, licence, active, until):
    """Return the expected override as (is active, end), or None."""
    if active and licence == "active" and until is None:
        return None
    if before is active and until is None:
        return (active, now() + DAY)
    return (active, until or (now() + 30 * DAY if active else None))


@pytest.mark.parametrize("until", [None, 2 * DAY], ids=["no end", "an end"])
@pytest.mark.parametrize("active", [True, False], ids=["active", "inactive"])
def test_decisions_leave_the_wanted_override(app, cast, active, until):
    with time_machine.travel("2026-11-25T12:00:00Z", tick=False), app.app_context():
        team, end = cast.solo.row(), until and now() + until
        for before, licence in product(BEFORE, LICENCES):
            put(team, before, licence)
            stood, case = override_of(team), (before, licence)
            changed = overrides.set_active(team, active, "a reason", by=None, until=end)
            stands = override_of(team)
            assert stands == wanted_override(before, licence, active, end), case
            assert changed == (stands != stood), case
            assert status_of(team).is_active is active, case
            # The same once more, as a form that is sent twice.
            assert not overrides.set_active(team, active, "a reason", by=None, until=end), case
            assert override_of(team) == stands, case


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
    again = flask("subscriptions", "set", "Solo", "inactive", "--reason", "fraud")
    assert again == (0, "Solo is already inactive, by support.\n")


def test_inactive_team_is_kept_inactive_without_mail(app, cast, flask):
    mailbox = Mailbox(app)
    assert flask("subscriptions", "set", "Solo", "inactive", "--reason", "fraud", "--ticket", "T-1")[0] == 0
    assert rows.acts(app)[-1] == ("subscription.overridden", "Operator", "Solo")
    assert history_of(cast.solo) == [("Operator", "forced_off", "inactive", "inactive")]
    with app.app_context():
        [change] = changes_of(cast.solo.row())
        assert (change.reason, change.ticket) == ("fraud", "T-1")
    assert mailbox.deliver() == []


def test_active_override_outlives_the_announced_end(app, cast, api, flask):
    buy(cast.solo)
    key = api(cast.nina.key().secret)
    aws_says(app, LicenceState.ENDING)
    code, words = flask("subscriptions", "set", "Solo", "active", "--reason", "bridge")
    assert (code, words) == (0, f"Solo is now active until {now() + 30 * DAY:%Y-%m-%d %H:%M} UTC.\n")
    mailbox = Mailbox(app)
    mailbox.deliver()
    aws_says(app, LicenceState.ENDED)
    assert key.get("/me").status_code == 200
    assert mailbox.deliver() == []


def test_operator_reads_why_nothing_changes(cast, flask):
    buy(cast.solo)
    code, words = flask("subscriptions", "set", "Solo", "active", "--reason", "bridge")
    assert code == 0
    assert words == (
        "Solo is already active: AWS Marketplace says so. "
        "With --until it stays active until then, whatever AWS Marketplace says.\n"
    )
    end = f"{now() + DAY:%Y-%m-%d}"
    for word in ("now", "already"):
        code, words = flask("subscriptions", "set", "Solo", "active", "--reason", "bridge", "--until", end)
        assert words.startswith(f"Solo is {word} active"), words
        assert f"until {end} 23:59 UTC" in words
    at = f"{now() + DAY:%Y-%m-%dT00:00}"
    words = flask("subscriptions", "set", "Solo", "active", "--reason", "bridge", "--until", at)[1]
    assert f"until {end} 00:00 UTC" in words
