"""The flows of people from end to end, with a script and without: sign up, reset, another address, delete."""

import pytest
from playwright.sync_api import Page, expect

from tests import factories
from tests.factories import Person
from tests.helpers.live_server import LiveServer
from tests.helpers.mailbox import Mailbox

NEW = "a kettle on the moon"
BOTH = pytest.mark.parametrize("with_script", [True, False], ids=["with script", "without script"])


@pytest.fixture
def alone(live: LiveServer) -> Person:
    """Somebody who alone makes up a team."""
    person = factories.person(live.app)
    factories.team(live.app, f"Team of {person.full_name}", person, active=True)
    return person


def link_to(mailbox: Mailbox, email: str) -> str:
    """Wait for the one mail to `email`, and return the path of its link."""
    return mailbox.link_in(mailbox.wait_for(email))


def sign_up(page: Page, email: str) -> None:
    page.goto("/login")
    page.get_by_role("link", name="Create an account").click()
    page.get_by_role("textbox", name="Full name").fill("Eve Lund")
    page.get_by_role("textbox", name="Work email").fill(email)
    page.get_by_role("textbox", name="Team name").fill("Initech")
    page.get_by_role("textbox", name="Password").fill(NEW)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Check your email")).to_be_visible()
