"""Double clicks and parallel tabs: one form makes one key, and a name belongs to one key."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from reflow_accounts.api_keys.models import ApiKey
from tests.helpers import rows

CLICKS = 5
SECRET = re.compile(r"rfk_[0-9A-Za-z]{49}")
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}


@pytest.fixture
def tabs(app, cast, client):
    """Several browsers with Ada's cookie, each for a thread of its own."""
    cast.ada.sign_in(client)
    token, cookie = client.csrf_token(), client.get_cookie("reflow").value
    made = []
    for _ in range(CLICKS):
        tab = app.test_client()
        tab.set_cookie("reflow", cookie)
        made.append(
            lambda path, tab=tab, **fields: tab.post(path, data=fields | {"csrf_token": token}, headers=PANEL)
        )
    return made


def at_once(tabs, path: str, fields: Any) -> list[Any]:
    """Send a form from every tab in the same moment; `fields` makes them from the tab's number."""
    barrier = threading.Barrier(len(tabs))

    def click(number: int) -> Any:
        barrier.wait()
        return tabs[number](path, **fields(number))

    with ThreadPoolExecutor(len(tabs)) as threads:
        return list(threads.map(click, range(len(tabs))))


def test_one_form_sent_five_times_at_once_makes_one_key(app, tabs):
    answers = at_once(tabs, "/account/api-keys", lambda number: {"name": "CI", "nonce": "same"})
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert sum(bool(SECRET.search(answer.text)) for answer in answers) == 1
    assert rows.count(app, ApiKey) == 1


def test_one_form_with_different_names_makes_one_key(app, tabs):
    answers = at_once(tabs, "/account/api-keys", lambda number: {"name": f"CI {number}", "nonce": "same"})
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert rows.count(app, ApiKey) == 1


def test_one_name_from_five_forms_makes_one_key(app, tabs):
    answers = at_once(tabs, "/account/api-keys", lambda number: {"name": "CI", "nonce": f"form {number}"})
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422, 422]
    assert rows.count(app, ApiKey) == 1


def test_one_bin_clicked_five_times_revokes_once(app, cast, tabs):
    key = cast.ada.key("CI")
    answers = at_once(tabs, f"/account/api-keys/{key.id}/revocation", lambda number: {})
    assert {answer.status_code for answer in answers} == {200}
    assert [action for action, *_ in rows.acts(app)].count("api_key.revoked") == 1


def test_subscription_changed_by_two_at_once_is_changed_once(app, cast, client):
    cast.sam.sign_in(client)
    token, cookie = client.csrf_token(), client.get_cookie("reflow").value

    def send(path: str, **fields: str) -> Any:
        tab = app.test_client()
        tab.set_cookie("reflow", cookie)
        return tab.post(path, data=fields | {"csrf_token": token})

    path = f"/support/teams/{cast.solo.id}/subscription"
    answers = at_once(
        [send] * CLICKS, path, lambda number: {"active": "true", "reason": f"r{number}", "seen": "0"}
    )
    assert {answer.status_code for answer in answers} <= {303, 409}
    assert rows.acts(app).count(("subscription.activated", "Sam Hale", "Solo")) == 1
