"""Messages to a buyer about a purchase that has ended, was renewed, or is overridden by support."""

import pytest

from reflow_accounts.database import db
from reflow_accounts.subscriptions.overrides import set_active
from tests.helpers.aws import event
from tests.helpers.mailbox import Mailbox, text_of
from tests.marketplace.buyer import PAGE, connect, post_from_aws

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
