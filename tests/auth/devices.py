"""Requests of a terminal that logs in by the device flow, and of the browser that gets its code."""

from reflow_accounts.contract import DEVICE_GRANT as GRANT
from tests.helpers.api import problem_of
from tests.helpers.html import parse


def request_codes(client, host="ada-laptop"):
    """Start a device login, as the command does, and return its codes."""
    response = client.send("POST", "/device/code", data={"client_id": "reflow", "host": host})
    assert response.status_code == 200, response.text
    return response.json


def poll_token(client, codes):
    fields = {"grant_type": GRANT, "device_code": codes["device_code"], "client_id": "reflow"}
    return client.send("POST", "/device/token", data=fields)


def oauth_error(response):
    """Return the OAuth error code of a refusal."""
    return problem_of(response, 400, "bad_request")["error"]


def enter_code(browser, codes):
    """Enter the code, and return the next page, whose path is `browser.login_path`."""
    response = browser.submit(browser.page("/device"), "/device", code=codes["user_code"])
    assert response.status_code == 303, response.text
    browser.login_path = response.headers["Location"]
    page = parse(browser.get(browser.login_path).text)
    page.attributes["address"] = browser.login_path
    return page
