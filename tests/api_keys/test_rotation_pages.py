"""Rotation on the pages, without JavaScript and with htmx, of one's own keys and a service account's."""

import re
from datetime import timedelta
from urllib.parse import unquote

import pytest
import time_machine

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import now
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.html import parse

pytestmark = pytest.mark.postgresql_later

DIALOG = {"HX-Request": "true", "HX-Target": "div#modal"}
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}
SECRET = re.compile(r"rfk_[0-9A-Za-z]{49}")


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


@pytest.fixture(params=["own", "account"])
def page_and_key(request, cast):
    """The page with the table, the address below which the keys are, and a key."""
    if request.param == "own":
        return "/account/api-keys", "/account/api-keys", cast.ada.key("CI")
    page = f"/account/teams/{cast.acme.id}/service-accounts/{cast.ci.id}"
    return page, f"{page}/keys", cast.ci.key("CI")


def rotate(ada, page_and_key, headers=None, overlap="3600"):
    _, keys, key = page_and_key
    form = ada.page(f"{keys}/{key.id}/rotation", headers=headers and DIALOG)
    return ada.submit(form, f"{keys}/{key.id}/rotation", headers=headers, overlap=overlap)


def table_rows(page):
    return page.with_id("api-keys-table").all("tbody")[0].all("tr")


@pytest.mark.parametrize("headers", [None, PANEL])
def test_button_rotates_a_key_and_shows_the_new_secret_once(ada, api, page_and_key, headers):
    page, _, key = page_and_key
    assert "Rotate CI" in [button["aria-label"] for button in ada.page(page).all("button")]
    response = rotate(ada, page_and_key, headers)
    assert response.status_code == (201 if headers else 200)
    revealed = parse(response.text)
    assert f"The previous key (rfk_…{key.secret[-4:]}) works until" in revealed.text
    [download] = [link for link in revealed.all("a") if link["download"]]
    assert download["download"] == "reflow.key"
    assert unquote(download["href"]).partition(",")[2].startswith("# server: http://localhost\nrfk_")
    [secret] = set(SECRET.findall(response.text))
    for value in (secret, key.secret):
        assert api(value).get("/me").status_code == 200
    assert secret not in ada.get(page).text


def test_table_has_one_row_for_both_keys_with_exact_uses_of_each(ada, api, page_and_key):
    page, _, key = page_and_key
    api(key.secret).get("/me")
    rotate(ada, page_and_key)
    [row] = table_rows(ada.page(page))
    assert f"Previous key rfk_…{key.secret[-4:]} works until" in row.text
    assert "Used 1 time." in row.text
    cells = [cell.text for cell in row.all("td")]
    assert cells[:2] == ["Never", "0"]


def test_previous_key_can_be_revoked_at_once(ada, api, page_and_key):
    page, keys, key = page_and_key
    rotate(ada, page_and_key)
    [end] = [link for link in ada.page(page).all("a") if link.text.startswith("End it now")]
    confirmation = ada.page(end["href"])
    assert "Revoke the previous key of CI?" in confirmation.text
    ada.submit(confirmation, f"{keys}/{key.id}/revocation")
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")
    after = ada.page(page)
    assert "Previous key of CI no longer works." in after.text
    [row] = table_rows(after)
    assert "Previous key" not in row.text


def test_bin_revokes_the_new_key_and_keeps_the_previous_one(ada, api, page_and_key):
    page, keys, key = page_and_key
    secret = SECRET.search(rotate(ada, page_and_key).text).group()
    new = api(secret).get("/me").json["authenticated_by"]["id"]
    confirmation = ada.page(f"{keys}/{new}/revocation")
    assert f"The previous key (rfk_…{key.secret[-4:]}) works on until" in confirmation.text
    ada.submit(confirmation, f"{keys}/{new}/revocation")
    [row] = table_rows(ada.page(page))
    assert f"rfk_…{key.secret[-4:]}" in row.text
    assert [button["aria-label"] for button in row.all("button")] == ["Revoke CI"]
    assert api(key.secret).get("/me").status_code == 200


def test_ended_key_is_not_in_the_row(ada, page_and_key):
    page, *_ = page_and_key
    response = rotate(ada, page_and_key, overlap="0")
    assert "no longer works" in parse(response.text).text
    [row] = table_rows(ada.page(page))
    assert "Previous key" not in row.text


@pytest.mark.parametrize("headers", [None, PANEL])
def test_form_sent_twice_rotates_once(app, ada, page_and_key, headers):
    _, keys, key = page_and_key
    path = f"{keys}/{key.id}/rotation"
    form = ada.page(path, headers=headers and DIALOG)
    first = ada.submit(form, path, headers=headers)
    again = ada.submit(form, path, headers=headers)
    assert again.status_code == 409
    assert "already rotated" in again.text
    assert SECRET.search(first.text).group() not in again.text
    assert rows.count(app, ApiKey) == 2


@pytest.mark.parametrize("overlap", ["", "-1", "60", "x", "604801"])
def test_overlap_not_offered_is_refused(app, ada, page_and_key, overlap):
    _, keys, key = page_and_key
    response = ada.send(f"{keys}/{key.id}/rotation", overlap=overlap, nonce="n")
    assert response.status_code == 422
    assert "Choose how long the previous key works" in response.text
    assert rows.count(app, ApiKey) == 1


def test_form_with_an_invalid_nonce_is_out_of_date(app, ada, page_and_key):
    _, keys, key = page_and_key
    response = ada.send(f"{keys}/{key.id}/rotation", overlap="0", nonce="n" * 65)
    assert response.status_code == 422
    assert "This form is out of date. Close it and open it again" in response.text
    assert rows.count(app, ApiKey) == 1


def test_revoked_or_replaced_key_is_explained(cast, app, ada):
    revoked, ended = cast.ada.key("revoked"), cast.ada.key("ended")
    cast.ada.revoke(revoked)
    path = f"/account/api-keys/{revoked.id}/rotation"
    assert "was already revoked" in ada.page(path).text
    assert ada.send(path, overlap="0", nonce="n").status_code == 410
    ada.send(f"/account/api-keys/{ended.id}/rotation", overlap="0", nonce="m")
    again = ada.send(f"/account/api-keys/{ended.id}/rotation", overlap="0", nonce="o")
    assert (again.status_code, "already replaced by" in again.text) == (409, True)


@pytest.mark.parametrize("end", ["revoked", "rotated"])
def test_refused_rotation_shows_the_current_table_behind_the_dialog(ada, cast, end):
    """The key ended in another tab, while this dialog was open."""
    key = cast.ada.key("CI")
    path = f"/account/api-keys/{key.id}/rotation"
    dialog = ada.page(path, headers=DIALOG)
    if end == "revoked":
        cast.ada.revoke(key)
    else:
        ada.send(path, overlap="3600", nonce="other tab")
    refused = ada.submit(dialog, path, headers=PANEL)
    assert refused.headers["HX-Replace-Url"] == "/account/api-keys"
    page = parse(refused.text)
    assert page.with_id("api-keys-table")["hx-swap-oob"] == "true"
    assert f"rotate-{key.id}" not in refused.text


def test_refused_rotation_names_the_new_key_as_the_table_does(ada, cast):
    key = cast.ada.key("CI")
    path = f"/account/api-keys/{key.id}/rotation"
    [secret] = set(SECRET.findall(ada.send(path, overlap="3600", nonce="m").text))
    refused = parse(ada.send(path, overlap="0", nonce="o").text)
    assert f"already replaced by rfk_…{secret[-4:]}." in refused.text


def test_key_that_expired_meanwhile_is_offered_no_rotation(cast, ada):
    key = cast.ada.key("CI", expires_at=now() + timedelta(hours=1))
    with time_machine.travel(now() + timedelta(hours=2)):
        page = ada.page(f"/account/api-keys/{key.id}/rotation", 409)
    assert "This API key has expired. Create a new one." in page.text


def test_canary_or_replaced_key_is_offered_no_rotation(cast, ada):
    replaced, canary = cast.ada.key("replaced"), cast.ada.key("trap", is_canary=True)
    path = "/account/api-keys/{}/rotation"
    ada.send(path.format(replaced.id), overlap="3600", nonce="n")
    for key, reason in ((replaced, "was already replaced by"), (canary, "A canary key cannot be rotated.")):
        page = ada.page(path.format(key.id), 409)
        assert reason in page.text
        assert not page.all("select")


def test_inactive_subscription_stops_rotation(app, cast, ada, page_and_key):
    _, keys, key = page_and_key
    cast.acme.unsubscribe()
    for response in (
        ada.get(f"{keys}/{key.id}/rotation"),
        ada.send(f"{keys}/{key.id}/rotation", overlap="0", nonce="n"),
    ):
        assert response.status_code == 403
        assert "API keys need an active subscription" in parse(response.text).text
    assert rows.count(app, ApiKey) == 1
