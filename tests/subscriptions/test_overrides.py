"""Licences and overrides determine one state, and each change is recorded once."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import db, now
from reflow_accounts.subscriptions import change_log, overrides
from reflow_accounts.subscriptions.models import LicenceState
from reflow_accounts.teams.models import Membership, Rights
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.at_once import at_once
from tests.helpers.mailbox import Mailbox, text_of
from tests.subscriptions.facts import buy, delivered_subjects, history_of, report_from_aws

pytestmark = pytest.mark.postgresql_later

DAY = timedelta(days=1)
ACTIVE = "The subscription of Solo is active"
INACTIVE = "The subscription of Solo is inactive"


@pytest.fixture
def key(cast):
    """A key of Nina, whose team Solo has no subscription; it was created while she was in Acme."""
    cast.acme.add(cast.nina, Rights.VIEW)
    new_key = cast.nina.key()
    with cast.acme.app.app_context():
        membership_key = (cast.nina.number, cast.acme.row().id)
        db.session.delete(db.session.get_one(Membership, membership_key))
        db.session.commit()
    return new_key


@pytest.fixture
def is_accepted(api, key):
    """`is_accepted()`: whether Nina's key is accepted; a refusal must be for the subscription."""

    def request() -> bool:
        response = api(key.secret).get("/me")
        if response.status_code != 200:
            problem_of(response, 403, "subscription_inactive")
        return response.status_code == 200

    return request


def decide(group, active: bool | None, *, until=None) -> bool:
    """Have an operator set or, with None, lift the override of a team."""
    with group.app.app_context():
        if active is None:
            changed = overrides.lift(group.row(), "a reason", by=None)
        else:
            changed = overrides.set_active(group.row(), active, "a reason", by=None, until=until)
        db.session.commit()
    return changed


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (LicenceState.PENDING, False),
        (LicenceState.ACTIVE, True),
        (LicenceState.ENDING, True),
        (LicenceState.ENDED, False),
    ],
)
def test_aws_decides_without_an_override(cast, is_accepted, state, expected):
    assert not is_accepted()
    buy(cast.solo, state)
    assert is_accepted() is expected


@pytest.mark.parametrize("state", LicenceState)
@pytest.mark.parametrize("active", [True, False])
def test_override_takes_precedence_over_aws(cast, is_accepted, state, active):
    buy(cast.solo, LicenceState.PENDING)
    decide(cast.solo, active, until=now() + DAY)
    report_from_aws(cast.solo.app, state)
    assert is_accepted() is active
    decide(cast.solo, None)
    assert is_accepted() is (state in (LicenceState.ACTIVE, LicenceState.ENDING))


def test_override_expires_and_is_recorded_once(app, cast, is_accepted):
    mailbox = Mailbox(app)
    decide(cast.solo, True, until=now() + DAY)
    assert is_accepted()
    assert delivered_subjects(mailbox) == [(cast.nina.email, ACTIVE)]
    with time_machine.travel(now() + DAY):
        # The next request uses it, before the background job has run.
        assert not is_accepted()
        assert delivered_subjects(mailbox) == []
        for _ in range(2):
            with app.app_context():
                change_log.record_due()
        assert delivered_subjects(mailbox) == [(cast.nina.email, INACTIVE)]
    assert history_of(cast.solo) == [
        ("Operator", "forced_on", "inactive", "active"),
        ("Reflow", "expired", "active", "inactive"),
    ]


def test_active_override_ends_after_thirty_days_by_default(cast, is_accepted):
    decide(cast.solo, True)
    with time_machine.travel(now() + 30 * DAY - timedelta(minutes=1)):
        assert is_accepted()
    with time_machine.travel(now() + 30 * DAY + timedelta(minutes=1)):
        assert not is_accepted()


def test_inactive_override_has_no_default_end(cast, is_accepted):
    buy(cast.solo)
    decide(cast.solo, False)
    with time_machine.travel(now() + 3000 * DAY):
        assert not is_accepted()


def test_ending_licence_ends_without_another_event(app, cast, is_accepted):
    mailbox = Mailbox(app)
    buy(cast.solo, LicenceState.ACTIVE)
    report_from_aws(app, LicenceState.ENDING)
    assert is_accepted()
    assert delivered_subjects(mailbox) == [(cast.nina.email, ACTIVE)]
    with time_machine.travel(now() + timedelta(minutes=61)):
        assert not is_accepted()
        for _ in range(2):
            with app.app_context():
                change_log.record_due()
        assert delivered_subjects(mailbox) == [(cast.nina.email, INACTIVE)]
        # The late event has no further effect.
        report_from_aws(app, LicenceState.ENDED)
        assert delivered_subjects(mailbox) == []
    assert [change[1:] for change in history_of(cast.solo)] == [
        ("aws", "inactive", "active"),
        ("aws", "active", "inactive"),
    ]


def test_activation_ends_the_override_when_aws_says_active(cast):
    buy(cast.solo)
    decide(cast.solo, False)
    assert decide(cast.solo, True)
    assert history_of(cast.solo)[-1] == ("Operator", "lifted", "inactive", "active")
    report_from_aws(cast.solo.app, LicenceState.ENDED)
    assert history_of(cast.solo)[-1] == ("AWS Marketplace", "aws", "active", "inactive")


def test_licence_without_end_needs_no_override(app, cast):
    buy(cast.solo)
    before = history_of(cast.solo)
    assert not decide(cast.solo, True)
    assert not decide(cast.solo, None)
    assert history_of(cast.solo) == before


def test_new_end_replaces_the_override_without_a_change_of_state(app, cast, is_accepted):
    decide(cast.solo, True, until=now() + DAY)
    mailbox = Mailbox(app)
    mailbox.deliver()
    assert decide(cast.solo, True, until=now() + 3 * DAY)
    assert history_of(cast.solo)[-1] == ("Operator", "forced_on", "active", "active")
    assert delivered_subjects(mailbox) == []
    with time_machine.travel(now() + 2 * DAY):
        assert is_accepted()


@pytest.mark.parametrize("offset", [-DAY, timedelta(0), 3661 * DAY])
def test_past_or_distant_end_is_refused(flask, cast, offset):
    end = f"{now() + offset:%Y-%m-%dT%H:%M}"
    code, _ = flask("subscriptions", "set", "Solo", "active", "--reason", "x", "--until", end)
    assert code == 1
    assert history_of(cast.solo) == []


def test_date_as_end_includes_that_day(flask, cast, is_accepted):
    end = f"{now() + DAY:%Y-%m-%d}"
    assert flask("subscriptions", "set", "Solo", "active", "--reason", "x", "--until", end)[0] == 0
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0) + 2 * DAY
    with time_machine.travel(midnight - timedelta(seconds=2)):
        assert is_accepted()
    with time_machine.travel(midnight):
        assert not is_accepted()


def test_every_admin_gets_one_mail_without_the_reason(app, cast):
    cast.acme.give(cast.ben, Rights.ADMIN)
    buy(cast.acme)
    mailbox = Mailbox(app)
    cast.acme.unsubscribe()
    messages = mailbox.deliver()
    assert sorted(message["To"] for message in messages) == [cast.ada.email, cast.ben.email]
    for message in messages:
        assert "Reflow support switched it off" in text_of(message)
        assert "for a test" not in message.as_string()


def test_change_is_recorded_in_the_audit_log(app, cast):
    decide(cast.solo, True, until=now() + DAY)
    decide(cast.solo, True, until=now() + 2 * DAY)
    decide(cast.solo, None)
    actions = [act for act in rows.audit_events(app) if act[0].startswith("subscription.")]
    assert [act[0] for act in actions[-3:]] == [
        "subscription.activated",
        "subscription.overridden",
        "subscription.deactivated",
    ]


def test_concurrent_decisions_leave_one_live_override(app, cast, is_accepted):
    actions = [
        lambda active=active: decide(cast.solo, active, until=now() + DAY) for active in (True, False) * 4
    ]
    at_once(actions)
    changes = history_of(cast.solo)
    assert [change[2] for change in changes[1:]] == [change[3] for change in changes[:-1]]
    assert is_accepted() is (changes[-1][3] == "active")


def test_licence_belongs_to_one_team(app, cast, is_accepted):
    from reflow_accounts.errors import Conflict

    buy(cast.acme, key="l-of-acme")
    with pytest.raises(Conflict):
        buy(cast.solo, key="l-of-acme")
    assert not is_accepted()


def test_second_licence_keeps_the_team_active_when_the_first_ends(app, cast, is_accepted):
    buy(cast.solo, key="l-first")
    buy(cast.solo, key="l-second")
    report_from_aws(app, LicenceState.ENDED, "l-first")
    assert is_accepted()
    report_from_aws(app, LicenceState.ENDED, "l-second")
    assert not is_accepted()


def test_operator_lifts_an_override(cast, flask, is_accepted):
    buy(cast.solo)
    flask("subscriptions", "set", "Solo", "inactive", "--reason", "fraud?")
    assert not is_accepted()
    code, output = flask("subscriptions", "lift", "Solo", "--reason", "cleared")
    assert (code, output) == (0, "The override ended: Solo is active.\n")
    assert flask("subscriptions", "lift", "Solo", "--reason", "again")[1].startswith("There is no override")
    assert is_accepted()


def test_expired_override_found_by_an_aws_report_is_named(app, cast):
    mailbox = Mailbox(app)
    buy(cast.solo, LicenceState.PENDING)
    with app.app_context():
        overrides.set_active(cast.solo.row(), True, "a favour", by=None, until=now() + timedelta(hours=1))
        db.session.commit()
    mailbox.deliver()
    # Before the job that records ends has run.
    with time_machine.travel(now() + timedelta(hours=2)):
        report_from_aws(app, LicenceState.ENDED)
        with app.app_context():
            change_log.record_due()
        [message] = mailbox.deliver()
    assert history_of(cast.solo)[1:] == [("Reflow", "expired", "active", "inactive")]
    assert "What Reflow support had set came to its end" in text_of(message)


def test_aws_report_after_an_expired_override_keeps_its_own_reason(app, cast):
    buy(cast.solo, LicenceState.PENDING)
    with app.app_context():
        overrides.set_active(cast.solo.row(), False, "fraud", by=None, until=now() + timedelta(hours=1))
        db.session.commit()
    with time_machine.travel(now() + timedelta(hours=2)):
        report_from_aws(app, LicenceState.ACTIVE)
    assert history_of(cast.solo)[-2:] == [
        ("Reflow", "expired", "inactive", "inactive"),
        ("AWS Marketplace", "aws", "inactive", "active"),
    ]
