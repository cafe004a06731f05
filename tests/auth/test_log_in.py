"""The log-in page: success, refusals, redirects, and the end of sessions."""

import re
from datetime import timedelta

import pytest

from reflow_accounts.auth.models import UserSession
from reflow_accounts.database import now
from tests.helpers import rows

pytestmark = pytest.mark.postgresql_later

WRONG = "Email or password is not correct"


def test_user_logs_in_with_the_form(cast, client):
    page = client.page("/login")
    response = client.submit(page, "/login", email="ada@acme.example", password=cast.ada.password)
    assert (response.status_code, response.headers["Location"]) == (303, "/account/profile")
    assert "Ada Park" in client.page("/account/profile").text


@pytest.mark.parametrize("email", ["ADA@acme.example", "  ada@acme.example ", "Ada@ACME.Example"])
def test_address_is_normalized(cast, client, email):
    assert client.send("/login", email=email, password=cast.ada.password).status_code == 303


def test_refusals_look_the_same(app, cast, client):
    cast.ben.change(disabled_at=now())
    attempts = {
        "unknown": ("nobody@acme.example", cast.ada.password),
        "wrong": ("ada@acme.example", "wrong-password"),
        "disabled": ("ben@acme.example", cast.ben.password),
        "service account": ("acme-ci", ""),
        "service account, no address": ("", ""),
        "long": ("ada@acme.example", "x" * 2000),
        "strange": ("ada@acme.example\u2028", cast.ada.password),
    }
    seen = set()
    for email, password in attempts.values():
        response = client.send("/login", email=email, password=password)
        assert response.status_code == 422
        assert WRONG in response.text
        text = re.sub(r'value="[^"]*"', "", response.text)
        seen.add((text, tuple(sorted(name for name, _ in response.headers))))
    assert len(seen) == 1
    assert rows.count(app, UserSession) == 0


def test_password_is_compared_exactly_and_in_full(app, cast, client):
    from reflow_accounts.auth.passwords import hasher
    from reflow_accounts.database import db

    long = " Ünïcode " + "x" * 1010
    with app.app_context():
        cast.ada.row().password_hash = hasher().hash(long)
        db.session.commit()
    for variant in (long[:-1], long.strip(), long.lower(), long + "x" * 10):
        assert client.send("/login", email=cast.ada.email, password=variant).status_code == 422
    assert client.send("/login", email=cast.ada.email, password=long).status_code == 303


def test_page_keeps_the_address_and_not_the_password(cast, client):
    response = client.send("/login", email="ada@acme.example", password="not-this-one")
    assert "ada@acme.example" in response.text
    assert "not-this-one" not in response.text


def test_log_in_ends_the_previous_session_and_changes_the_cookie(app, cast, client):
    cast.ada.log_in(client)
    old = client.get_cookie("reflow").value
    cast.ben.log_in(client)
    assert client.get_cookie("reflow").value != old
    client.set_cookie("reflow", old)
    assert client.get("/account/profile").status_code == 303


def test_cookie_is_invalid_after_sign_out(cast, client):
    cast.ada.log_in(client)
    old = client.get_cookie("reflow").value
    page = client.page("/account/profile")
    response = client.submit(page, "/logout")
    assert (response.status_code, response.headers["Location"]) == (303, "/login")
    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert client.get("/account/profile").status_code == 303
    client.set_cookie("reflow", old)
    response = client.get("/account/profile")
    assert response.headers["Location"].startswith("/login?next=")
    assert "Your session ended" in client.get(response.headers["Location"]).text


@pytest.mark.parametrize("without_cookies", [False, True])
def test_signing_out_twice_leads_to_the_log_in_page(cast, client, without_cookies):
    cast.ada.log_in(client)
    tabs = [client.page("/account/profile") for _ in range(2)]
    client.submit(tabs[0], "/logout")
    if without_cookies:
        client.delete_cookie("reflow")
    response = client.submit(tabs[1], "/logout")
    assert (response.status_code, response.headers["Location"]) == (303, "/login")
    assert "Log in" in client.page("/login").text


def test_form_of_an_old_session_does_not_end_a_new_one(cast, client):
    cast.ada.log_in(client)
    old = client.page("/account/profile")
    client.send("/logout")
    cast.ada.log_in(client)
    assert client.submit(old, "/logout").status_code == 400
    assert client.get("/account/profile").status_code == 200


def test_sessions_are_independent(app, cast, client):
    other = app.test_client()
    cast.ada.log_in(client)
    cast.ada.log_in(other)
    client.send("/logout")
    assert other.get("/account/profile").status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"ended_at": timedelta(0)},
        {"expires_at": timedelta(0)},
        {"last_active_at": -timedelta(days=7)},
    ],
)
def test_session_ends_when_ended_expired_or_idle(app, cast, client, change):
    from reflow_accounts.database import db

    cast.ada.log_in(client)
    with app.app_context():
        session = db.session.scalars(db.select(UserSession)).one()
        for name, moment in change.items():
            setattr(session, name, now() + moment)
        db.session.commit()
    assert client.get("/account/profile").status_code == 303


def test_disabled_user_is_signed_out_at_once(cast, client):
    cast.ada.log_in(client)
    cast.ada.change(disabled_at=now())
    assert client.get("/account/profile").status_code == 303


def test_forged_cookie_is_refused(cast, client):
    cast.ada.log_in(client)
    value = client.get_cookie("reflow").value
    for forged in (value[:-2] + "xx", "x" + value, "", "a.b.c", value.partition(".")[0]):
        client.set_cookie("reflow", forged)
        assert client.get("/account/profile").status_code == 303


def test_cookie_is_http_only_and_same_site(cast, client):
    response = client.send("/login", email=cast.ada.email, password=cast.ada.password)
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert len(cookie) < 4096
