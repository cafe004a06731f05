"""CSRF protection: the token and Sec-Fetch-Site (OWASP ASVS 5.0, 3.5)."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import now
from tests.helpers import rows
from tests.helpers.html import parse

pytestmark = pytest.mark.postgresql_later

UNSAFE = [
    ("/login", {"email": "ada@acme.example", "password": "reflow-demo-password"}),
    ("/logout", {}),
    ("/account/profile", {"full_name": "Mallory", "appearance": "dark"}),
    ("/account/api-keys", {"name": "stolen", "nonce": "n"}),
    ("/account/api-keys/{key}/revocation", {}),
]


def unsafe_requests(cast):
    key = cast.ada.key("CI")
    return [(path.format(key=key.id), fields) for path, fields in UNSAFE], key


@pytest.mark.parametrize("number", range(len(UNSAFE)))
@pytest.mark.parametrize("token", [None, "", "x", "another's"])
def test_form_without_token_is_refused(app, cast, client, api, number, token):
    (all_paths, key) = unsafe_requests(cast)
    path, fields = all_paths[number]
    cast.ada.sign_in(client)
    before = rows.audit_events(app)
    if token == "another's":
        token = app.test_client().get("/login") and app.test_client().csrf_token()[:-1] + "x"
    data = fields if token is None else fields | {"csrf_token": token}
    # The log-in page is shown anew, with the reason.
    assert client.post(path, data=data).status_code == (303 if path == "/login" else 400)
    assert rows.audit_events(app) == before
    assert api(key.secret).get("/me").status_code == 200
    assert client.get("/account/profile").status_code == 200


@pytest.mark.parametrize("number", range(len(UNSAFE)))
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_form_from_another_site_is_refused(app, cast, client, number, site):
    path, fields = unsafe_requests(cast)[0][number]
    cast.ada.sign_in(client)
    before = rows.audit_events(app)
    assert client.send(path, headers={"Sec-Fetch-Site": site}, **fields).status_code == 400
    assert rows.audit_events(app) == before


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_same_origin_requests_are_accepted(cast, client, site):
    headers = {"Sec-Fetch-Site": site}
    response = client.send("/login", headers=headers, email=cast.ada.email, password=cast.ada.password)
    assert response.status_code == 303


@pytest.mark.parametrize(
    ("referrer", "location"),
    [
        ("https://localhost/login", "/account/profile"),
        ("https://evil.example/login", "/login"),
        ("http://localhost/login", "/login"),
        ("", "/login"),
    ],
)
def test_form_over_https_needs_our_referrer(cast, client, referrer, location):
    client.base_url = "https://localhost"
    fields = {"email": cast.ada.email, "password": cast.ada.password}
    assert client.send("/login", headers={"Referer": referrer}, **fields).location == location


def test_support_pages_check_csrf(app, cast, client):
    cast.sam.sign_in(client)
    path = f"/support/teams/{cast.acme.id}/subscription"
    before = rows.audit_events(app)
    assert client.post(path, data={"active": "false", "reason": "x", "seen": "1"}).status_code == 400
    assert (
        client.send(path, headers={"Sec-Fetch-Site": "cross-site"}, active="false", reason="x").status_code
        == 400
    )
    assert rows.audit_events(app) == before


@pytest.mark.parametrize("path", ["/login", "/login/passkey"])
def test_log_in_form_with_an_old_token_is_shown_again_with_a_reason(cast, client, path):
    client.get("/login")
    response = client.post(f"{path}?next=/account/team", data={"email": cast.ada.email, "csrf_token": "old"})
    assert response.headers["Location"] == "/login?next=/account/team"
    assert "This page was open for too long. Log in again." in client.get(response.headers["Location"]).text


def test_form_with_an_old_token_says_that_its_page_is_out_of_date(client):
    response = client.post("/signup", data={"email": "eve@initech.example", "csrf_token": "old"})
    page = parse(response.text)
    assert (response.status_code, page.with_id("heading").text) == (400, "This page is out of date")
    assert "Nothing was changed. Go back, reload and try again." in page.text


def test_htmx_form_of_an_old_session_gets_a_new_token(cast, client):
    cast.ada.sign_in(client)
    headers = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}
    response = client.post("/account/api-keys", data={"name": "x"}, headers=headers)
    assert (response.status_code, response.headers["HX-Reswap"]) == (400, "afterbegin")
    [note] = [part for part in parse(response.text).all("div") if part["data-token"]]
    fields = {"name": "x", "nonce": "n", "csrf_token": note["data-token"]}
    assert client.post("/account/api-keys", data=fields, headers=headers).status_code == 201


def test_token_of_another_session_is_refused(app, cast, client):
    cast.ada.sign_in(client)
    other = app.test_client()
    with other.session_transaction() as session:
        session["csrf_token"] = "f" * 40
    response = client.post("/account/profile", data={"full_name": "M", "csrf_token": other.csrf_token()})
    assert response.status_code == 400


def test_token_is_valid_as_long_as_its_session(cast, client):
    with time_machine.travel(now(), tick=False) as clock:
        token = cast.ada.sign_in(client).csrf_token()
        clock.shift(timedelta(days=6))
        form = {"full_name": "Ada", "appearance": "dark", "csrf_token": token}
        assert client.post("/account/profile", data=form).status_code == 303


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_get_requests_change_nothing(app, cast, client, method):
    key = cast.ada.key("CI")
    cast.ada.sign_in(client)
    before = rows.audit_events(app)
    for path in (
        "/account/api-keys/new",
        f"/account/api-keys/{key.id}/revocation",
        "/account/profile",
        "/login",
    ):
        client.open(path, method=method)
    assert client.open("/logout", method=method).status_code in (200, 405)
    assert rows.audit_events(app) == before
    assert client.get("/account/profile").status_code == 200
