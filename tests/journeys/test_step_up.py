"""Requests of a part of a page that need a proof: the dialog that asks for it."""

from datetime import timedelta

from playwright.sync_api import expect

from reflow_accounts.database import now
from tests import factories
from tests.helpers.live_server import LiveServer
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import log_in


def test_search_in_an_idle_console_continues_after_a_proof(open_page: OpenPage, live: LiveServer) -> None:
    staff = factories.person(live.app, is_staff=True)
    page = open_page()
    log_in(page, staff.email)
    page.goto("/support")
    idle = now() - timedelta(minutes=31)
    staff.change_sessions(proven_at=idle, support_active_at=idle)
    page.get_by_role("searchbox", name="Find a team").fill("no such team")
    dialog = page.get_by_role("dialog", name="Confirm that it is you")
    expect(dialog).to_be_visible()
    assert page.url == f"{live.url}/support"
    dialog.get_by_label("Password").fill(staff.password)
    dialog.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("No team matches “no such team”.")).to_be_visible()
