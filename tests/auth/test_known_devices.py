"""A browser that has logged in before keeps its own limit, whatever strangers try (OWASP, device cookies)."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.auth.login_manager import KNOWN_DEVICE_LIFETIME
from reflow_accounts.database import now
from tests.helpers.authenticator_app import turn_on

pytestmark = pytest.mark.postgresql_later

ALLOWED = 10
COOKIE = "reflow-device"
WRONG = "not the password"


def log_in(client, person, password=None, address="192.0.2.1"):
    fields = {"email": person.email, "password": password or person.password}
    token = {"csrf_token": client.csrf_token()}
    return client.post("/login", data=fields | token, environ_base={"REMOTE_ADDR": address})


def log_out(client):
    client.send("/logout")


def lock_out(app, person):
    """Use up the attempts of an account from elsewhere."""
    stranger = app.test_client()
    for number in range(ALLOWED):
        assert log_in(stranger, person, WRONG, f"198.51.100.{number}").status_code == 422
    assert log_in(stranger, person, address="198.51.100.99").status_code == 429


@pytest.fixture
def known(cast, client):
    """A browser in which Ada logged in and out."""
    log_in(client, cast.ada)
    log_out(client)
    return client


def test_strangers_do_not_lock_out_a_known_browser(app, cast, known):
    lock_out(app, cast.ada)
    assert log_in(known, cast.ada).status_code == 303


def test_strangers_at_the_same_address_do_not_lock_it_out(app, cast, known):
    stranger = app.test_client()
    for number in range(ALLOWED):
        assert log_in(stranger, cast.ben, WRONG, "192.0.2.1").status_code == 422, number
    assert log_in(stranger, cast.ada, address="192.0.2.1").status_code == 429
    assert log_in(known, cast.ada, address="192.0.2.1").status_code == 303


def give_codes(client, person, number):
    """Give the password and a wrong code, from another address each time; return the last answer."""
    for place in range(number):
        address = f"198.51.100.{place}"
        assert log_in(client, person, address=address).headers["Location"] == "/login/code"
        fields = {"csrf_token": client.csrf_token(), "code": "000000"}
        answer = client.post("/login/code", data=fields, environ_base={"REMOTE_ADDR": address})
    return answer


def test_thief_of_a_password_does_not_lock_the_second_factor_of_a_known_browser(app, cast, known):
    phone = turn_on(cast.ada)
    assert give_codes(app.test_client(), cast.ada, ALLOWED + 1).status_code == 429
    log_in(known, cast.ada)
    assert known.send("/login/recovery-code", code=phone.recovery_codes[0]).status_code == 303
    log_out(known)
    assert give_codes(known, cast.ada, ALLOWED).status_code == 422
    assert give_codes(known, cast.ada, 1).status_code == 429


def test_known_browsers_have_one_limit_for_codes_together(app, cast, known):
    """Before two-factor authentication is turned on, each log-in with the password makes another one."""
    others = [app.test_client() for _ in range(2)]
    for browser in others:
        assert log_in(browser, cast.ada).status_code == 303
        log_out(browser)
    turn_on(cast.ada)
    for browser in (known, *others):
        answer = give_codes(browser, cast.ada, ALLOWED // 3 + 1)
    assert answer.status_code == 429


def test_known_browser_has_a_limit_of_its_own(cast, known):
    for number in range(ALLOWED):
        assert log_in(known, cast.ada, WRONG, f"192.0.2.{number}").status_code == 422
    assert log_in(known, cast.ada).status_code == 429


def test_browser_is_known_for_its_own_users_only(app, cast, known):
    lock_out(app, cast.ben)
    assert log_in(known, cast.ben).status_code == 429


def test_browser_is_known_for_the_latest_users(app, cast, client):
    log_in(client, cast.ada)
    log_out(client)
    for person in (cast.ben, cast.charlie, cast.vic, cast.sam):
        log_in(client, person)
        log_out(client)
    lock_out(app, cast.ada)
    assert log_in(client, cast.ada).status_code == 303


@pytest.mark.parametrize("value", ["", "e30", "e30.aSlrzA.0000", "x" * 4000])
def test_forged_cookie_makes_no_browser_known(app, cast, client, value):
    client.set_cookie(COOKIE, value)
    lock_out(app, cast.ada)
    assert log_in(client, cast.ada).status_code == 429


def test_cookie_ends_after_a_year(app, cast, known):
    with time_machine.travel(now() + KNOWN_DEVICE_LIFETIME + timedelta(minutes=1)):
        lock_out(app, cast.ada)
        assert log_in(known, cast.ada).status_code == 429


def test_cookie_is_for_this_site_and_no_script(cast, client):
    answer = log_in(client, cast.ada)
    [cookie] = [line for line in answer.headers.getlist("Set-Cookie") if line.startswith(f"{COOKIE}=")]
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert cast.ada.email not in cookie
