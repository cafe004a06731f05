"""The page of one key: facts, uses, and the attempts with it that were refused."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.api_keys.models import RefusedAttempt
from reflow_accounts.database import now
from reflow_accounts.teams.models import Rights
from tests.helpers import rows

KEYS = "/account/api-keys"
CURL = {"User-Agent": "curl/8.5.0"}
pytestmark = pytest.mark.postgresql_later


@pytest.fixture(params=["own", "account"])
def page_and_key(request, cast, client):
    """Ada's browser, the page with the keys, the page of a key, and the key."""
    ada = cast.ada.sign_in(client)
    if request.param == "own":
        key = cast.ada.key("CI")
        return ada, KEYS, f"{KEYS}/{key.id}", key
    key = cast.ci.key("CI")
    account = f"/account/teams/{cast.acme.id}/service-accounts/{cast.ci.id}"
    return ada, account, f"{account}/keys/{key.id}", key


def test_name_in_the_table_links_to_the_page_of_the_key(page_and_key, api):
    ada, table, path, key = page_and_key
    assert path in [link["href"] for link in ada.page(table).all("a")]
    api(key.secret, **CURL).get("/me")
    page = ada.page(path)
    for fact in (
        f"rfk_…{key.secret[-4:]}",
        "Works",
        "by a session",
        "Just now",
        "GET /api/v1/me",
        "Accepted",
    ):
        assert fact in page.text
    [more] = [link["href"] for link in page.all("a") if link.text == "All in Activity"]
    assert "GET /api/v1/me" in ada.page(more).text
    assert "Refused attempts" not in page.text


def test_refused_attempts_since_the_revocation_are_shown(page_and_key, cast, api):
    ada, _, path, key = page_and_key
    api(key.secret).get("/me")
    ada.send(f"{path}/revocation")
    assert "None since it was revoked." in ada.page(path).text
    for number in range(3):
        assert api(key.secret, **CURL).get(f"/keys/{number}").json["code"] == "revoked_key"
    text = ada.page(path).text
    assert "Refused 3 times since it was revoked" in text
    assert "GET /api/v1/keys/2 127.0.0.1 curl/8.5.0" in text
    ada.send(f"{path}/restoration")
    assert "Refused 3 times while it was revoked" in ada.page(path).text
    ada.send(f"{path}/revocation")
    assert "None since it was revoked." in ada.page(path).text


@pytest.mark.parametrize("reason", ["expired", "disabled", "unsubscribed"])
def test_refused_attempts_for_other_reasons_are_shown(cast, client, api, reason):
    ada = cast.ada.sign_in(client)
    key = cast.ci.key("CI", expires_at=now() + timedelta(days=1) if reason == "expired" else None)
    path = f"/account/teams/{cast.acme.id}/service-accounts/{cast.ci.id}/keys/{key.id}"
    at = now()
    if reason == "expired":
        at += timedelta(days=1)
    elif reason == "disabled":
        cast.ci.change(disabled_at=now())
    else:
        cast.acme.unsubscribe()
    with time_machine.travel(at, tick=False):
        assert api(key.secret).get("/me").status_code in (401, 403)
        text = ada.page(path).text
    assert {
        "expired": "Refused 1 time since it expired",
        "disabled": "Refused 1 time because its account was disabled",
        "unsubscribed": "Refused 1 time because the subscription was inactive",
    }[reason] in text


def test_oldest_refused_attempt_is_replaced_first_after_a_day(cast, client, api):
    key = cast.ada.key("CI")
    cast.acme.unsubscribe()
    start = now()
    for minute in range(25):
        with time_machine.travel(start + timedelta(minutes=minute)):
            api(key.secret).get("/teams", headers={"User-Agent": f"agent-{minute:02}"})
    with time_machine.travel(start + timedelta(days=2)):
        api(key.secret).get("/teams", headers={"User-Agent": "agent-25"})
    page = cast.ada.sign_in(client).page(f"/account/api-keys/{key.id}")
    assert [number for number in range(26) if f"agent-{number:02}" in page.text] == list(range(6, 26))


def test_refused_attempts_take_a_bounded_number_of_rows(app, cast, client, api):
    key = cast.ada.key()
    cast.ada.revoke(key)
    program = api(key.secret)
    for number in range(45):
        program.get(f"/keys/{number}")
    assert rows.count(app, RefusedAttempt) == 20
    text = cast.ada.sign_in(client).page(f"{KEYS}/{key.id}").text
    assert "Refused 45 times" in text
    assert "/keys/44 " in text
    assert "/keys/24 " not in text


def test_page_of_another_users_key_is_404(cast, client):
    other = cast.ben.key()
    cast.ada.sign_in(client).page(f"{KEYS}/{other.id}", 404)


def test_chart_of_30_days_is_described_in_words(page_and_key, api):
    ada, table, path, key = page_and_key
    assert "0 accepted and 0 refused requests" in ada.page(path).text
    for address in ("/me", "/me", "/nothing"):
        api(key.secret).get(address)
    assert "2 accepted and 1 refused requests" in ada.page(path).text
    for address in (table, path):
        [drawing] = [svg for svg in ada.page(address).all("svg") if svg["class"] == "spark"]
        accepted, refused = drawing.all("path")
        # The bar of today, from its top down: two thirds of the drawing, and one third above it.
        assert (accepted["d"], accepted["class"]) == ("M116 8.0h3v16.0h-3z", "")
        assert (refused["d"], refused["class"]) == ("M116 0.0h3v8.0h-3z", "refused")


@pytest.mark.parametrize(
    ("reason", "state", "note"),
    [
        ("disabled", "Refused: the service account is disabled", "acme-ci is disabled"),
        ("teamless", "Refused: you are not in a team", "You are not in a team"),
        ("unsubscribed", "Refused: the subscription is inactive", "subscription is inactive"),
    ],
)
def test_live_key_that_is_refused_is_not_shown_as_working(cast, client, reason, state, note):
    ada, account = cast.ada.sign_in(client), f"/account/teams/{cast.acme.id}/service-accounts/{cast.ci.id}"
    path = f"{account}/keys/{cast.ci.key().id}"
    if reason == "disabled":
        cast.ci.change(disabled_at=now())
    elif reason == "unsubscribed":
        cast.acme.unsubscribe()
    else:
        path = f"{KEYS}/{cast.ada.key().id}"
        cast.acme.give(cast.ben, Rights.ADMIN)
        ada.send(f"/account/teams/{cast.acme.id}/departure")
    page = ada.page(path)
    assert state in page.text
    assert [heading for heading in page.all("h3") if note in heading.text]
