"""The form with which AWS Marketplace sends a buyer, and the claim that it creates."""

from datetime import timedelta
from secrets import token_bytes

from reflow_accounts.database import db, now
from reflow_accounts.marketplace.models import Claim

REGISTRATION_URL, PAGE = "/marketplace/aws", "/registration"
TOKEN, OFFER = "x-amzn-marketplace-token", "x-amzn-marketplace-offer-type"


def post_from_aws(browser, token, **more):
    """Post the form as the site of AWS does: cross-site and without a CSRF token."""
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://aws.amazon.com"}
    return browser.post(REGISTRATION_URL, data={TOKEN: token} | more, headers=headers)


def connect(browser, **fields):
    return browser.submit(browser.page(PAGE), PAGE, **fields)


def create_claim(licence):
    """Create a claim for the buyer of a licence, in the transaction of the caller."""
    claim = Claim(digest=token_bytes(32), licence_id=licence.id, expires_at=now() + timedelta(hours=1))
    db.session.add(claim)
    db.session.flush()
    return claim
