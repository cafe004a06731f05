"""Sign-up, password reset, e-mail change and deletion from end to end, with and without scripts."""

import time

import pytest
from playwright.sync_api import Page, expect

from reflow_accounts.auth.login import find_by_email
from reflow_accounts.database import db
from reflow_accounts.demo import PASSWORD
from reflow_accounts.subscriptions.overrides import set_active
from reflow_accounts.teams.service import memberships_of
from tests.factories import Person
from tests.helpers.live_server import LiveServer
from tests.helpers.mailbox import Mailbox
from tests.journeys.conftest import PHONE, SCRIPTS, OpenPage
from tests.journeys.steps import create_key, log_in, open_api_keys

SECONDS_TO_SEND = 15
NEW = "a kettle on the moon"


@pytest.fixture
def mailbox(live: LiveServer) -> Mailbox:
    """The mail of the live server during the test."""
    return Mailbox(live.app)


def link_to(mailbox: Mailbox, email: str) -> str:
    """Return the path of the link in the next mail to `email`."""
    deadline = time.monotonic() + SECONDS_TO_SEND
    while time.monotonic() < deadline:
        for message in mailbox.deliver():
            if message["To"] == email:
                return mailbox.link_in(message)
        time.sleep(0.05)
    raise AssertionError(f"no mail to {email}")


def sign_up(page: Page, email: str) -> None:
    page.goto("/login")
    page.get_by_role("link", name="Create an account").click()
    page.get_by_role("textbox", name="Full name").fill("Eve Lund")
    page.get_by_role("textbox", name="Work email").fill(email)
    page.get_by_role("textbox", name="Team name").fill("Initech")
    page.get_by_role("textbox", name="Password").fill(NEW)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Check your email")).to_be_visible()


@SCRIPTS
def test_user_signs_up_confirms_and_creates_a_key(
    open_page: OpenPage, live: LiveServer, mailbox: Mailbox, with_script: bool
) -> None:
    email = f"eve-{with_script}@initech.example".lower()
    page = open_page(java_script_enabled=with_script)
    sign_up(page, email)
    page.goto(link_to(mailbox, email))
    page.get_by_role("button", name="Confirm email").click()
    expect(page.get_by_role("heading", name="Account", exact=True)).to_be_visible()
    with live.app.app_context():
        user = find_by_email(email)
        assert user
        set_active(memberships_of(user)[0].team, True, "for a test", by=None)
        db.session.commit()
    open_api_keys(page, "Eve Lund")
    create_key(page, "first")


@pytest.mark.slow
def test_link_in_another_browser_asks_for_the_password(open_page: OpenPage, mailbox: Mailbox) -> None:
    sign_up(open_page(), "eve-phone@initech.example")
    phone = open_page(viewport=PHONE)
    phone.goto(link_to(mailbox, "eve-phone@initech.example"))
    phone.get_by_role("textbox", name="Password").fill(NEW)
    phone.get_by_role("button", name="Confirm email").click()
    expect(phone.get_by_role("heading", name="Account", exact=True)).to_be_visible()


def test_password_can_be_shown_while_typed(open_page: OpenPage) -> None:
    page = open_page()
    page.goto("/signup")
    field = page.get_by_role("textbox", name="Password")
    field.fill(NEW)
    button = page.get_by_role("button", name="Show password")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(field).to_have_attribute("type", "text")
    page.keyboard.press("Space")
    expect(field).to_have_attribute("type", "password")
    page = open_page(java_script_enabled=False)
    page.goto("/signup")
    expect(page.get_by_role("textbox", name="Password")).to_be_visible()
    expect(page.get_by_role("button", name="Show password")).to_have_count(0)


@pytest.mark.slow
@SCRIPTS
def test_forgotten_password_is_replaced(
    open_page: OpenPage, member: Person, mailbox: Mailbox, with_script: bool
) -> None:
    page = open_page(java_script_enabled=with_script)
    page.goto("/login")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_role("textbox", name="Email").fill(member.email)
    page.get_by_role("button", name="Send link").click()
    expect(page.get_by_role("heading", name="Check your email")).to_be_visible()
    page.goto(link_to(mailbox, member.email))
    page.get_by_role("textbox", name="New password").fill("short")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("alert")).to_contain_text("Use at least 12 characters")
    page.get_by_role("textbox", name="New password").fill(NEW)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Your password was changed")).to_be_visible()
    log_in(page, member.email, NEW)


@pytest.mark.slow
@SCRIPTS
def test_address_of_an_account_is_changed(
    open_page: OpenPage, member: Person, mailbox: Mailbox, with_script: bool
) -> None:
    page = open_page(java_script_enabled=with_script)
    new = member.email.replace("@", "-moved@")
    log_in(page, member.email)
    page.get_by_role("textbox", name="Email").fill(new)
    page.get_by_role("button", name="Save changes").click()
    text = f"We sent a link to {new}. Your email stays {member.email} until you open it."
    expect(page.get_by_text(text)).to_be_visible()
    page.goto(link_to(mailbox, new))
    page.get_by_role("button", name="Confirm email").click()
    expect(page.get_by_role("heading", name="Email changed")).to_be_visible()
    expect(page.get_by_role("textbox", name="Email")).to_have_value(new)
    log_in(open_page(java_script_enabled=with_script), new)


@SCRIPTS
def test_changed_password_signs_out_other_devices(
    open_page: OpenPage, member: Person, with_script: bool
) -> None:
    page, other = open_page(java_script_enabled=with_script), open_page()
    log_in(page, member.email)
    log_in(other, member.email)
    page.get_by_role("link", name="Security", exact=True).click()
    page.get_by_role("textbox", name="Current password").fill(PASSWORD)
    page.get_by_role("textbox", name="New password").fill(NEW)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Password changed. Other devices were signed out.")).to_be_visible()
    other.reload()
    expect(other.get_by_text("Your session ended. Log in to continue.")).to_be_visible()


@pytest.mark.slow
@SCRIPTS
def test_account_is_deleted(open_page: OpenPage, member: Person, with_script: bool) -> None:
    page = open_page(java_script_enabled=with_script)
    log_in(page, member.email)
    page.get_by_role("link", name="Delete account").click()
    expect(page.get_by_text("This cannot be undone.")).to_be_visible()
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Delete account").click()
    expect(page.get_by_text("Your account was deleted.")).to_be_visible()
    page.get_by_role("textbox", name="Email").fill(member.email)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("Email or password is not correct")
