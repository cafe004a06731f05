"""A terminal that asks for a login, and the browser that its code is typed in."""

from reflow_accounts.contract import DEVICE_GRANT as GRANT
from tests.helpers.api import problem_of
from tests.helpers.html import parse


def ask(program, host="ada-laptop"):
    """Ask for a login, as the command does, and return the codes."""
    answer = program.send("POST", "/device/code", data={"client_id": "reflow", "host": host})
    assert answer.status_code == 200, answer.text
    return answer.json


def poll(program, codes):
    sent = {"grant_type": GRANT, "device_code": codes["device_code"], "client_id": "reflow"}
    return program.send("POST", "/device/token", data=sent)


def refusal_of(answer):
    """Return the word of OAuth that an answer refuses with."""
    return problem_of(answer, 400, "bad_request")["error"]


def type_code(browser, codes):
    """Type the code on the page and return the page that it leads to; its address is `browser.shown`."""
    answer = browser.submit(browser.page("/device"), "/device", code=codes["user_code"])
    assert answer.status_code == 303, answer.text
    browser.shown = answer.headers["Location"]
    page = parse(browser.get(browser.shown).text)
    page.attributes["address"] = browser.shown
    return page
