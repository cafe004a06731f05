"""Printed pages: what people keep on paper, and what must never be there."""

from playwright.sync_api import expect

from reflow_accounts.teams.models import Rights
from tests import factories
from tests.factories import Person
from tests.helpers.live_server import LiveServer
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import create_key, log_in
from tests.journeys.test_second_factor import set_up


def test_recovery_codes_are_printed(open_page: OpenPage, member: Person) -> None:
    page = open_page()
    log_in(page, member.email)
    set_up(page)
    page.emulate_media(media="print")
    expect(page.get_by_role("textbox", name="Recovery codes")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)


def test_rights_of_members_are_printed(open_page: OpenPage, live: LiveServer) -> None:
    admin, viewer = factories.person(live.app), factories.person(live.app)
    factories.team(live.app, "Printers", admin).add(viewer, Rights.VIEW)
    page = open_page()
    log_in(page, admin.email)
    page.goto("/account/team")
    page.emulate_media(media="print")
    expect(page.get_by_label(f"Rights for {viewer.full_name}", exact=True)).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)


def test_new_key_is_never_printed(open_page: OpenPage, member: Person) -> None:
    for with_script in (True, False):
        page = open_page(java_script_enabled=with_script)
        log_in(page, member.email)
        page.goto("/account/api-keys")
        create_key(page, f"paper {with_script}")
        page.emulate_media(media="print")
        expect(page.get_by_label("API key", exact=True)).to_be_hidden()
