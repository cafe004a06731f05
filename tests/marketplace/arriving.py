"""The buyer's way from AWS Marketplace's site to our page."""

DOOR, PAGE = "/marketplace/aws", "/registration"
TOKEN = "x-amzn-marketplace-token"


def arrive(browser, token, **more):
    """Post the listing's form as AWS's site does: from another site, without a token of ours."""
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://aws.amazon.com"}
    return browser.post(DOOR, data={TOKEN: token} | more, headers=headers)


def connect(browser, **fields):
    return browser.submit(browser.page(PAGE), PAGE, **fields)
