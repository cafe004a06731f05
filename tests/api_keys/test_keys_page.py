"""The API Keys tab without JavaScript and with htmx: make, reveal once, list, filter, revoke."""

import re
from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import now
from tests.api_keys.usage import use_log
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.html import parse

pytestmark = pytest.mark.postgresql_later

KEYS, NEW = "/account/api-keys", "/account/api-keys/new"
DIALOG = {"HX-Request": "true", "HX-Target": "div#modal"}
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}
SECRET = re.compile(r"rfk_[0-9A-Za-z]{49}")


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


def table_of(page):
    """Return the rows of the table: the texts of their cells."""
    [body] = page.all("tbody") or [None]
    return (
        [[cell.text for cell in row.children if not isinstance(cell, str)] for row in body.all("tr")]
        if body
        else []
    )


def test_empty_tab_explains_what_keys_are_for(ada):
    assert "No API keys yet" in ada.page(KEYS).text


def test_key_is_created_with_the_form_and_shown_once(ada, api):
    response = ada.submit(ada.page(NEW), KEYS, name="CI")
    assert response.status_code == 200
    page = parse(response.text)
    [field] = page.all("textarea")
    secret = field.text
    assert SECRET.fullmatch(secret)
    [download] = [link for link in page.all("a") if link["download"]]
    assert (download["download"], download["href"]) == (
        "reflow.key",
        f"data:application/octet-stream,%23%20server%3A%20http%3A//localhost%0A{secret}%0A",
    )
    assert api(secret).get("/me").json["authenticated_by"]["name"] == "CI"
    assert not SECRET.search(ada.get(KEYS).text)
    assert secret not in str(ada.get_cookie("reflow").value)


def test_key_created_in_a_dialog_clears_the_filter_in_the_address(ada):
    response = ada.submit(ada.page(NEW), KEYS, headers=PANEL, name="CI")
    assert response.headers["HX-Replace-Url"] == KEYS


@pytest.mark.parametrize("headers", [None, PANEL])
def test_form_sent_again_creates_no_second_key_and_shows_no_secret(app, ada, headers):
    form = ada.page(NEW, headers=headers and DIALOG)
    first = ada.submit(form, KEYS, headers=headers, name="CI")
    for name in ("CI", "another"):
        again = ada.submit(form, KEYS, headers=headers, name=name)
        assert again.status_code == 409
        assert "already created" in again.text
        assert SECRET.search(first.text).group() not in again.text
    assert rows.count(app, ApiKey) == 1


def test_table_is_updated_behind_the_dialog_with_the_new_key(ada):
    form = ada.page(NEW, headers=DIALOG)
    assert form.all("dialog")
    response = ada.submit(form, KEYS, headers=PANEL, name="CI")
    assert response.status_code == 201
    fragment = parse(response.text)
    assert fragment.with_id("api-keys-table")["hx-swap-oob"] == "true"
    assert table_of(fragment)[0][0].startswith("CI")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Enter a name for this key"),
        ("   ", "Enter a name for this key"),
        ("x" * 65, "Use at most 64 characters"),
        ("a\u202eb", "Leave out"),
        ("taken", "You already have a key named taken"),
        ("TAKEN", "You already have a key named taken"),
    ],
)
@pytest.mark.parametrize("headers", [None, PANEL])
def test_bad_name_is_explained_and_kept_in_the_form(app, cast, ada, name, sentence, headers):
    cast.ada.key("taken")
    form = ada.page(NEW, headers=headers and DIALOG)
    response = ada.submit(form, KEYS, headers=headers, name=name)
    assert response.status_code == 422
    page = parse(response.text)
    [field] = [item for item in page.all("input") if item["name"] == "name"]
    assert (field["value"], field["aria-invalid"]) == (name, "true")
    described = [page.with_id(part) for part in field["aria-describedby"].split()]
    assert any(sentence in item.text for item in described)
    assert rows.count(app, ApiKey) == 1
    if headers is None:
        assert page.all("title")[0].text.startswith("Error: ")
    assert ada.submit(page, KEYS, headers=headers, name="good").status_code in (200, 201)


@pytest.mark.parametrize("nonce", ["", "x" * 65, "a\0b"])
def test_form_without_a_nonce_creates_no_key(app, ada, nonce):
    assert ada.send(KEYS, name="CI", nonce=nonce).status_code in (400, 422)
    assert rows.count(app, ApiKey) == 0


def test_table_shows_name_last_use_count_and_day(app, cast, ada, api):
    used, unused = cast.ada.key("used"), cast.ada.key("unused")
    use_log.append_many(app, use_log.key_number(app, used.id), 1000)
    api(used.secret).get("/nothing")
    page = ada.page(KEYS)
    headings = [cell.text for cell in page.all("th") if cell["scope"] == "col"]
    assert headings[:4] == ["Name", "Last used", "Number of times used", "Created"]
    first, second = table_of(page)
    assert first[1:4] == ["Never", "0", "Today"]
    assert second[1:4] == ["Just now", "1,001", "Today"]
    assert f"rfk_…{unused.secret[-4:]}" in first[0]


@pytest.mark.parametrize(
    ("zone", "at", "words"),
    [
        ("UTC", "2027-03-09T11:00:00Z", "23 hours ago"),
        ("UTC", "2027-03-09T09:00:00Z", "Yesterday"),
        ("UTC", "2027-03-08T23:30:00Z", "2 days ago"),
        ("Europe/Berlin", "2027-03-08T23:30:00Z", "Yesterday"),
        ("UTC", "2027-03-05T23:30:00Z", "5 days ago"),
    ],
)
def test_last_use_is_shown_in_days_of_the_users_time_zone(cast, client, api, zone, at, words):
    with time_machine.travel("2027-03-01T00:00:00Z"):
        key = cast.ada.key("CI")
        cast.ada.change(time_zone=zone)
    with time_machine.travel(at):
        api(key.secret).get("/me")
    with time_machine.travel("2027-03-10T10:00:00Z"):
        [row] = table_of(cast.ada.sign_in(client).page(KEYS))
    assert row[1] == words


def test_yesterday_is_right_after_a_day_of_25_hours(cast, client, api):
    key = cast.ada.key("CI")
    cast.ada.change(time_zone="Europe/Berlin")
    with time_machine.travel("2027-10-30T22:10:00Z"):
        api(key.secret).get("/me")
    with time_machine.travel("2027-10-31T22:15:00Z"):
        [row] = table_of(cast.ada.sign_in(client).page(KEYS))
    assert row[1] == "Yesterday"


def test_names_are_text_and_not_markup(cast, ada):
    name = "<b>&\"'</b>{{ 7*7 }}"
    key = cast.ada.key(name)
    for path in (KEYS, f"{KEYS}/{key.id}/revocation", "/account/activity"):
        response = ada.get(path)
        assert "<b>&" not in response.text
        assert name in parse(response.text).text
    assert f"Revoke {name}" in [button["aria-label"] for button in ada.page(KEYS).all("button")]


def test_bin_asks_before_it_revokes(app, cast, ada, api):
    key = cast.ada.key("Build 7")
    api(key.secret).get("/me")
    path = f"{KEYS}/{key.id}/revocation"
    confirmation = ada.submit(ada.page(KEYS), path)
    assert "Revoke Build 7?" in parse(confirmation.text).text
    assert api(key.secret).get("/me").status_code == 200
    response = ada.submit(parse(confirmation.text), path)
    assert (response.status_code, response.headers["Location"]) == (303, KEYS)
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")
    page = ada.page(KEYS)
    assert table_of(page) == []
    assert "Build 7" in page.text
    assert "Build 7" not in ada.page(KEYS).with_id("api-keys-table").text


def test_revocation_in_a_dialog_closes_it_and_replaces_the_table(cast, ada):
    key, other = cast.ada.key("CI"), cast.ada.key("other")
    path = f"{KEYS}/{key.id}/revocation"
    dialog = ada.page(path, headers=DIALOG)
    assert dialog.all("dialog")[0]["role"] == "alertdialog"
    response = ada.submit(dialog, path, headers=PANEL)
    assert response.status_code == 200
    assert "Key CI revoked." in response.headers["HX-Trigger"]
    assert [row[0].split()[0] for row in table_of(parse(response.text))] == [other.name]


@pytest.mark.parametrize("headers", [None, PANEL])
def test_revoking_twice_has_the_same_response(app, cast, ada, headers):
    key = cast.ada.key("CI")
    path = f"{KEYS}/{key.id}/revocation"
    responses = [ada.send(path, headers=headers) for _ in range(3)]
    assert len({response.status_code for response in responses}) == 1
    assert [action for action, *_ in rows.audit_events(app)].count("api_key.revoked") == 1
    assert ada.get(path, headers=headers).status_code in (200, 303)


def test_many_keys_are_paginated_and_can_be_filtered(cast, ada):
    for number in range(52):
        cast.ada.key(f"key {number:02}")
    page = ada.page(KEYS)
    assert len(table_of(page)) == 50
    [older] = [link for link in page.all("a") if link.text == "Older"]
    assert [row[0].partition(" rfk_")[0] for row in table_of(ada.page(older["href"]))] == ["key 01", "key 00"]
    filtered = parse(ada.submit(page, KEYS, name="Y 0").text)
    assert len(table_of(filtered)) == 10
    assert table_of(ada.page(f"{KEYS}?name=%25")) == []
    assert "No key has a name with" in ada.page(f"{KEYS}?name=zzz").text


def test_last_page_that_became_empty_links_to_the_newest_keys(cast, ada):
    for number in range(51):
        cast.ada.key(f"key {number:02}")
    [older] = [link["href"] for link in ada.page(KEYS).all("a") if link.text == "Older"]
    [row] = ada.page(older).all("tbody")[0].all("tr")
    [path] = [form["action"] for form in row.all("form") if form["action"].endswith("/revocation")]
    page = parse(ada.submit(ada.page(f"{path}?{older.partition('?')[2]}"), path, headers=PANEL).text)
    assert "There are no older keys. Show the newest keys" in page.with_id("api-keys-table").text
    assert "No key has a name" not in page.text


@pytest.mark.parametrize("headers", [None, PANEL])
def test_expired_key_is_revoked_without_an_offer_to_restore_it(cast, ada, headers):
    key = cast.ada.key("CI", expires_at=now() + timedelta(hours=1))
    path = f"{KEYS}/{key.id}/revocation"
    with time_machine.travel(now() + timedelta(hours=2)):
        confirmation = ada.page(path)
        assert "This key has expired: requests with it are refused already" in confirmation.text
        response = ada.submit(confirmation, path, headers=headers)
        page = parse(response.text) if headers else ada.page(KEYS)
        assert "CI no longer works." in page.text
        assert "Restore key" not in page.text


@pytest.mark.parametrize("query", ["cursor=x", "cursor=%00", "name=%00", "created=%00"])
def test_bad_query_is_refused(ada, query):
    assert ada.get(f"{KEYS}?{query}").status_code in (400, 422)
