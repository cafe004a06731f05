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
    browsers = []
    for _ in range(CLICKS):
        tab = app.test_client()
        tab.set_cookie("reflow", cookie)
        browsers.append(
            lambda path, tab=tab, **fields: tab.post(path, data=fields | {"csrf_token": token}, headers=PANEL)
        )
    return browsers


def send_from_all_tabs(tabs, path: str, fields: Any) -> list[Any]:
    """Send a form from every tab at the same time; `fields` returns the fields for a tab's number."""
    barrier = threading.Barrier(len(tabs))

    def click(number: int) -> Any:
        barrier.wait()
        return tabs[number](path, **fields(number))

    with ThreadPoolExecutor(len(tabs)) as threads:
        return list(threads.map(click, range(len(tabs))))


def test_form_sent_five_times_at_once_creates_one_key(app, tabs):
    responses = send_from_all_tabs(tabs, "/account/api-keys", lambda number: {"name": "CI", "nonce": "same"})
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409, 409]
    assert sum(bool(SECRET.search(response.text)) for response in responses) == 1
    assert rows.count(app, ApiKey) == 1


def test_form_sent_with_different_names_creates_one_key(app, tabs):
    responses = send_from_all_tabs(
        tabs, "/account/api-keys", lambda number: {"name": f"CI {number}", "nonce": "same"}
    )
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409, 409]
    assert rows.count(app, ApiKey) == 1


def test_name_sent_from_five_forms_creates_one_key(app, tabs):
    responses = send_from_all_tabs(
        tabs, "/account/api-keys", lambda number: {"name": "CI", "nonce": f"form {number}"}
    )
    assert sorted(response.status_code for response in responses) == [201, 422, 422, 422, 422]
    assert rows.count(app, ApiKey) == 1


def test_key_revoked_five_times_at_once_is_revoked_once(app, cast, tabs):
    key = cast.ada.key("CI")
    responses = send_from_all_tabs(tabs, f"/account/api-keys/{key.id}/revocation", lambda number: {})
    assert {response.status_code for response in responses} == {200}
    assert [action for action, *_ in rows.audit_events(app)].count("api_key.revoked") == 1


def test_subscription_changed_five_times_at_once_is_changed_once(app, cast, client):
    cast.sam.sign_in(client)
    token, cookie = client.csrf_token(), client.get_cookie("reflow").value

    def send(path: str, **fields: str) -> Any:
        tab = app.test_client()
        tab.set_cookie("reflow", cookie)
        return tab.post(path, data=fields | {"csrf_token": token})

    path = f"/support/teams/{cast.solo.id}/subscription"
    responses = send_from_all_tabs(
        [send] * CLICKS, path, lambda number: {"active": "true", "reason": f"r{number}", "seen": "0"}
    )
    assert {response.status_code for response in responses} <= {303, 409}
    assert rows.audit_events(app).count(("subscription.activated", "Sam Hale", "Solo")) == 1
