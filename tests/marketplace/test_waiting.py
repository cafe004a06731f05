"""Purchases that AWS does not confirm are listed for staff, mailed to support once, and shown to the buyer."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import db, now
from reflow_accounts.marketplace.reconcile import report_waiting
from reflow_accounts.subscriptions.licences import add_or_complete
from reflow_accounts.subscriptions.models import LicenceState
from tests.helpers.aws import PRODUCT, event
from tests.helpers.mailbox import Mailbox, text_of
from tests.subscriptions.facts import buy, report_from_aws

pytestmark = pytest.mark.postgresql_later

MINUTE = timedelta(minutes=1)


@pytest.fixture
def waiting_purchase(cast):
    with time_machine.travel(now() - 61 * MINUTE):
        buy(cast.solo, LicenceState.PENDING)


def report_waiting_purchases(app):
    with app.app_context():
        return report_waiting()


def test_waiting_purchase_is_mailed_to_support_once(app, cast, waiting_purchase):
    mailbox = Mailbox(app)
    assert [report_waiting_purchases(app), report_waiting_purchases(app)] == [1, 0]
    [message] = mailbox.deliver()
    assert message["To"] == "support@reflow.example"
    assert message["Subject"] == "1 AWS Marketplace purchase waiting for more than an hour"
    assert "l-1, AWS account 123456789012, Solo, since" in text_of(message)


def test_waiting_purchase_without_a_team_is_mailed(app):
    with time_machine.travel(now() - 61 * MINUTE), app.app_context():
        add_or_complete("l-1", product_code=PRODUCT, aws_account="")
        db.session.commit()
    mailbox = Mailbox(app)
    assert report_waiting_purchases(app) == 1
    [message] = mailbox.deliver()
    assert "l-1, AWS account unknown, not connected to a team, since" in text_of(message)


def test_new_or_confirmed_purchase_is_not_mailed(app, cast):
    buy(cast.solo, LicenceState.PENDING)
    assert report_waiting_purchases(app) == 0
    report_from_aws(app, LicenceState.ACTIVE)
    with time_machine.travel(now() + 61 * MINUTE):
        assert report_waiting_purchases(app) == 0


def test_staff_see_waiting_purchases(cast, client, waiting_purchase):
    cast.sam.sign_in(client)
    assert "1 purchase has waited for AWS for more than an hour" in client.page("/support").text


def test_purchases_are_listed_oldest_first(app, cast, client, ingest_events):
    for hours in (9, 8):
        with time_machine.travel(now() - timedelta(hours=hours)):
            buy(cast.solo, LicenceState.PENDING, f"l-waits{hours}")
    for minutes in (20, 10):
        with time_machine.travel(now() - minutes * MINUTE):
            ingest_events(event("License Updated", f"l-alone{minutes}", f"agmt-{minutes}"))
    cast.sam.sign_in(client)
    assert [element.text for element in client.page("/support").all("code")] == [
        *("l-waits9", "l-waits8", "l-alone20", "l-alone10")
    ]


def test_buyer_sees_that_the_purchase_waits(cast, client, waiting_purchase):
    cast.nina.sign_in(client)
    page = client.page("/account/subscription")
    assert "AWS has not confirmed your purchase yet" in page.text
    assert "Contact support" in page.text


def test_staff_see_purchases_without_a_team(cast, client, ingest_events):
    ingest_events(event("License Updated", "l-7", "agmt-7"))
    cast.sam.sign_in(client)
    assert "1 AWS purchase has no team" in client.page("/support").text


def test_ended_purchase_without_a_team_is_not_listed(cast, client, ingest_events):
    ended = event("Purchase Agreement Ended", "", "agmt-7", status="CANCELLED", at=now() - 61 * MINUTE)
    ingest_events(event("License Updated", "l-7", "agmt-7"), ended)
    ingest_events(event("License Deprovisioned", "l-8", "agmt-8"))
    cast.sam.sign_in(client)
    assert "has no team" not in client.page("/support").text
