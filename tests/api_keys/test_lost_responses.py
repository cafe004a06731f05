"""The outcome of a form whose response was lost, and the replacement of a key that was never shown."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import now
from tests.helpers.html import parse

pytestmark = pytest.mark.postgresql_later

NONCE = "0123456789abcdef-test"
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel", "ReflowForm": NONCE}
UNKNOWN = {"done": False, "key": None}


def outcome(client, nonce=NONCE):
    return client.get(f"/account/outcome?nonce={nonce}").json


def test_created_key_is_found_by_the_nonce_of_its_form(cast, client, app):
    ada = cast.ada.sign_in(client)
    assert outcome(ada) == UNKNOWN
    assert ada.send("/account/api-keys", headers=PANEL, name=" ", nonce="n").status_code == 422
    assert outcome(ada) == UNKNOWN
    response = ada.send("/account/api-keys", headers=PANEL, name="CI", nonce="n")
    [created] = [item["value"] for item in parse(response.text).all("input") if item["name"] == "created"]
    assert outcome(ada) == {"done": True, "key": created}
    assert outcome(ada, "another-nonce-of-16") == UNKNOWN
    assert outcome(cast.ben.sign_in(app.test_client())) == UNKNOWN


def test_other_changes_are_found_without_a_key(cast, client):
    key = cast.ada.key("CI")
    ada = cast.ada.sign_in(client)
    ada.send(f"/account/api-keys/{key.id}/revocation", headers=PANEL)
    assert outcome(ada) == {"done": True, "key": None}


def test_proof_without_the_change_is_not_reported_as_done(cast, client):
    ada = cast.ada.sign_in(client)
    with time_machine.travel(now() + timedelta(hours=1), tick=False):
        fields = {"name": " ", "nonce": "n", "proof_password": cast.ada.password}
        assert ada.send("/account/api-keys", headers=PANEL, **fields).status_code == 422
        assert outcome(ada) == UNKNOWN


def test_unseen_new_key_is_replaced(cast, client, api):
    lost_key = cast.ada.key("CI")
    ada = cast.ada.sign_in(client)
    path = f"/account/api-keys/{lost_key.id}/replacement"
    page, second_tab = ada.page(path), ada.page(path)
    secret = parse(ada.submit(page, path).text).with_id("secret").text
    assert api(secret).get("/me").json["authenticated_by"]["name"] == "CI"
    assert api(lost_key.secret).get("/me").json["code"] == "revoked_key"
    again = ada.submit(second_tab, path)
    assert (again.status_code, "already have a key named CI" in again.text) == (422, True)


@pytest.mark.parametrize("owner", ["ada", "ci"])
@pytest.mark.parametrize("state", ["revoked", "used"])
def test_key_that_was_replaced_or_used_is_not_said_to_be_unusable(cast, client, api, owner, state):
    """The address of the question is in the history of the browser."""
    person = getattr(cast, owner)
    key = person.key("CI")
    if state == "used":
        api(key.secret).get("/me")
    else:
        cast.ada.sign_in(client).send(f"/account/api-keys/{key.id}/replacement", nonce=NONCE)
    response = cast.ada.sign_in(client).get(f"/account/api-keys/{key.id}/replacement")
    assert response.status_code == 303
    account = f"/account/teams/{cast.acme.id}/service-accounts/{cast.ci.id}/keys"
    keys_url = "/account/api-keys" if owner == "ada" else account
    assert response.headers["Location"] == f"{keys_url}/{key.id}"
    assert client.page(f"{keys_url}/{key.id}").with_id("heading").text.startswith("CI")


def test_unseen_rotated_key_is_replaced(cast, client, api):
    old_key = cast.ada.key("CI")
    lost_key = api(cast.ada.session()).post(f"/keys/{old_key.id}/rotation", {"overlap": 3600}).json
    ada = cast.ada.sign_in(client)
    path = f"/account/api-keys/{lost_key['id']}/replacement"
    secret = parse(ada.submit(ada.page(path), path).text).with_id("secret").text
    assert api(secret).get("/me").json["authenticated_by"]["name"] == "CI"
    assert api(old_key.secret).get("/me").status_code == 200
    [row] = ada.page("/account/api-keys").all("tbody")[0].all("tr")
    assert f"Previous key rfk_…{old_key.secret[-4:]} works until" in row.text


def test_expired_new_key_is_not_replaced(cast, client):
    lost_key = cast.ada.key("CI", expires_at=now() + timedelta(minutes=1))
    ada = cast.ada.sign_in(client)
    path = f"/account/api-keys/{lost_key.id}/replacement"
    dialog = ada.page(path)
    with time_machine.travel(now() + timedelta(minutes=2)):
        refused = ada.submit(dialog, path)
    assert refused.status_code == 422
    assert "Create another key" in refused.text
    assert "Choose a time in the future" in refused.text


def test_canary_is_replaced_by_a_canary(cast, client, api):
    canary = api(cast.ada.session()).post("/keys", {"name": "bait", "canary": True}).json
    ada = cast.ada.sign_in(client)
    path = f"/account/api-keys/{canary['id']}/replacement"
    response = ada.submit(ada.page(path), path)
    secret = parse(response.text).with_id("secret").text
    assert api(secret).get("/me").json["code"] == "unknown_key"
    assert "It is a canary: it opens nothing" in parse(response.text).text


def test_unseen_key_of_a_service_account_is_replaced_on_the_own_tab(cast, client, api):
    lost_key = cast.ci.key("deploy")
    ada = cast.ada.sign_in(client)
    path = f"/account/api-keys/{lost_key.id}/replacement"
    response = ada.submit(ada.page(path), path)
    secret = parse(response.text).with_id("secret").text
    assert api(secret).get("/me").json["user"]["id"] == cast.ci.id
