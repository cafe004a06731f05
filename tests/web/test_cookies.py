"""The session cookie: signature, lifetime and end."""

from datetime import timedelta
from email.utils import parsedate_to_datetime
from http.cookies import SimpleCookie

import pytest
from flask.sessions import SecureCookieSessionInterface

from reflow_accounts.database import now

pytestmark = pytest.mark.postgresql_later


def test_sha1_signed_cookie_is_refused(app, cast, client):
    """Flask signs with SHA-1 by default (OWASP ASVS 5.0, 11.4.3)."""
    cast.ada.sign_in(client)
    with client.session_transaction() as session:
        content = dict(session)
    assert client.get("/account/profile").status_code == 200
    sha1_cookie = SecureCookieSessionInterface().get_signing_serializer(app).dumps(content)
    client.set_cookie("reflow", sha1_cookie)
    assert client.get("/account/profile").status_code == 303


def test_cookie_lasts_as_long_as_a_session(cast, client):
    response = client.send("/login", email=cast.ada.email, password=cast.ada.password)
    cookie = SimpleCookie("\n".join(response.headers.getlist("Set-Cookie")))["reflow"]
    lifetime = parsedate_to_datetime(cookie["expires"]) - now()
    assert timedelta(days=30) - timedelta(minutes=1) < lifetime <= timedelta(days=30)
    client.get("/account/profile")
    assert "Set-Cookie" not in client.get("/account/profile").headers


def test_cookie_is_empty_after_sign_out(cast, client):
    cast.ada.sign_in(client)
    client.get("/account/profile")
    client.send("/logout")
    with client.session_transaction() as session:
        assert dict(session) == {}
