"""The form post with which AWS Marketplace sends a buyer, and the claim that follows."""

from datetime import timedelta
from secrets import token_bytes

from reflow_accounts.database import db, now
from reflow_accounts.marketplace.models import Claim

REGISTRATION_URL, PAGE = "/marketplace/aws", "/registration"
TOKEN, OFFER = "x-amzn-marketplace-token", "x-amzn-marketplace-offer-type"


def arrive(browser, token, **more):
    """Post the listing's form as AWS's site does: from another site, without a token of ours."""
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://aws.amazon.com"}
    return browser.post(REGISTRATION_URL, data={TOKEN: token} | more, headers=headers)


def connect(browser, **fields):
    return browser.submit(browser.page(PAGE), PAGE, **fields)


def claim_of(licence):
    """Give the buyer of a licence a claim, in the transaction of the caller."""
    claim = Claim(digest=token_bytes(32), licence_id=licence.id, expires_at=now() + timedelta(hours=1))
    db.session.add(claim)
    db.session.flush()
    return claim
