"""Events lead to the same licence state in any order and with repetitions."""

import math
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from reflow_accounts.database import db, now
from reflow_accounts.marketplace.aws_client import Customer
from reflow_accounts.marketplace.events import register as meet
from reflow_accounts.marketplace.models import Agreement, MarketplaceEvent
from reflow_accounts.marketplace.parsing import Malformed
from reflow_accounts.subscriptions.licences import connect_to_team, find_licence
from reflow_accounts.subscriptions.models import Licence, LicenceState
from reflow_accounts.subscriptions.service import status_of
from tests.helpers import databases, rows
from tests.helpers.at_once import at_once
from tests.helpers.aws import PRODUCT, event
from tests.helpers.mailbox import Mailbox
from tests.subscriptions.facts import buy, delivered_subjects, history_of

pytestmark = pytest.mark.postgresql_later

START = datetime(2026, 11, 1, 12, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


CREATED = event("Purchase Agreement Created", "", "agmt-1", at=at(0), intent="NEW", status="ACTIVE")
UPDATED = event("License Updated", "l-1", "agmt-1", at=at(1))
RENEWED = event("Purchase Agreement Ended", "", "agmt-1", at=at(2), status="RENEWED")
ENDED = event("Purchase Agreement Ended", "", "agmt-1", at=at(3), status="CANCELLED")
DEPROVISIONED = event("License Deprovisioned", "l-1", "agmt-1", at=at(63))
OTHER_PRODUCTS = (
    event("License Updated", "l-0", "agmt-1", at=at(0), product="another"),
    event("License Deprovisioned", "l-0", "agmt-1", at=at(0), product="another"),
    event("License Deprovisioned", "not-a-licence", "agmt-1", at=at(0)),
)
UNKNOWN = event("Purchase Agreement Sung About", "", "agmt-1", at=at(4))
REGISTRATION = "the buyer registers"
ALL = (CREATED, UPDATED, RENEWED, ENDED, DEPROVISIONED)


def licence_of(app, key="l-1"):
    with app.app_context():
        licence = find_licence(key)
        return licence and (licence.state, licence.since_at, licence.ends_at)


def register(app):
    """Register the licence l-1."""
    with app.app_context():
        meet(Customer(PRODUCT, "123456789012", "l-1", "agmt-1"), is_trial=False)
        db.session.commit()


def test_license_updated_activates_the_licence(app, ingest_events):
    assert ingest_events(UPDATED) == 1
    assert licence_of(app) == (LicenceState.ACTIVE, at(1), None)


def test_cancelled_agreement_ends_after_an_hour(app, ingest_events):
    ingest_events(UPDATED, RENEWED)
    assert licence_of(app)[0] == LicenceState.ACTIVE
    ingest_events(ENDED)
    assert licence_of(app) == (LicenceState.ENDING, at(3), at(63))
    ingest_events(DEPROVISIONED)
    assert licence_of(app) == (LicenceState.ENDED, at(63), None)


def test_cancelled_pending_licence_ends_at_once(app, cast, ingest_events):
    buy(cast.solo, LicenceState.PENDING)
    register(app)
    ingest_events(event("Purchase Agreement Ended", "", "agmt-1", at=now(), status="CANCELLED"))
    assert licence_of(app)[0] == LicenceState.ENDED
    with app.app_context():
        assert not status_of(cast.solo.row()).is_active
    assert history_of(cast.solo) == []


@pytest.mark.slow
def test_order_of_events_has_no_effect(app, ingest_events):
    results = set()
    for order in permutations(ALL):
        databases.empty(app)
        ingest_events(*order)
        with app.app_context():
            agreement = db.session.get_one(Agreement, "agmt-1")
            results.add((*licence_of(app), agreement.status))
    assert results == {(LicenceState.ENDED, at(63), None, "CANCELLED")}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    order=st.lists(st.sampled_from([*ALL, *OTHER_PRODUCTS, UNKNOWN, REGISTRATION]), min_size=1, max_size=12),
)
def test_final_state_is_independent_of_order_and_repetition(app, ingest_events, order):
    databases.empty(app)
    for step in order:
        register(app) if step == REGISTRATION else ingest_events(step)
    assert rows.count(app, MarketplaceEvent) == len(set(order) - {REGISTRATION})
    licence = licence_of(app)
    if DEPROVISIONED in order:
        expected = LicenceState.ENDED
    elif ENDED in order and UPDATED in order:
        expected = LicenceState.ENDING
    elif UPDATED in order:
        expected = LicenceState.ACTIVE
    elif REGISTRATION in order:
        # AWS never activated it, so it has no final hour.
        expected = LicenceState.ENDED if ENDED in order else LicenceState.PENDING
    else:
        # No event has named a licence yet.
        expected = None
    assert (licence and licence[0]) == expected


def test_claimed_licence_changes_its_team_and_mails_once(app, cast, ingest_events):
    buy(cast.solo, LicenceState.PENDING)
    mailbox = Mailbox(app)
    events = [
        event("License Updated", "l-1", "agmt-1", at=now()),
        event("License Deprovisioned", "l-1", "agmt-1", at=now()),
    ]
    ingest_events(events[0], events[0])
    assert delivered_subjects(mailbox) == [(cast.nina.email, "The subscription of Solo is active")]
    ingest_events(events[1], events[0], events[1])
    assert delivered_subjects(mailbox) == [(cast.nina.email, "The subscription of Solo is inactive")]
    assert [change[1:] for change in history_of(cast.solo)] == [
        ("aws", "inactive", "active"),
        ("aws", "active", "inactive"),
    ]


def test_concurrent_duplicates_are_stored_once(app, ingest_events):
    assert sum(at_once([lambda: ingest_events(UPDATED)] * 6)) == 1
    assert rows.count(app, MarketplaceEvent) == rows.count(app, Licence) == 1


def test_concurrent_events_of_one_agreement_do_not_deadlock(app, ingest_events):
    for number in range(6):
        ended = event("Purchase Agreement Ended", "", f"agmt-{number}", at=at(3), status="EXPIRED")
        updated = event("License Updated", f"l-{number}", f"agmt-{number}", at=at(1))
        at_once([lambda body=body: ingest_events(body) for body in (updated, ended)])
        assert licence_of(app, f"l-{number}")[0] == LicenceState.ENDING


def test_renewal_goes_to_the_team_of_the_previous_agreement(app, cast, ingest_events):
    ingest_events(UPDATED)
    with app.app_context():
        connect_to_team(find_licence("l-1"), cast.solo.row(), by=None)
        db.session.commit()
    later = event(
        "Purchase Agreement Created",
        "",
        "agmt-2",
        intent="RENEW",
        status="ACTIVE",
        previousAgreementId="agmt-1",
    )
    ingest_events(event("License Updated", "l-2", "agmt-2"), later, ENDED, DEPROVISIONED)
    with app.app_context():
        status = status_of(cast.solo.row())
        assert [licence.key for licence in status.licences] == ["l-2", "l-1"]
        assert status.is_active
    # The team stayed active throughout.
    assert len(history_of(cast.solo)) == 1


def test_advisory_is_only_shown_to_staff(app, ingest_events):
    issued = event("Purchase Agreement Advisory Issued", "", "agmt-1", at=at(5))
    ingest_events(event("Purchase Agreement Advisory Resolved", "", "agmt-1", at=at(4)), UPDATED, issued)
    with app.app_context():
        assert db.session.get_one(Agreement, "agmt-1").advisory
    assert licence_of(app)[0] == LicenceState.ACTIVE
    ingest_events(event("Purchase Agreement Advisory Resolved", "", "agmt-1", at=at(6)))
    with app.app_context():
        assert not db.session.get_one(Agreement, "agmt-1").advisory


def test_another_product_of_the_same_seller_has_no_effect(app, ingest_events):
    ingest_events(event("License Updated", "l-9", "agmt-9", product="another"))
    assert licence_of(app, "l-9") is None
    assert rows.count(app, MarketplaceEvent) == 1
    # The daily reconciliation uses the known agreements; this one must not be among them.
    assert rows.count(app, Agreement) == 0


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    "other",
    [
        event("License Deprovisioned", "l-other", "agmt-1", product="another"),
        event("License Deprovisioned", "not-a-licence", "agmt-1"),
        event("License Deprovisioned", "", "agmt-1"),
        event("License Deprovisioned", "l-2", "agmt-1"),
        event("Purchase Agreement Ended", "", "agmt-1", product="another", status="CANCELLED"),
    ],
    ids=["another product", "unreadable", "unnamed", "another licence", "agreement of another product"],
)
def test_events_of_one_licence_do_not_end_another(app, ingest_events, other, order):
    ingest_events(*[UPDATED, other][::order])
    assert licence_of(app) == (LicenceState.ACTIVE, at(1), None)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no JSON",
        "[]",
        '"text"',
        "[" * 20_000,
        "{}",
        UPDATED.replace("aws.agreement-marketplace", "aws.s3"),
        UPDATED.replace('"detail":', '"details":'),
        UPDATED.replace(START.strftime("%Y"), "year"),
        UPDATED.replace('"id": "event', '"id": "\\u0000event', 1),
        UPDATED.replace("}}", f'}}, "more": "{"x" * 64_000}"}}'),
        *(
            event("Purchase Agreement Created", "", "agmt-1", previousAgreementId=value)
            for value in ("\ud800", "a\0", math.nan, -math.inf, {"\udfff": 1}, {"a\0": 1})
        ),
        UPDATED.replace('"version": "0"', '"version": 1e999'),
        UPDATED.replace('"version": "0"', f'"version": {"[" * 900}{"]" * 900}'),
    ],
    ids=range(19),
)
def test_malformed_event_is_refused(app, ingest_events, body):
    with pytest.raises(Malformed):
        ingest_events(body)
    assert rows.count(app, MarketplaceEvent) == rows.count(app, Licence) == 0


def test_unusual_details_are_stored_without_effect(app, ingest_events):
    for number, details in enumerate(
        (
            {"status": ["x"]},
            {"status": 10**400},
            {"previousAgreementId": "é"},
            {"previousAgreementId": "x" * 65, "status": "x" * 65},
            {"endTime": "never"},
            {"endTime": 5},
        )
    ):
        assert ingest_events(event("Purchase Agreement Amended", "", f"agmt-{number}", **details)) == 1
    for key in ("not-a-licence", "l-"):
        assert ingest_events(event("License Updated", key, "agmt-1")) == 1
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Licence)) == 0
