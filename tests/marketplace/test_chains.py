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
from tests.marketplace.buyer import claim_of
from tests.subscriptions.facts import history_of

pytestmark = pytest.mark.postgresql_later

BEFORE = {"b": "a", "c": "b"}


def created(name):
    more = {"previousAgreementId": f"agmt-{BEFORE[name]}"} if name in BEFORE else {}
    return event("Purchase Agreement Created", "", f"agmt-{name}", status="ACTIVE", **more)


def updated(name):
    return event("License Updated", f"l-{name}", f"agmt-{name}")


def renewed(name):
    return event("Purchase Agreement Ended", "", f"agmt-{name}", status="RENEWED")


def deprovisioned(name):
    return event("License Deprovisioned", f"l-{name}", f"agmt-{name}")


@pytest.fixture
def register(app, cast):
    """`register("a")`: Nina comes from AWS with licence l-a and connects it to Solo."""

    def run(name, agreement=True, account=ACCOUNT):
        with app.app_context():
            customer = Customer(PRODUCT, account, f"l-{name}", f"agmt-{name}" if agreement else None)
            licence = register_customer(customer, is_trial=False)
            connect(claim_of(licence), cast.solo.id, "", by=cast.nina.row(), client=CLIENT)
            db.session.commit()

    return run


def is_active(cast):
    with cast.solo.app.app_context():
        return status_of(cast.solo.row()).is_active


def test_late_registration_takes_the_renewal_along(cast, take_in, register):
    take_in(created("a"), updated("a"), renewed("a"), created("b"), updated("b"))
    register("a")
    take_in(deprovisioned("a"))
    assert is_active(cast)


def test_missing_link_connects_the_whole_chain(cast, take_in, register):
    register("a")
    take_in(created("a"), updated("a"), created("c"), updated("c"), created("b"), updated("b"))
    take_in(deprovisioned("a"), deprovisioned("b"))
    assert is_active(cast)


def test_agreement_of_a_registered_licence_is_learned_late(cast, take_in, register):
    register("a", agreement=False)
    take_in(created("b"), updated("b"), created("a"), updated("a"), deprovisioned("a"))
    assert is_active(cast)


def test_chain_flips_its_team_once(cast, take_in, register):
    take_in(created("a"), updated("a"), updated("b"), deprovisioned("a"))
    register("a")
    take_in(created("b"))
    assert [change[2:] for change in history_of(cast.solo)] == [("inactive", "active")]


def test_unknown_account_of_a_licence_is_completed(app, take_in, register):
    register("a", account="")
    take_in(updated("a"))
    with app.app_context():
        assert find_licence("l-a").aws_account == ACCOUNT


def test_reconcile_completes_the_account(app, aws, ask, register):
    register("a", account="")
    aws.agreements["agmt-a"] = {
        "agreementId": "agmt-a",
        "status": "ACTIVE",
        "acceptor": {"accountId": ACCOUNT},
    }
    ask()
    with app.app_context():
        assert find_licence("l-a").aws_account == ACCOUNT


def test_lost_activation_heals(cast, aws, ask, register):
    with time_machine.travel(now() - timedelta(days=3)):
        register("a")
    aws.agreements["agmt-a"] = {"agreementId": "agmt-a", "status": "ACTIVE"}
    ask()
    assert is_active(cast)


def test_fresh_purchase_waits_for_its_event(cast, aws, ask, register):
    register("a")
    agreement = {"agreementId": "agmt-a", "status": "ACTIVE", "startTime": now().timestamp()}
    aws.agreements["agmt-a"] = agreement
    ask()
    assert not is_active(cast)
    with time_machine.travel(now() + timedelta(minutes=61)):
        ask()
        assert is_active(cast)


def test_lost_renewal_heals(app, cast, aws, ask, take_in, register):
    register("a")
    take_in(created("a"), updated("a"), renewed("a"), deprovisioned("a"))
    assert not is_active(cast)
    renewal = {"agreementId": "agmt-b", "status": "ACTIVE", "initialAgreementId": "agmt-a"}
    aws.agreements["agmt-b"] = renewal
    ask()
    assert is_active(cast)
    # The licence of the renewal becomes known: it is the same purchase.
    take_in(updated("b"))
    assert rows.count(app, Licence) == 2
    take_in(deprovisioned("b"))
    assert not is_active(cast)


def test_lost_renewal_gets_the_licence_that_aws_names(app, cast, aws, ask, take_in, register):
    register("a")
    take_in(updated("a"), deprovisioned("a"))
    arn = f"arn:aws:license-manager::{ACCOUNT}:license:l-b"
    aws.agreements["agmt-b"] = {
        "agreementId": "agmt-b",
        "status": "ACTIVE",
        "initialAgreementId": "agmt-a",
        "entitlements": [{"licenseArn": arn}],
    }
    ask()
    with app.app_context():
        assert find_licence("l-b").state == LicenceState.ACTIVE
    assert is_active(cast)


def test_registration_without_agreement_finds_it_by_its_licence(cast, aws, ask, register):
    register("a", agreement=False)
    arn = f"arn:aws:license-manager::{ACCOUNT}:license:l-a"
    aws.agreements["agmt-a"] = {
        "agreementId": "agmt-a",
        "status": "ACTIVE",
        "entitlements": [{"licenseArn": arn}],
    }
    ask()
    assert is_active(cast)


def test_lost_end_of_a_renewed_licence_heals(app, cast, aws, ask, take_in, register):
    register("a")
    take_in(updated("a"), renewed("a"), created("b"), updated("b"), deprovisioned("b"))
    assert is_active(cast)
    aws.agreements["agmt-a"] = {"agreementId": "agmt-a", "status": "RENEWED"}
    aws.agreements["agmt-b"] = {"agreementId": "agmt-b", "status": "CANCELLED"}
    ask()
    assert not is_active(cast)


def test_renewed_licence_without_a_known_renewal_stays(cast, aws, ask, take_in, register):
    register("a")
    take_in(updated("a"))
    aws.agreements["agmt-a"] = {"agreementId": "agmt-a", "status": "RENEWED"}
    ask()
    assert is_active(cast)
