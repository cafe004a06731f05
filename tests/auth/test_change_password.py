"""The Security tab: another password ends the other sessions and gives this one a new value."""

import pytest

from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.mailbox import Mailbox

pytestmark = pytest.mark.postgresql_later

TAB, ACT = "/account/security", "/account/security/password"
NEW = "a kettle on the moon"


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


def change(client, current, new=NEW):
    return client.submit(client.page(TAB), ACT, current_password=current, new_password=new)


def test_ada_changes_her_password(app, cast, ada):
    answer = change(ada, cast.ada.password)
    assert (answer.status_code, answer.headers["Location"]) == (303, TAB)
    assert "Password changed. Other devices were signed out." in ada.page(TAB).text
    assert "Password changed." not in ada.page(TAB).text
    other = app.test_client()
    assert other.send("/login", email=cast.ada.email, password=cast.ada.password).status_code == 422
    assert other.send("/login", email=cast.ada.email, password=NEW).status_code == 303
    assert ("password.changed", "Ada Park", "Unknown device") in rows.acts(app)


def test_other_sessions_end_and_keys_go_on(app, cast, ada, api):
    browser, session, key = cast.ada.sign_in(app.test_client()), cast.ada.session(), cast.ada.key()
    ben = cast.ben.sign_in(app.test_client())
    change(ada, cast.ada.password)
    assert browser.get(TAB).status_code == 303
    problem_of(api(session).get("/me"), 401, "unknown_key")
    assert api(key.secret).get("/me").status_code == 200
    assert ben.get(TAB).status_code == 200


def test_this_session_gets_a_new_value_and_the_old_one_is_dead(app, cast, ada):
    old = ada.get_cookie("reflow").value
    change(ada, cast.ada.password)
    assert ada.get_cookie("reflow").value != old
    assert ada.get(TAB).status_code == 200
    thief = app.test_client()
    thief.set_cookie("reflow", old)
    assert thief.get(TAB).status_code == 303


def test_notice_is_mailed_and_a_link_that_was_under_way_is_dead(app, cast, ada):
    mailbox = Mailbox(app)
    app.test_client().send("/forgot-password", email=cast.ada.email)
    link = mailbox.link_in(mailbox.deliver()[0])
    change(ada, cast.ada.password)
    [notice] = mailbox.deliver()
    assert (notice["To"], notice["Subject"]) == (cast.ada.email, "Your password was changed")
    assert ada.get(link).status_code == 410


@pytest.mark.parametrize("current", ["", "wrong", "x" * 2000])
def test_current_password_is_needed(app, cast, ada, current):
    answer = change(ada, current)
    assert answer.status_code == 422
    assert "Current password is not correct" in answer.text
    assert "Error: Security" in answer.text
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
def test_password_that_cannot_be_is_refused(app, cast, ada, new, sentence):
    answer = change(ada, cast.ada.password, new)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert cast.ada.password not in answer.text
    assert (
        app.test_client().send("/login", email=cast.ada.email, password=cast.ada.password).status_code == 303
    )


def test_new_password_counts_in_full_and_exactly_as_typed(app, cast, ada):
    long = "  Ünïcode kettle " + "x" * 1000
    assert change(ada, cast.ada.password, long).status_code == 303
    for wrong in (long[:-1], long.strip(), long.lower()):
        assert app.test_client().send("/login", email=cast.ada.email, password=wrong).status_code == 422
    assert app.test_client().send("/login", email=cast.ada.email, password=long).status_code == 303


def test_nobody_changes_it_without_signing_in(cast, client):
    answer = client.send(ACT, current_password=cast.ada.password, new_password=NEW)
    assert answer.headers["Location"].startswith("/login")
    assert client.send("/login", email=cast.ada.email, password=cast.ada.password).status_code == 303


def test_eleventh_guess_in_five_minutes_waits(cast, ada):
    for _ in range(10):
        assert ada.send(ACT, current_password="wrong", new_password=NEW).status_code == 422
    answer = ada.send(ACT, current_password=cast.ada.password, new_password=NEW)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
