"""Messages to a buyer about a purchase that has ended, was renewed, or is overridden by support."""

import pytest

from reflow_accounts.database import db
from reflow_accounts.subscriptions.overrides import set_active
from tests.helpers.aws import event
from tests.helpers.mailbox import Mailbox, text_of
from tests.marketplace.buyer import PAGE, connect, post_from_aws

TAB = "/account/subscription"

pytestmark = pytest.mark.postgresql_later


def test_buyer_of_a_renewed_purchase_is_not_told_to_subscribe_again(app, cast, aws, buyer, ingest_events):
    renewal = event("Purchase Agreement Created", "", "agmt-2", status="ACTIVE", previousAgreementId="agmt-1")
    ingest_events(
        event("License Updated", "l-1", "agmt-1"), renewal, event("License Updated", "l-2", "agmt-2")
    )
    ingest_events(event("License Deprovisioned", "l-1", "agmt-1"))
    mailbox = Mailbox(app)
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1", "agmt-1"))
    assert "AWS has ended this purchase" not in buyer.page(PAGE).text
    connect(buyer)
    assert "API keys of its members work." in text_of(mailbox.deliver()[-1])


def test_buyer_of_an_unconfirmed_renewal_is_not_told_to_subscribe_again(app, cast, aws, buyer, ingest_events):
    ingest_events(event("License Updated", "l-1", "agmt-1"))
    ingest_events(event("Purchase Agreement Ended", "", "agmt-1", status="RENEWED"))
    ingest_events(event("License Deprovisioned", "l-1", "agmt-1"))
    mailbox = Mailbox(app)
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1", "agmt-1"))
    assert "AWS has ended this purchase" not in buyer.page(PAGE).text
    connect(buyer)
    assert "another mail says when API keys work" in text_of(mailbox.deliver()[-1])
    page = buyer.page(TAB)
    assert "AWS has not confirmed the renewal of your subscription yet" in page.text
    assert "Subscribe in AWS Marketplace" not in page.text
    # A renewal that has ended without a licence is an end like any other.
    ingest_events(
        event("Purchase Agreement Created", "", "agmt-2", previousAgreementId="agmt-1"),
        event("Purchase Agreement Ended", "", "agmt-2", status="CANCELLED"),
    )
    page = buyer.page(TAB)
    assert "AWS has not confirmed the renewal" not in page.text
    assert "Subscribe in AWS Marketplace" in page.text


def test_end_of_a_confirmed_renewal_is_an_end(cast, aws, buyer, ingest_events):
    ingest_events(event("License Updated", "l-1", "agmt-1"), event("License Updated", "l-2", "agmt-2"))
    ingest_events(event("Purchase Agreement Created", "", "agmt-2", previousAgreementId="agmt-1"))
    ingest_events(event("Purchase Agreement Ended", "", "agmt-1", status="REPLACED"))
    ingest_events(event("License Deprovisioned", "l-2", "agmt-2"))
    ingest_events(event("License Deprovisioned", "l-1", "agmt-1"))
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1", "agmt-1"))
    assert "AWS has ended this purchase" in buyer.page(PAGE).text
    connect(buyer)
    assert "AWS has not confirmed the renewal" not in buyer.page(TAB).text


def test_buyer_whose_team_is_switched_off_is_not_told_that_keys_work(app, cast, aws, buyer, ingest_events):
    ingest_events(event("License Updated", "l-1", "agmt-1"))
    with app.app_context():
        set_active(cast.solo.row(), False, "fraud", by=None)
        db.session.commit()
    mailbox = Mailbox(app)
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1", "agmt-1"))
    connect(buyer)
    [text] = [text_of(message) for message in mailbox.deliver() if "connected the team" in text_of(message)]
    assert "Reflow support has switched its API keys off" in text


def test_buyer_of_an_ended_purchase_is_not_told_to_wait(app, cast, aws, buyer, ingest_events):
    ingest_events(event("License Updated", "l-1", "agmt-1"), event("License Deprovisioned", "l-1", "agmt-1"))
    mailbox = Mailbox(app)
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1", "agmt-1"))
    assert "AWS has ended this purchase" in buyer.page(PAGE).text
    connect(buyer)
    [message] = mailbox.deliver()
    assert "AWS has ended it" in text_of(message) and "another mail" not in text_of(message)
