"""Double clicks on a slow connection: the browser drops the response to the first one."""

import time
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from reflow_accounts.database import now
from tests.factories import Person
from tests.helpers.authenticator_app import turn_on
from tests.helpers.faulty_proxy import Exchange, FaultyProxy, at, pass_on, says
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import log_in

DELAY_S = 0.5


def respond_late(exchange: Exchange) -> None:
    """Send the response only after a while."""
    response = exchange.answer()
    time.sleep(DELAY_S)
    exchange.back.sendall(response)


@pytest.fixture
def page(open_page: OpenPage, proxy: FaultyProxy) -> Page:
    return open_page(proxy)


def double_click(page: Page, proxy: FaultyProxy, name: str) -> None:
    proxy.always = at("POST", respond_late)
    page.get_by_role("button", name=name, exact=True).dblclick(delay=60)


def test_double_click_starts_one_session(page: Page, proxy: FaultyProxy, member: Person) -> None:
    page.goto("/login?next=/account/security")
    page.get_by_role("textbox", name="Email").fill(member.email)
    page.get_by_role("textbox", name="Password").fill(member.password)
    double_click(page, proxy, "Log in")
    expect(page.get_by_text("You are only signed in on this device.")).to_be_visible()


def test_double_click_uses_a_code_once(page: Page, proxy: FaultyProxy, member: Person) -> None:
    authenticator = turn_on(member)
    page.goto("/login?next=/account/security")
    page.get_by_role("textbox", name="Email").fill(member.email)
    page.get_by_role("textbox", name="Password").fill(member.password)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_role("textbox", name="Authentication code").fill(authenticator.code())
    double_click(page, proxy, "Continue")
    expect(page.get_by_text("You are only signed in on this device.")).to_be_visible()


def test_double_click_on_a_proof_keeps_the_session(page: Page, proxy: FaultyProxy, member: Person) -> None:
    log_in(page, member.email)
    member.change_sessions(proven_at=now() - timedelta(minutes=31))
    page.goto("/account/security/second-factor/new")
    page.get_by_label("Password").fill(member.password)
    double_click(page, proxy, "Continue")
    expect(page.get_by_role("heading", name="Set up two-factor authentication")).to_be_visible()


@pytest.mark.slow
def test_form_of_a_stopped_request_can_be_sent_again(page: Page, proxy: FaultyProxy) -> None:
    page.goto("/forgot-password")
    field = page.get_by_role("textbox", name="Email")
    field.fill("nobody@example.com")
    # After a 204 the page stays, as after "Stop".
    proxy.always = at("POST", says("204 No Content"))
    field.press("Enter", no_wait_after=True)
    page.wait_for_timeout(3_100)
    proxy.always = pass_on
    field.press("Enter", no_wait_after=True)
    expect(page.get_by_text("a mail with a link is on its way")).to_be_visible()
