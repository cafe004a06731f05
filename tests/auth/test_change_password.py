"""Changing the password on the Security tab ends other sessions and renews the value of this one."""

import pytest

from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.mailbox import Mailbox

pytestmark = pytest.mark.postgresql_later

TAB, CHANGE = "/account/security", "/account/security/password"
NEW = "a kettle on the moon"


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


def change(client, current, new=NEW):
    return client.submit(client.page(TAB), CHANGE, current_password=current, new_password=new)


def test_user_changes_the_password(app, cast, ada):
    response = change(ada, cast.ada.password)
    assert (response.status_code, response.headers["Location"]) == (303, TAB)
    assert "Password changed. Other devices were signed out." in ada.page(TAB).text
    assert "Password changed." not in ada.page(TAB).text
    other = app.test_client()
    assert other.send("/login", email=cast.ada.email, password=cast.ada.password).status_code == 422
    assert other.send("/login", email=cast.ada.email, password=NEW).status_code == 303
    assert ("password.changed", "Ada Park", "Unknown device") in rows.audit_events(app)


def test_other_sessions_end_and_keys_are_kept(app, cast, ada, api):
    browser, session, key = cast.ada.sign_in(app.test_client()), cast.ada.session(), cast.ada.key()
    ben = cast.ben.sign_in(app.test_client())
    change(ada, cast.ada.password)
    assert browser.get(TAB).status_code == 303
    problem_of(api(session).get("/me"), 401, "unknown_key")
    assert api(key.secret).get("/me").status_code == 200
    assert ben.get(TAB).status_code == 200


def test_session_value_is_renewed_and_the_old_one_is_invalid(app, cast, ada):
    old = ada.get_cookie("reflow").value
    change(ada, cast.ada.password)
    assert ada.get_cookie("reflow").value != old
    assert ada.get(TAB).status_code == 200
    thief = app.test_client()
    thief.set_cookie("reflow", old)
    assert thief.get(TAB).status_code == 303


def test_notice_is_mailed_and_pending_reset_links_are_invalid(app, cast, ada):
    mailbox = Mailbox(app)
    app.test_client().send("/forgot-password", email=cast.ada.email)
    link = mailbox.link_in(mailbox.deliver()[0])
    change(ada, cast.ada.password)
    [notice] = mailbox.deliver()
    assert (notice["To"], notice["Subject"]) == (cast.ada.email, "Your password was changed")
    assert ada.get(link).status_code == 410


@pytest.mark.parametrize("current", ["", "wrong", "x" * 2000])
def test_current_password_is_required(app, cast, ada, current):
    response = change(ada, current)
    assert response.status_code == 422
    assert "Current password is not correct" in response.text
    assert "Error: Security" in response.text
    assert (
        app.test_client().send("/login", email=cast.ada.email, password=cast.ada.password).status_code == 303
    )


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        ("", "Enter a password"),
        ("x" * 11, "Use at least 12 characters"),
        ("passwordpassword", "one of the first that others would try"),
        ("adapark-acme", "made of your name"),
    ],
)
def test_invalid_password_is_explained(app, cast, ada, new, sentence):
    response = change(ada, cast.ada.password, new)
    assert response.status_code == 422
    assert sentence in response.text
    assert cast.ada.password not in response.text
    assert (
        app.test_client().send("/login", email=cast.ada.email, password=cast.ada.password).status_code == 303
    )


def test_new_password_is_compared_exactly_and_in_full(app, cast, ada):
    long = "  Ünïcode kettle " + "x" * 1000
    assert change(ada, cast.ada.password, long).status_code == 303
    for variant in (long[:-1], long.strip(), long.lower()):
        assert app.test_client().send("/login", email=cast.ada.email, password=variant).status_code == 422
    assert app.test_client().send("/login", email=cast.ada.email, password=long).status_code == 303


def test_change_requires_log_in(cast, client):
    response = client.send(CHANGE, current_password=cast.ada.password, new_password=NEW)
    assert response.headers["Location"].startswith("/login")
    assert client.send("/login", email=cast.ada.email, password=cast.ada.password).status_code == 303


def test_eleventh_wrong_password_in_five_minutes_is_limited(cast, ada):
    for _ in range(10):
        assert ada.send(CHANGE, current_password="wrong", new_password=NEW).status_code == 422
    response = ada.send(CHANGE, current_password=cast.ada.password, new_password=NEW)
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0
