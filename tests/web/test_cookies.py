"""The session cookie: signature, lifetime and end."""

from datetime import timedelta
from email.utils import parsedate_to_datetime
from http.cookies import SimpleCookie

import pytest
from flask.sessions import SecureCookieSessionInterface

from reflow_accounts.database import now

pytestmark = pytest.mark.postgresql_later


def test_sha1_signed_cookie_is_refused(app, cast, client):
    """Flask's own is SHA-1 (OWASP ASVS 5.0, 11.4.3)."""
    cast.ada.sign_in(client)
    with client.session_transaction() as session:
        content = dict(session)
    assert client.get("/account/profile").status_code == 200
    weaker = SecureCookieSessionInterface().get_signing_serializer(app).dumps(content)
    client.set_cookie("reflow", weaker)
    assert client.get("/account/profile").status_code == 303


def test_cookie_lasts_as_long_as_a_session(cast, client):
    answer = client.send("/login", email=cast.ada.email, password=cast.ada.password)
    cookie = SimpleCookie("\n".join(answer.headers.getlist("Set-Cookie")))["reflow"]
    lasts = parsedate_to_datetime(cookie["expires"]) - now()
    assert timedelta(days=30) - timedelta(minutes=1) < lasts <= timedelta(days=30)
    client.get("/account/profile")
    assert "Set-Cookie" not in client.get("/account/profile").headers


def test_cookie_holds_nothing_after_sign_out(cast, client):
    cast.ada.sign_in(client)
    client.get("/account/profile")
    client.send("/logout")
    with client.session_transaction() as session:
        assert dict(session) == {}
