"""The sentence that explains a subscription, for each combination of facts."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine

from reflow_accounts.database import db, now
from reflow_accounts.marketplace.explanation import explain
from reflow_accounts.marketplace.models import Agreement
from reflow_accounts.subscriptions import overrides
from reflow_accounts.subscriptions.models import Licence, LicenceState, Override, State
from reflow_accounts.subscriptions.service import SubscriptionStatus
from reflow_accounts.subscriptions.status import effective_state
from tests.helpers.aws import event
from tests.subscriptions.facts import buy, report_from_aws

pytestmark = pytest.mark.postgresql_later


def november(day, hour=12):
    return datetime(2026, 11, day, hour, tzinfo=UTC)


TODAY = november(20)
OFF = Override(is_active=False, at=november(15), by_name="Sam Hale")
OFF_UNTIL = Override(is_active=False, at=november(15), by_name="Sam Hale", expires_at=november(30))
ON = Override(is_active=True, at=november(16), by_name="Sam Hale", expires_at=november(30, 0))


def licence(state, since, ends_at=None, key="l-1"):
    return Licence(
        key=key, agreement_id="agmt-1", state=state, since_at=since, ends_at=ends_at, created_at=november(1)
    )


PENDING = licence(LicenceState.PENDING, november(1))
ACTIVE = licence(LicenceState.ACTIVE, november(2))
ENDING = licence(LicenceState.ENDING, november(20, 11), november(20, 13))
ENDING_LATER = licence(LicenceState.ENDING, november(20, 12), november(20, 14))
OVERDUE = licence(LicenceState.ENDING, november(14, 11), november(14))
ENDED = licence(LicenceState.ENDED, november(14))

CASES = [
    ([], None, "", "Inactive: no AWS Marketplace purchase is connected. No override."),
    (
        [PENDING],
        None,
        "ACTIVE",
        "Inactive since 1 Nov 2026: AWS has not confirmed licence l-1 yet. No override.",
    ),
    (
        [PENDING, ENDED],
        None,
        "CANCELLED",
        "Inactive since 14 Nov 2026: AWS has not confirmed licence l-1 yet. No override.",
    ),
    ([ACTIVE], None, "ACTIVE", "Active since 2 Nov 2026: AWS confirmed licence l-1. No override."),
    (
        [ENDING],
        None,
        "CANCELLED",
        "Active: AWS ends licence l-1 on 20 Nov 2026 13:00 UTC (cancelled by the buyer). No override.",
    ),
    (
        [OVERDUE],
        None,
        "EXPIRED",
        "Inactive since 14 Nov 2026: AWS ended licence l-1 (the agreement expired). No override.",
    ),
    (
        [ENDED],
        None,
        "CANCELLED",
        "Inactive since 14 Nov 2026: AWS ended licence l-1 (cancelled by the buyer). No override.",
    ),
    ([ENDED], None, "", "Inactive since 14 Nov 2026: AWS ended licence l-1. No override."),
    (
        [licence(LicenceState.ENDED, november(10), key="l-2"), ENDED],
        None,
        "EXPIRED",
        "Inactive since 14 Nov 2026: AWS ended licence l-1 (the agreement expired). No override.",
    ),
    (
        [licence(LicenceState.ENDING, november(20, 11), november(20, 13), key="l-2"), ENDING_LATER],
        None,
        "CANCELLED",
        "Active: AWS ends licence l-1 on 20 Nov 2026 14:00 UTC (cancelled by the buyer). No override.",
    ),
    ([ENDED, ACTIVE], None, "RENEWED", "Active since 2 Nov 2026: AWS confirmed licence l-1. No override."),
    (
        [ACTIVE],
        OFF,
        "ACTIVE",
        "Inactive since 15 Nov 2026: Sam Hale switched it off. "
        "Without the override it would be active: AWS confirmed licence l-1.",
    ),
    (
        [ENDED],
        OFF_UNTIL,
        "TERMINATED",
        "Inactive since 15 Nov 2026: Sam Hale switched it off until 30 Nov 2026 12:00 UTC. "
        "Without the override it would be inactive: AWS ended licence l-1 (the agreement was terminated).",
    ),
    (
        [],
        ON,
        "",
        "Active since 16 Nov 2026: Sam Hale keeps it active until 30 Nov 2026 00:00 UTC. "
        "Without the override it would be inactive: no AWS Marketplace purchase is connected.",
    ),
]


def status_with(licences, override):
    state = effective_state(override, licences, TODAY)
    changed_at = override.at if override else None
    return SubscriptionStatus(State(state), changed_at, 1, override, tuple(licences), TODAY)


@pytest.mark.parametrize(("licences", "override", "agreement", "sentence"), CASES)
def test_staff_see_the_deciding_fact(licences, override, agreement, sentence):
    agreements = {"agmt-1": Agreement(agreement_id="agmt-1", status=agreement)}
    assert explain(status_with(licences, override), agreements, for_staff=True) == sentence


@pytest.mark.parametrize(("licences", "override", "agreement", "sentence"), CASES)
def test_team_sees_the_same_without_staff_details(licences, override, agreement, sentence):
    agreements = {"agmt-1": Agreement(agreement_id="agmt-1", status=agreement)}
    explanation = explain(status_with(licences, override), agreements)
    expected = sentence.replace(" No override.", "").partition(" Without the override")[0]
    expected = expected.replace("licence l-1", "the AWS Marketplace subscription").replace(
        "Sam Hale", "Reflow support"
    )
    assert explanation == expected


def test_explanation_is_on_the_page_of_staff_and_team(app, cast, client, ingest_events):
    buy(cast.solo, LicenceState.PENDING)
    ingest_events(event("License Updated", "l-1", "agmt-1"))
    ingest_events(
        event("Purchase Agreement Ended", "", "agmt-1", status="CANCELLED", at=now() - timedelta(days=2))
    )
    cast.nina.sign_in(client)
    page = client.page("/account/subscription")
    assert "AWS ended the AWS Marketplace subscription (cancelled by the buyer)." in page.text
    client.send("/logout")
    cast.sam.sign_in(client)
    page = client.page(f"/support/teams/{cast.solo.id}")
    assert "AWS ended licence l-1 (cancelled by the buyer). No override." in page.text
    effects = page.with_id("effects").text
    assert "Activate" in effects
    assert "Members can create new keys through this team." in effects
    assert "Keep inactive" in effects


def test_override_without_effect_keeps_the_start_of_the_state():
    unchanged = SubscriptionStatus(State.INACTIVE, november(14), 2, OFF, (ENDED,), TODAY)
    assert explain(unchanged, {}) == "Inactive since 14 Nov 2026: Reflow support keeps it inactive."
    prolonged = SubscriptionStatus(State.ACTIVE, november(2), 2, ON, (ACTIVE,), TODAY)
    explanation = "Active since 2 Nov 2026: Reflow support keeps it active until 30 Nov 2026 00:00 UTC."
    assert explain(prolonged, {}) == explanation


def test_state_starts_at_the_end_of_the_override():
    lifted = SubscriptionStatus(State.ACTIVE, november(18), 3, None, (ACTIVE,), TODAY)
    assert explain(lifted, {}).startswith("Active since 18 Nov 2026: AWS confirmed")
    lifted = SubscriptionStatus(State.INACTIVE, november(18), 3, None, (ENDED,), TODAY)
    assert explain(lifted, {}).startswith("Inactive since 18 Nov 2026: AWS ended")


def test_renewal_does_not_change_the_start_of_the_state(cast, client, ingest_events):
    cast.nina.change(time_zone="UTC")
    with time_machine.travel(november(1)):
        buy(cast.solo, LicenceState.PENDING)
        ingest_events(event("License Updated", "l-1", "agmt-1"))
    with time_machine.travel(november(10)):
        ingest_events(event("Purchase Agreement Created", "", "agmt-2", previousAgreementId="agmt-1"))
        ingest_events(
            event("License Updated", "l-2", "agmt-2"), event("License Deprovisioned", "l-1", "agmt-1")
        )
    with time_machine.travel(november(11)):
        text = cast.nina.sign_in(client).page("/account/subscription").text
    assert "Active since 1 Nov 2026: AWS" in text
    assert "Since 1 Nov 2026" in text
    with time_machine.travel(november(12)):
        ingest_events(event("License Deprovisioned", "l-2", "agmt-2"))
    with time_machine.travel(november(15)):
        ingest_events(event("License Deprovisioned", "l-3", "agmt-2"))
        text = cast.nina.sign_in(client).page("/account/subscription").text
    assert "Inactive since 12 Nov 2026: AWS" in text


def test_unrecorded_end_is_the_start_of_the_state(cast, client):
    with time_machine.travel(november(1)):
        buy(cast.solo)
    with time_machine.travel(november(10, 11)):
        report_from_aws(cast.solo.app, LicenceState.ENDING)
    with time_machine.travel(november(11)):
        text = cast.nina.sign_in(client).page("/account/subscription").text
    assert "Inactive since 10 Nov 2026: AWS" in text


def test_dates_are_in_the_time_zone_of_the_reader():
    late = licence(LicenceState.ACTIVE, november(2, 23))
    berlin = ZoneInfo("Europe/Berlin")
    explanation = explain(status_with([late], None), {}, zone=berlin)
    assert explanation == "Active since 3 Nov 2026: AWS confirmed the AWS Marketplace subscription."
    off = Override(is_active=False, at=november(15, 23), by_name="Sam Hale")
    explanation = explain(status_with([late], off), {}, zone=berlin)
    assert explanation == "Inactive since 16 Nov 2026: Reflow support switched it off."


def test_dates_on_the_subscription_tab_are_in_the_users_time_zone(app, cast, client):
    at = datetime(2026, 11, 20, 23, tzinfo=UTC)
    with time_machine.travel(at, tick=False):
        buy(cast.solo, LicenceState.ACTIVE)
    cast.nina.change(time_zone="Europe/Berlin")
    with time_machine.travel(at + timedelta(hours=1)):
        text = cast.nina.sign_in(client).page("/account/subscription").text
    assert "Active since 21 Nov 2026: AWS" in text
    assert "Since 21 Nov 2026" in text


def test_members_below_admin_do_not_see_the_explanation(app, cast, client):
    with app.app_context():
        overrides.set_active(cast.acme.row(), False, "fraud", by=None)
        db.session.commit()
    cast.vic.sign_in(client)
    assert "switched it off" not in client.page("/account/subscription").text
