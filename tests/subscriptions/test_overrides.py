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
from tests.subscriptions.facts import aws_says, buy, history_of, subjects

pytestmark = pytest.mark.postgresql_later

DAY = timedelta(days=1)
ACTIVE = "The subscription of Solo is active"
INACTIVE = "The subscription of Solo is inactive"


@pytest.fixture
def key(cast):
    """A key of Nina's, whose team Solo has no subscription: made while Nina was in Acme."""
    cast.acme.add(cast.nina, Rights.VIEW)
    made = cast.nina.key()
    with cast.acme.app.app_context():
        mine = (cast.nina.number, cast.acme.row().id)
        db.session.delete(db.session.get_one(Membership, mine))
        db.session.commit()
    return made


@pytest.fixture
def opens(api, key):
    """Say whether Nina's key opens the API; when not, it is for the subscription."""

    def ask() -> bool:
        answer = api(key.secret).get("/me")
        if answer.status_code != 200:
            problem_of(answer, 403, "subscription_inactive")
        return answer.status_code == 200

    return ask


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
    ("state", "is_open"),
    [
        (LicenceState.PENDING, False),
        (LicenceState.ACTIVE, True),
        (LicenceState.ENDING, True),
        (LicenceState.ENDED, False),
    ],
)
def test_without_an_override_aws_decides(cast, opens, state, is_open):
    assert not opens()
    buy(cast.solo, state)
    assert opens() is is_open


@pytest.mark.parametrize("state", LicenceState)
@pytest.mark.parametrize("active", [True, False])
def test_override_stands_above_whatever_aws_says(cast, opens, state, active):
    buy(cast.solo, LicenceState.PENDING)
    decide(cast.solo, active, until=now() + DAY)
    aws_says(cast.solo.app, state)
    assert opens() is active
    decide(cast.solo, None)
    assert opens() is (state in (LicenceState.ACTIVE, LicenceState.ENDING))


def test_override_expires_and_is_recorded_once(app, cast, opens):
    mailbox = Mailbox(app)
    decide(cast.solo, True, until=now() + DAY)
    assert opens()
    assert subjects(mailbox) == [(cast.nina.email, ACTIVE)]
    with time_machine.travel(now() + DAY):
        # The next request sees it, before any background job has.
        assert not opens()
        assert subjects(mailbox) == []
        for _ in range(2):
            with app.app_context():
                change_log.record_due()
        assert subjects(mailbox) == [(cast.nina.email, INACTIVE)]
    assert history_of(cast.solo) == [
        ("Operator", "forced_on", "inactive", "active"),
        ("Reflow", "expired", "active", "inactive"),
    ]


def test_active_override_ends_after_thirty_days_by_default(cast, opens):
    decide(cast.solo, True)
    with time_machine.travel(now() + 30 * DAY - timedelta(minutes=1)):
        assert opens()
    with time_machine.travel(now() + 30 * DAY + timedelta(minutes=1)):
        assert not opens()


def test_inactive_override_has_no_end_of_its_own(cast, opens):
    buy(cast.solo)
    decide(cast.solo, False)
    with time_machine.travel(now() + 3000 * DAY):
        assert not opens()


def test_ending_licence_ends_without_another_event(app, cast, opens):
    mailbox = Mailbox(app)
    buy(cast.solo, LicenceState.ACTIVE)
    aws_says(app, LicenceState.ENDING)
    assert opens()
    assert subjects(mailbox) == [(cast.nina.email, ACTIVE)]
    with time_machine.travel(now() + timedelta(minutes=61)):
        assert not opens()
        for _ in range(2):
            with app.app_context():
                change_log.record_due()
        assert subjects(mailbox) == [(cast.nina.email, INACTIVE)]
        # The event that was late changes nothing more.
        aws_says(app, LicenceState.ENDED)
        assert subjects(mailbox) == []
    assert [change[1:] for change in history_of(cast.solo)] == [
        ("aws", "inactive", "active"),
        ("aws", "active", "inactive"),
    ]


def test_activation_ends_the_override_when_aws_says_active(cast):
    buy(cast.solo)
    decide(cast.solo, False)
    assert decide(cast.solo, True)
    assert history_of(cast.solo)[-1] == ("Operator", "lifted", "inactive", "active")
    aws_says(cast.solo.app, LicenceState.ENDED)
    assert history_of(cast.solo)[-1] == ("AWS Marketplace", "aws", "active", "inactive")


def test_licence_without_end_needs_no_override(app, cast):
    buy(cast.solo)
    before = history_of(cast.solo)
    assert not decide(cast.solo, True)
    assert not decide(cast.solo, None)
    assert history_of(cast.solo) == before


def test_another_end_replaces_the_override_and_flips_nothing(app, cast, opens):
    decide(cast.solo, True, until=now() + DAY)
    mailbox = Mailbox(app)
    mailbox.deliver()
    assert decide(cast.solo, True, until=now() + 3 * DAY)
    assert history_of(cast.solo)[-1] == ("Operator", "forced_on", "active", "active")
    assert subjects(mailbox) == []
    with time_machine.travel(now() + 2 * DAY):
        assert opens()


@pytest.mark.parametrize("away", [-DAY, timedelta(0), 3661 * DAY])
def test_past_or_distant_end_is_refused(flask, cast, away):
    end = f"{now() + away:%Y-%m-%dT%H:%M}"
    code, _ = flask("subscriptions", "set", "Solo", "active", "--reason", "x", "--until", end)
    assert code == 1
    assert history_of(cast.solo) == []


def test_day_is_the_last_one_of_an_override(flask, cast, opens):
    end = f"{now() + DAY:%Y-%m-%d}"
    assert flask("subscriptions", "set", "Solo", "active", "--reason", "x", "--until", end)[0] == 0
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0) + 2 * DAY
    with time_machine.travel(midnight - timedelta(seconds=2)):
        assert opens()
    with time_machine.travel(midnight):
        assert not opens()


def test_every_admin_gets_one_mail_and_the_reason_stays_with_support(app, cast):
    cast.acme.give(cast.ben, Rights.ADMIN)
    buy(cast.acme)
    mailbox = Mailbox(app)
    cast.acme.unsubscribe()
    messages = mailbox.deliver()
    assert sorted(message["To"] for message in messages) == [cast.ada.email, cast.ben.email]
    for message in messages:
        assert "Reflow support switched it off" in text_of(message)
        assert "for a test" not in message.as_string()


def test_each_change_is_an_act_of_the_audit_log(app, cast):
    decide(cast.solo, True, until=now() + DAY)
    decide(cast.solo, True, until=now() + 2 * DAY)
    decide(cast.solo, None)
    acts = [act for act in rows.acts(app) if act[0].startswith("subscription.")]
    assert [act[0] for act in acts[-3:]] == [
        "subscription.activated",
        "subscription.overridden",
        "subscription.deactivated",
    ]


def test_concurrent_decisions_leave_one_live_override(app, cast, opens):
    acts = [
        lambda wanted=wanted: decide(cast.solo, wanted, until=now() + DAY) for wanted in (True, False) * 4
    ]
    at_once(acts)
    told = history_of(cast.solo)
    assert [change[2] for change in told[1:]] == [change[3] for change in told[:-1]]
    assert opens() is (told[-1][3] == "active")


def test_licence_belongs_to_one_team(app, cast, opens):
    from reflow_accounts.errors import Conflict

    buy(cast.acme, key="l-of-acme")
    with pytest.raises(Conflict):
        buy(cast.solo, key="l-of-acme")
    assert not opens()


def test_second_licence_keeps_the_team_active_when_the_first_ends(app, cast, opens):
    buy(cast.solo, key="l-first")
    buy(cast.solo, key="l-second")
    aws_says(app, LicenceState.ENDED, "l-first")
    assert opens()
    aws_says(app, LicenceState.ENDED, "l-second")
    assert not opens()


def test_operator_lifts_an_override(cast, flask, opens):
    buy(cast.solo)
    flask("subscriptions", "set", "Solo", "inactive", "--reason", "fraud?")
    assert not opens()
    code, words = flask("subscriptions", "lift", "Solo", "--reason", "cleared")
    assert (code, words) == (0, "The override ended: Solo is active.\n")
    assert flask("subscriptions", "lift", "Solo", "--reason", "again")[1].startswith("There is no override")
    assert opens()


def test_end_of_an_override_that_aws_news_brings_to_light_is_named(app, cast):
    mailbox = Mailbox(app)
    buy(cast.solo, LicenceState.PENDING)
    with app.app_context():
        overrides.set_active(cast.solo.row(), True, "a favour", by=None, until=now() + timedelta(hours=1))
        db.session.commit()
    mailbox.deliver()
    # Before the job that records ends.
    with time_machine.travel(now() + timedelta(hours=2)):
        aws_says(app, LicenceState.ENDED)
        with app.app_context():
            change_log.record_due()
        [message] = mailbox.deliver()
    assert history_of(cast.solo)[1:] == [("Reflow", "expired", "active", "inactive")]
    assert "What Reflow support had set came to its end" in text_of(message)


def test_aws_news_after_the_end_of_an_override_keep_their_own_reason(app, cast):
    buy(cast.solo, LicenceState.PENDING)
    with app.app_context():
        overrides.set_active(cast.solo.row(), False, "fraud", by=None, until=now() + timedelta(hours=1))
        db.session.commit()
    with time_machine.travel(now() + timedelta(hours=2)):
        aws_says(app, LicenceState.ACTIVE)
    assert history_of(cast.solo)[-2:] == [
        ("Reflow", "expired", "inactive", "inactive"),
        ("AWS Marketplace", "aws", "inactive", "active"),
    ]
