"""A browser that has logged in before has its own rate limit (OWASP, device cookies)."""

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
    other = app.test_client()
    for number in range(ALLOWED):
        assert log_in(other, person, WRONG, f"198.51.100.{number}").status_code == 422
    assert log_in(other, person, address="198.51.100.99").status_code == 429


@pytest.fixture
def known_browser(cast, client):
    """A browser in which Ada logged in and out."""
    log_in(client, cast.ada)
    log_out(client)
    return client


def test_failed_log_ins_of_others_do_not_lock_out_a_known_browser(app, cast, known_browser):
    lock_out(app, cast.ada)
    assert log_in(known_browser, cast.ada).status_code == 303


def test_failed_log_ins_from_the_same_address_do_not_lock_it_out(app, cast, known_browser):
    other = app.test_client()
    for number in range(ALLOWED):
        assert log_in(other, cast.ben, WRONG, "192.0.2.1").status_code == 422, number
    assert log_in(other, cast.ada, address="192.0.2.1").status_code == 429
    assert log_in(known_browser, cast.ada, address="192.0.2.1").status_code == 303


def enter_wrong_codes(client, person, number):
    """Enter the password and a wrong code, from another address each time; return the last response."""
    for index in range(number):
        address = f"198.51.100.{index}"
        assert log_in(client, person, address=address).headers["Location"] == "/login/code"
        fields = {"csrf_token": client.csrf_token(), "code": "000000"}
        response = client.post("/login/code", data=fields, environ_base={"REMOTE_ADDR": address})
    return response


def test_failed_codes_of_others_do_not_lock_out_a_known_browser(app, cast, known_browser):
    phone = turn_on(cast.ada)
    assert enter_wrong_codes(app.test_client(), cast.ada, ALLOWED + 1).status_code == 429
    log_in(known_browser, cast.ada)
    assert known_browser.send("/login/recovery-code", code=phone.recovery_codes[0]).status_code == 303
    log_out(known_browser)
    assert enter_wrong_codes(known_browser, cast.ada, ALLOWED).status_code == 422
    assert enter_wrong_codes(known_browser, cast.ada, 1).status_code == 429


def test_known_browsers_share_one_limit_for_codes(app, cast, known_browser):
    """Before two-factor authentication is turned on, each log-in makes another known browser."""
    others = [app.test_client() for _ in range(2)]
    for browser in others:
        assert log_in(browser, cast.ada).status_code == 303
        log_out(browser)
    turn_on(cast.ada)
    for browser in (known_browser, *others):
        response = enter_wrong_codes(browser, cast.ada, ALLOWED // 3 + 1)
    assert response.status_code == 429


def test_known_browser_has_its_own_limit(cast, known_browser):
    for number in range(ALLOWED):
        assert log_in(known_browser, cast.ada, WRONG, f"192.0.2.{number}").status_code == 422
    assert log_in(known_browser, cast.ada).status_code == 429


def test_browser_is_known_only_to_its_own_users(app, cast, known_browser):
    lock_out(app, cast.ben)
    assert log_in(known_browser, cast.ben).status_code == 429


def test_browser_is_known_to_its_latest_users(app, cast, client):
    log_in(client, cast.ada)
    log_out(client)
    for person in (cast.ben, cast.charlie, cast.vic, cast.sam):
        log_in(client, person)
        log_out(client)
    lock_out(app, cast.ada)
    assert log_in(client, cast.ada).status_code == 303
    log_out(client)
    # The sixth takes the place of Ben, who was here longest ago.
    log_in(client, cast.nina)
    log_out(client)
    for person, status in ((cast.nina, 303), (cast.ben, 429)):
        lock_out(app, person)
        assert log_in(client, person).status_code == status


@pytest.mark.parametrize("value", ["", "e30", "e30.aSlrzA.0000", "x" * 4000])
def test_forged_cookie_has_no_effect(app, cast, client, value):
    client.set_cookie(COOKIE, value)
    lock_out(app, cast.ada)
    assert log_in(client, cast.ada).status_code == 429


def test_cookie_expires_after_a_year(app, cast, known_browser):
    with time_machine.travel(now() + KNOWN_DEVICE_LIFETIME + timedelta(minutes=1)):
        lock_out(app, cast.ada)
        assert log_in(known_browser, cast.ada).status_code == 429


def test_cookie_is_http_only_and_same_site(cast, client):
    response = log_in(client, cast.ada)
    [cookie] = [line for line in response.headers.getlist("Set-Cookie") if line.startswith(f"{COOKIE}=")]
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert cast.ada.email not in cookie
