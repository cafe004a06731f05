"""The form post with which AWS Marketplace sends a buyer."""

REGISTRATION_URL, PAGE = "/marketplace/aws", "/registration"
TOKEN, OFFER = "x-amzn-marketplace-token", "x-amzn-marketplace-offer-type"


def arrive(browser, token, **more):
    """Post the listing's form as AWS's site does: from another site, without a token of ours."""
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://aws.amazon.com"}
    return browser.post(REGISTRATION_URL, data={TOKEN: token} | more, headers=headers)


def connect(browser, **fields):
    return browser.submit(browser.page(PAGE), PAGE, **fields)
