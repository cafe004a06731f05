"""Renewals keep their team in any order of events, and lost events heal by marketplace-reconcile."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import db, now
from reflow_accounts.marketplace.aws_client import Customer
from reflow_accounts.marketplace.events import register as register_customer
from reflow_accounts.marketplace.registration import connect
from reflow_accounts.subscriptions.licences import find_licence
from reflow_accounts.subscriptions.models import Licence, LicenceState
from reflow_accounts.subscriptions.service import status_of
from tests.factories import CLIENT
from tests.helpers import rows
from tests.helpers.aws import ACCOUNT, PRODUCT, event
from tests.marketplace.buyer import create_claim
from tests.subscriptions.facts import history_of

pytestmark = pytest.mark.postgresql_later

PREVIOUS = {"b": "a", "c": "b"}


def created(name):
    details = {"previousAgreementId": f"agmt-{PREVIOUS[name]}"} if name in PREVIOUS else {}
    return event("Purchase Agreement Created", "", f"agmt-{name}", status="ACTIVE", **details)


def updated(name):
    return event("License Updated", f"l-{name}", f"agmt-{name}")


def renewed(name):
    return event("Purchase Agreement Ended", "", f"agmt-{name}", status="RENEWED")


def deprovisioned(name):
    return event("License Deprovisioned", f"l-{name}", f"agmt-{name}")


@pytest.fixture
def register(app, cast):
    """`register("a")`: Nina registers licence l-a and connects it to Solo, unless a user and team are given."""

    def run(name, agreement=True, account=ACCOUNT, by=cast.nina, team=cast.solo):
        with app.app_context():
            customer = Customer(PRODUCT, account, f"l-{name}", f"agmt-{name}" if agreement else None)
            licence = register_customer(customer, is_trial=False)
            connect(create_claim(licence), team.id, "", by=by.row(), client=CLIENT)
            db.session.commit()

    return run


def is_active(cast):
    with cast.solo.app.app_context():
        return status_of(cast.solo.row()).is_active


def test_late_registration_includes_the_renewal(cast, ingest_events, register):
    ingest_events(created("a"), updated("a"), renewed("a"), created("b"), updated("b"))
    register("a")
    ingest_events(deprovisioned("a"))
    assert is_active(cast)


def test_missing_link_connects_the_whole_chain(cast, ingest_events, register):
    register("a")
    ingest_events(created("a"), updated("a"), created("c"), updated("c"), created("b"), updated("b"))
    ingest_events(deprovisioned("a"), deprovisioned("b"))
    assert is_active(cast)


def test_agreement_of_a_registered_licence_can_become_known_late(cast, ingest_events, register):
    register("a", agreement=False)
    ingest_events(created("b"), updated("b"), created("a"), updated("a"), deprovisioned("a"))
    assert is_active(cast)


def test_chain_of_two_teams_belongs_to_the_later_one(app, cast, ingest_events, register):
    with time_machine.travel(now() - timedelta(days=1)):
        register("a")
    register("c", by=cast.ada, team=cast.acme)
    ingest_events(created("b"), created("c"), updated("b"))
    with app.app_context():
        assert find_licence("l-b").team_id == cast.acme.row().id


def test_chain_activates_its_team_once(cast, ingest_events, register):
    ingest_events(created("a"), updated("a"), updated("b"), deprovisioned("a"))
    register("a")
    ingest_events(created("b"))
    assert [change[2:] for change in history_of(cast.solo)] == [("inactive", "active")]


def test_missing_account_of_a_licence_is_completed_by_an_event(app, ingest_events, register):
    register("a", account="")
    ingest_events(updated("a"))
    with app.app_context():
        assert find_licence("l-a").aws_account == ACCOUNT


def test_missing_account_of_a_licence_is_completed_by_reconcile(app, aws, reconcile, register):
    register("a", account="")
    aws.agreements["agmt-a"] = {
        "agreementId": "agmt-a",
        "status": "ACTIVE",
        "acceptor": {"accountId": ACCOUNT},
    }
    reconcile()
    with app.app_context():
        assert find_licence("l-a").aws_account == ACCOUNT


def test_lost_activation_is_recovered(cast, aws, reconcile, register):
    with time_machine.travel(now() - timedelta(days=3)):
        register("a")
    aws.agreements["agmt-a"] = {"agreementId": "agmt-a", "status": "ACTIVE"}
    reconcile()
    assert is_active(cast)


def test_new_purchase_waits_for_its_event(cast, aws, reconcile, register):
    register("a")
    start = now().replace(microsecond=0)
    agreement = {"agreementId": "agmt-a", "status": "ACTIVE", "startTime": start.timestamp()}
    aws.agreements["agmt-a"] = agreement
    reconcile()
    assert not is_active(cast)
    with time_machine.travel(start + timedelta(hours=1), tick=False):
        reconcile()
        assert is_active(cast)


def test_lost_renewal_is_recovered(app, cast, aws, reconcile, ingest_events, register):
    register("a")
    ingest_events(created("a"), updated("a"), renewed("a"), deprovisioned("a"))
    assert not is_active(cast)
    renewal = {"agreementId": "agmt-b", "status": "ACTIVE", "initialAgreementId": "agmt-a"}
    aws.agreements["agmt-b"] = renewal
    reconcile()
    assert is_active(cast)
    # When the licence of the renewal becomes known, it belongs to the same purchase.
    ingest_events(updated("b"))
    assert rows.count(app, Licence) == 2
    ingest_events(deprovisioned("b"))
    assert not is_active(cast)


def test_lost_renewal_gets_the_licence_named_by_aws(app, cast, aws, reconcile, ingest_events, register):
    register("a")
    ingest_events(updated("a"), deprovisioned("a"))
    arn = f"arn:aws:license-manager::{ACCOUNT}:license:l-b"
    aws.agreements["agmt-b"] = {
        "agreementId": "agmt-b",
        "status": "ACTIVE",
        "initialAgreementId": "agmt-a",
        "entitlements": [{"licenseArn": arn}],
    }
    reconcile()
    with app.app_context():
        assert find_licence("l-b").state == LicenceState.ACTIVE
    assert is_active(cast)


def test_registration_without_agreement_is_found_by_its_licence(cast, aws, reconcile, register):
    register("a", agreement=False)
    arn = f"arn:aws:license-manager::{ACCOUNT}:license:l-a"
    aws.agreements["agmt-a"] = {
        "agreementId": "agmt-a",
        "status": "ACTIVE",
        "entitlements": [{"licenseArn": arn}],
    }
    reconcile()
    assert is_active(cast)


def test_lost_end_of_a_renewed_licence_is_recovered(app, cast, aws, reconcile, ingest_events, register):
    register("a")
    ingest_events(updated("a"), renewed("a"), created("b"), updated("b"), deprovisioned("b"))
    assert is_active(cast)
    aws.agreements["agmt-a"] = {"agreementId": "agmt-a", "status": "RENEWED"}
    aws.agreements["agmt-b"] = {"agreementId": "agmt-b", "status": "CANCELLED"}
    reconcile()
    assert not is_active(cast)


def test_renewed_licence_without_a_known_renewal_stays_active(cast, aws, reconcile, ingest_events, register):
    register("a")
    ingest_events(updated("a"))
    aws.agreements["agmt-a"] = {"agreementId": "agmt-a", "status": "RENEWED"}
    reconcile()
    assert is_active(cast)
    # Its end and the renewal become known at once: the team stays active.
    ingest_events(updated("b"), created("b"))
    assert [change[2:] for change in history_of(cast.solo)] == [("inactive", "active")]
