"""Passkeys in Chromium with its virtual authenticator: add, sign in without a password, prove, rename, remove."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from playwright.sync_api import CDPSession, Page, expect

from reflow_accounts.database import now
from tests.factories import Person
from tests.helpers.authenticator_app import turn_on
from tests.helpers.live_server import LiveServer
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import log_in, row_of

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def page(open_page: OpenPage, live: LiveServer) -> Page:
    """A page at a domain name, which passkeys need, in a browser with an authenticator."""
    page = open_page(SimpleNamespace(url=f"http://localhost:{live.port}"))
    add_authenticator(page)
    return page


def add_authenticator(page: Page) -> tuple[CDPSession, str]:
    """Add a virtual authenticator to the browser; return the CDP session and its id."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    response = session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    return session, response["authenticatorId"]


def add_passkey(page: Page, name: str) -> None:
    page.goto("/account/security")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("textbox", name="Name", exact=True).fill(name)
    page.get_by_role("button", name="Add passkey", exact=True).click()
    page.get_by_text(f"{name} was added.").wait_for()


def sign_in_with_passkey(page: Page) -> None:
    page.context.clear_cookies()
    page.goto("/login?next=/account/security")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_role("heading", name="Security", level=2).wait_for()


def test_passkey_is_added_used_renamed_and_removed(page: Page, member: Person) -> None:
    log_in(page, member.email)
    add_passkey(page, "Laptop")
    expect(row_of(page, "Laptop")).to_contain_text("Never")

    sign_in_with_passkey(page)
    expect(page.get_by_role("link", name=member.full_name, exact=True)).to_be_visible()
    expect(row_of(page, "Laptop")).to_contain_text("Just now")

    page.get_by_role("link", name="Rename Laptop").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("Old laptop")
    page.get_by_role("button", name="Save name").click()
    page.get_by_role("button", name="Remove Old laptop").click()
    page.get_by_role("button", name="Remove passkey").click()
    expect(page.get_by_text("Old laptop no longer signs you in.")).to_be_visible()
    expect(row_of(page, "Old laptop")).to_have_count(0)

    page.context.clear_cookies()
    page.goto("/login")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("This passkey cannot be used here")


@pytest.mark.slow
def test_passkey_needs_no_code(page: Page, member: Person) -> None:
    log_in(page, member.email)
    add_passkey(page, "Laptop")
    turn_on(member)
    sign_in_with_passkey(page)


@pytest.mark.slow
def test_invalid_passkey_name_is_explained(page: Page, member: Person) -> None:
    log_in(page, member.email)
    page.goto("/account/security/passkeys/new")
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_be_focused()
    page.get_by_role("button", name="Add passkey", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Enter a name for this passkey")


@pytest.mark.slow
def test_device_is_not_added_twice(page: Page, member: Person) -> None:
    log_in(page, member.email)
    add_passkey(page, "Laptop")
    page.goto("/account/security/passkeys/new")
    page.get_by_role("textbox", name="Name", exact=True).fill("Again")
    page.get_by_role("button", name="Add passkey", exact=True).click()
    expect(page.get_by_text("This device has a passkey for your account already.")).to_be_visible()


def test_cancelled_passkey_is_explained_and_can_be_retried(
    open_page: OpenPage, live: LiveServer, member: Person
) -> None:
    page = open_page(SimpleNamespace(url=f"http://localhost:{live.port}"))
    session, authenticator = add_authenticator(page)
    log_in(page, member.email)
    add_passkey(page, "Laptop")
    session.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
    page.context.clear_cookies()
    page.goto("/login?next=/account/security")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_text("The browser did not use a passkey.")).to_be_visible()
    session.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": True})
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Security", level=2)).to_be_visible()


def test_passkey_confirms_a_sensitive_action(page: Page, member: Person) -> None:
    log_in(page, member.email)
    add_passkey(page, "Laptop")
    # In the dialog of a new key, and on a page.
    _make_proof_old(member)
    page.goto("/account/api-keys")
    page.get_by_role("button", name="Create New API Key").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("proved")
    page.get_by_role("button", name="Create key").click()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("dialog", name="Your new API key")).to_be_visible()
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    expect(row_of(page, "proved")).to_be_visible()
    _make_proof_old(member)
    page.goto("/account/security/second-factor/new")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("textbox", name="Setup key")).to_be_visible()


def _make_proof_old(member: Person) -> None:
    member.change_sessions(proven_at=now() - timedelta(minutes=31))


@pytest.mark.slow
def test_unsupported_browser_is_offered_no_passkey(open_page: OpenPage, member: Person) -> None:
    """At an IP address, and without JavaScript."""
    for options in ({}, {"java_script_enabled": False}):
        page = open_page(**options)
        page.goto("/login")
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
        expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
        log_in(page, member.email)
        page.goto("/account/security/passkeys/new")
        expect(page.get_by_text("This browser cannot make a passkey here.")).to_be_visible()
        expect(page.get_by_role("button", name="Add passkey", exact=True)).to_be_hidden()
