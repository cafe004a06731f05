"""The Team tab in a browser: invite, join with a new account and with one's own, change rights, remove, leave."""

import pytest
from playwright.sync_api import Locator, Page, expect

from reflow_accounts.teams.models import Rights
from tests import factories
from tests.factories import Group, Person
from tests.helpers.axe import expect_accessible
from tests.helpers.live_server import LiveServer
from tests.helpers.mailbox import Mailbox
from tests.journeys.conftest import SCREENS, SCRIPTS, OpenPage
from tests.journeys.steps import log_in, row_of
from tests.journeys.test_account_life import NEW, link_to


@pytest.fixture
def mailbox(live: LiveServer) -> Mailbox:
    """The mail of the live server during the test."""
    return Mailbox(live.app)


@pytest.fixture
def ann(live: LiveServer) -> Person:
    """The Admin of the team Looms."""
    return factories.person(live.app, "Ann Weaver")


@pytest.fixture
def looms(live: LiveServer, ann: Person) -> Group:
    return factories.team(live.app, "Looms", ann, active=True)


def open_team(page: Page) -> None:
    """Go to the tab by the account menu."""
    page.get_by_role("link", name="Team", exact=True).first.click()
    page.get_by_role("heading", name="Members").wait_for()


def invite(page: Page, *emails: str, rights: str = "View") -> None:
    page.get_by_role("button", name="Invite people").click()
    page.get_by_role("textbox", name="Email addresses").fill("\n".join(emails))
    page.get_by_role("radio", name=f"{rights}:").check()
    page.get_by_role("button", name="Send invitations").click()


def note(page: Page) -> Locator:
    return page.locator("#teams-members .note")


def add(live: LiveServer, group: Group, name: str, rights: Rights) -> Person:
    person = factories.person(live.app, name)
    group.add(person, rights)
    return person


@SCRIPTS
def test_invited_person_joins_with_a_new_account(
    open_page: OpenPage, ann: Person, looms: Group, mailbox: Mailbox, with_script: bool
) -> None:
    email = f"guest-{with_script}@initech.example".lower()
    page, guest = (open_page(java_script_enabled=with_script) for _ in range(2))
    log_in(page, ann.email)
    open_team(page)
    expect(page.get_by_text("You are the only member.")).to_be_visible()
    invite(page, email, rights="Edit")
    expect(note(page)).to_have_text(f"Invitation sent to {email}.")
    expect(row_of(page, email)).to_contain_text("Invited")

    guest.goto(link_to(mailbox, email))
    expect(guest.get_by_text("You are joining Looms.")).to_be_visible()
    guest.get_by_role("textbox", name="Full name").fill("Gus Thread")
    guest.get_by_role("textbox", name="Password").fill(NEW)
    guest.get_by_role("button", name="Create account").click()
    expect(note(guest)).to_have_text("You joined Looms.")
    expect(
        guest.get_by_text("Who belongs to Looms, and what they may do. Your rights: Edit.")
    ).to_be_visible()
    expect(guest.get_by_role("button", name="Invite people")).to_have_count(0)

    page.reload()
    expect(row_of(page, "Gus Thread")).to_contain_text("Just now")


@SCRIPTS
def test_existing_user_logs_in_joins_and_switches_team(
    open_page: OpenPage, live: LiveServer, ann: Person, looms: Group, mailbox: Mailbox, with_script: bool
) -> None:
    zoe = factories.person(live.app, "Zoe Spindle")
    factories.team(live.app, "Yarns", zoe)
    page, guest = (open_page(java_script_enabled=with_script) for _ in range(2))
    log_in(page, ann.email)
    open_team(page)
    invite(page, zoe.email)
    expect(note(page)).to_be_visible()

    guest.goto(link_to(mailbox, zoe.email))
    guest.get_by_role("link", name="Log in").click()
    guest.get_by_role("textbox", name="Email").fill(zoe.email)
    guest.get_by_role("textbox", name="Password").fill(zoe.password)
    guest.get_by_role("button", name="Log in").click()
    guest.get_by_role("button", name="Join team").click()
    expect(note(guest)).to_have_text("You joined Looms.")
    header = guest.locator(".pagehead")
    expect(header).to_contain_text("Looms")
    guest.get_by_role("link", name="Switch team").click()
    guest.get_by_role("button", name="Yarns").click()
    expect(header).to_contain_text("Yarns")
    guest.get_by_role("link", name="API Keys", exact=True).first.click()
    expect(header).to_contain_text("Yarns")
    guest.get_by_role("link", name="Switch team").click()
    guest.get_by_role("button", name="Looms").click()
    expect(header).to_contain_text("Looms")
    if with_script:
        expect(guest.get_by_role("heading", name="API Keys", level=2)).to_be_visible()


@pytest.mark.slow
@SCRIPTS
def test_rights_are_saved_and_a_member_is_removed(
    open_page: OpenPage, live: LiveServer, ann: Person, looms: Group, with_script: bool
) -> None:
    add(live, looms, "Bo Shuttle", Rights.VIEW)
    page = open_page(java_script_enabled=with_script)
    log_in(page, ann.email)
    open_team(page)
    page.get_by_role("combobox", name="Rights for Bo Shuttle").select_option("Edit")
    page.get_by_role("button", name="Save rights for Bo Shuttle").click()
    expect(note(page)).to_have_text("Bo Shuttle has Edit rights.")
    expect(page.get_by_role("combobox", name="Rights for Bo Shuttle")).to_have_value("edit")
    if with_script:
        expect(page.locator("#live")).to_have_text("Bo Shuttle has Edit rights.")
        # The button is hidden when there is nothing to save.
        expect(page.get_by_role("button", name="Save rights for Bo Shuttle")).to_have_count(0)
        expect(page.get_by_role("heading", name="Members")).to_be_focused()

    page.get_by_role("combobox", name="Rights for Ann Weaver").select_option("View")
    page.get_by_role("button", name="Save rights for Ann Weaver").click()
    expect(note(page)).to_contain_text("A team needs at least one admin.")
    expect(page.get_by_role("combobox", name="Rights for Ann Weaver")).to_have_value("admin")

    page.get_by_role("button", name="Remove Bo Shuttle").click()
    if with_script:
        expect(page.get_by_role("alertdialog", name="Remove Bo Shuttle?")).to_be_visible()
        expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    expect(page.get_by_text("stop opening this team at once")).to_be_visible()
    page.get_by_role("button", name="Remove member").click()
    expect(note(page)).to_have_text("Bo Shuttle was removed from Looms.")
    expect(row_of(page, "Bo Shuttle")).to_have_count(0)
    if with_script:
        expect(page.get_by_role("heading", name="Members")).to_be_focused()


@pytest.mark.slow
@SCRIPTS
def test_invalid_line_is_explained_and_the_input_stays(
    open_page: OpenPage, ann: Person, looms: Group, with_script: bool
) -> None:
    page = open_page(java_script_enabled=with_script)
    log_in(page, ann.email)
    open_team(page)
    invite(page, "one@initech.example", "two", rights="Admin")
    expect(page.get_by_text("Line 2, “two”").last).to_be_visible()
    field = page.get_by_role("textbox", name="Email addresses")
    expect(field).to_have_value("one@initech.example\ntwo")
    expect(page.get_by_role("radio", name="Admin:")).to_be_checked()
    field.fill("one@initech.example\ntwo@initech.example")
    page.get_by_role("button", name="Send invitations").click()
    expect(note(page)).to_have_text("2 invitations sent.")
    page.get_by_role("button", name="Resend invitation to one@initech.example").click()
    expect(note(page)).to_have_text("Invitation sent to one@initech.example again.")
    page.get_by_role("button", name="Cancel invitation to one@initech.example").click()
    expect(note(page)).to_have_text("Invitation to one@initech.example cancelled.")
    expect(row_of(page, "one@initech.example")).to_have_count(0)
    if with_script:
        expect(page.get_by_role("heading", name="Members")).to_be_focused()


@pytest.mark.slow
@SCRIPTS
def test_member_leaves_and_the_last_admin_cannot(
    open_page: OpenPage, live: LiveServer, ann: Person, looms: Group, with_script: bool
) -> None:
    bo = add(live, looms, "Bo Shuttle", Rights.EDIT)
    page = open_page(java_script_enabled=with_script)
    log_in(page, ann.email)
    open_team(page)
    page.get_by_role("button", name="Leave team").click()
    expect(page.get_by_text("A team needs at least one admin.")).to_be_visible()
    other = open_page(java_script_enabled=with_script)
    log_in(other, bo.email)
    open_team(other)
    other.get_by_role("button", name="Leave team").click()
    other.get_by_role("heading", name="Leave Looms?").wait_for()
    other.get_by_role("button", name="Leave team").last.click()
    expect(other.get_by_role("heading", name="You are not in a team")).to_be_visible()
    expect(other.get_by_text("You left Looms.")).to_be_visible()


def test_demoted_admin_is_told_in_the_page(
    open_page: OpenPage, live: LiveServer, ann: Person, looms: Group
) -> None:
    add(live, looms, "Bo Shuttle", Rights.ADMIN)
    page = open_page()
    log_in(page, ann.email)
    open_team(page)
    looms.give(ann, Rights.VIEW)
    page.get_by_role("combobox", name="Rights for Bo Shuttle").select_option("View")
    page.get_by_role("button", name="Save rights for Bo Shuttle").click()
    dialog = page.get_by_role("dialog", name="This page is out of date")
    expect(dialog).to_contain_text("This needs Admin rights to Looms.")
    dialog.get_by_role("button", name="Reload the page").click()
    expect(page.get_by_role("row", name="Bo Shuttle")).to_be_visible()
    expect(page.get_by_role("button", name="Save rights for Bo Shuttle")).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize("size", SCREENS)
def test_every_state_of_the_tab_is_accessible(
    open_page: OpenPage,
    live: LiveServer,
    ann: Person,
    looms: Group,
    mailbox: Mailbox,
    size: dict[str, int],
) -> None:
    email = f"axe-{size['width']}@initech.example"
    page = open_page(viewport=size)
    log_in(page, ann.email)
    open_team(page)
    expect_accessible(page, "alone")
    invite(page, "one", email)
    page.get_by_text("Line 1, “one”").wait_for()
    expect_accessible(page, "faults")
    page.get_by_role("textbox", name="Email addresses").fill(email)
    page.get_by_role("button", name="Send invitations").click()
    note(page).wait_for()
    add(live, looms, "Bo Shuttle", Rights.VIEW)
    page.reload()
    expect_accessible(page, "list")
    for opener, dialog in (
        ("Remove Bo Shuttle", "alertdialog"),
        ("Leave team", "alertdialog"),
        ("Rename team", "dialog"),
    ):
        page.get_by_role("button", name=opener).click()
        page.get_by_role(dialog).wait_for()
        expect_accessible(page, opener)
        page.keyboard.press("Escape")
        page.get_by_role(dialog).wait_for(state="detached")
    page.get_by_role("combobox", name="Rights for Ann Weaver").select_option("View")
    page.get_by_role("button", name="Save rights for Ann Weaver").click()
    _check_invitation_pages(open_page(viewport=size), link_to(mailbox, email), ann)
    other = factories.team(live.app, "Yarns", factories.person(live.app))
    other.add(ann, Rights.VIEW)
    page.goto("/account/team")
    page.get_by_role("heading", name="Choose a team").wait_for()
    expect_accessible(page, "choice")
    page.goto(f"/account/team?team={other.id}")
    expect_accessible(page, "view")


def _check_invitation_pages(page: Page, link: str, other_user: Person) -> None:
    page.goto(link)
    expect_accessible(page, "invitation")
    page.get_by_role("button", name="Create account").click()
    expect_accessible(page, "refused")
    page.goto("/invitations/x")
    expect_accessible(page, "dead link")
    log_in(page, other_user.email)
    page.goto(link)
    expect_accessible(page, "somebody else's")
    check_page_without_a_team(page)


def check_page_without_a_team(page: Page) -> None:
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    log_in(page, "sam@support.example")
    page.goto("/account/team")
    expect_accessible(page, "no team")


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/account/team", "/account/team/choice"])
def test_tab_fits_320_pixels_without_scrolling_sideways(
    open_page: OpenPage, live: LiveServer, ann: Person, looms: Group, path: str
) -> None:
    add(live, looms, "A person with a name that is rather long for so small a screen", Rights.VIEW)
    page = open_page(viewport={"width": 320, "height": 700})
    log_in(page, ann.email)
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
