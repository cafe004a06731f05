"""Step-up during an action, and signing out other devices, with and without scripts."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from reflow_accounts.database import now
from tests.factories import Person
from tests.helpers.axe import expect_accessible
from tests.journeys.conftest import SCREENS, SCRIPTS, OpenPage
from tests.journeys.steps import log_in, open_key_list, row_of, submit_new_key

TAB = "/account/security"


@pytest.fixture
def page(open_page: OpenPage, member: Person) -> Page:
    """The API Keys tab of a member who signed in long ago."""
    page = open_page()
    log_in(page, member.email)
    make_proof_old(member)
    open_key_list(page)
    return page


def make_proof_old(person: Person) -> None:
    """Make the last proof in every session of a person an hour old."""
    person.change_sessions(proven_at=now() - timedelta(hours=1))


def enter_password(page: Page, password: str) -> None:
    page.get_by_role("textbox", name="Password", exact=True).fill(password)
    page.get_by_role("button", name="Continue").click()


def test_name_is_kept_through_the_proof_and_the_key_is_shown_once(page: Page, member: Person) -> None:
    submit_new_key(page, "survivor")
    expect(page.get_by_role("dialog", name="Confirm that it is you")).to_be_visible()
    expect(page.get_by_role("textbox", name="Password", exact=True)).to_be_focused()
    enter_password(page, "not-my-password")
    expect(page.get_by_text("This is not your password")).to_be_visible()
    expect(page.get_by_role("textbox", name="Password", exact=True)).to_be_focused()
    expect(page.get_by_role("textbox", name="Password", exact=True)).to_have_value("")
    enter_password(page, member.password)
    expect(page.get_by_role("textbox", name="API key")).to_have_value(re.compile("rfk_"))
    expect(page.get_by_role("button", name="Copy key")).to_be_focused()
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    expect(row_of(page, "survivor")).to_have_count(1)
    page.reload()
    expect(row_of(page, "survivor")).to_have_count(1)


def test_double_click_on_continue_creates_one_key(page: Page, member: Person) -> None:
    submit_new_key(page, "twice")
    page.get_by_role("textbox", name="Password", exact=True).fill(member.password)
    page.get_by_role("button", name="Continue").evaluate("button => { button.click(); button.click(); }")
    page.get_by_role("textbox", name="API key").wait_for()
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    expect(row_of(page, "twice")).to_have_count(1)


def test_escape_closes_the_proof_and_restores_the_focus(page: Page) -> None:
    submit_new_key(page, "left")
    page.get_by_role("dialog", name="Confirm that it is you").wait_for()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Create New API Key")).to_be_focused()


@pytest.mark.slow
def test_key_is_shown_after_the_proof_without_a_script(open_page: OpenPage, member: Person) -> None:
    page = open_page(java_script_enabled=False)
    log_in(page, member.email)
    make_proof_old(member)
    open_key_list(page)
    submit_new_key(page, "plain")
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    enter_password(page, "not-my-password")
    expect(page).to_have_title(re.compile("^Error: "))
    enter_password(page, member.password)
    expect(page.get_by_role("textbox", name="API key")).to_have_value(re.compile("rfk_"))
    expect(page.get_by_text("Created as plain.")).to_be_visible()


@SCRIPTS
def test_device_is_signed_out_by_another(open_page: OpenPage, member: Person, with_script: bool) -> None:
    this_device, other_device = open_page(java_script_enabled=with_script), open_page()
    for page in (this_device, other_device):
        log_in(page, member.email)
    this_device.goto(TAB)
    expect(this_device.get_by_text("This device", exact=True)).to_have_count(1)
    this_device.get_by_role("button", name=re.compile("^Sign out .* on ")).click()
    expect(this_device.get_by_text("You are only signed in on this device.")).to_be_visible()
    expect(this_device.get_by_role("heading", name=re.compile("was signed out.$"))).to_be_visible()
    if with_script:
        expect(this_device.get_by_role("heading", name="Sessions", exact=True)).to_be_focused()
        expect(this_device.locator("#live")).to_have_text(re.compile("was signed out.$"))
    other_device.reload()
    expect(other_device).to_have_url(re.compile("/login"))
    expect(other_device.get_by_text("Your session ended. Log in to continue.")).to_be_visible()


@pytest.mark.slow
@SCRIPTS
def test_all_other_devices_are_signed_out(open_page: OpenPage, member: Person, with_script: bool) -> None:
    this_device, *other_devices = (open_page(java_script_enabled=with_script), open_page(), open_page())
    for page in (this_device, *other_devices):
        log_in(page, member.email)
    this_device.goto(TAB)
    this_device.get_by_role("button", name="Sign out all other sessions").click()
    if with_script:
        expect(this_device.get_by_role("alertdialog", name="Sign out all other sessions?")).to_be_visible()
        expect(this_device.get_by_role("button", name="Cancel")).to_be_focused()
        this_device.keyboard.press("Escape")
        expect(this_device.get_by_role("button", name="Sign out all other sessions")).to_be_focused()
        this_device.keyboard.press("Enter")
    this_device.get_by_role("button", name="Sign out all", exact=True).click()
    expect(this_device.get_by_text("You are only signed in on this device.")).to_be_visible()
    if with_script:
        expect(this_device.get_by_role("dialog")).to_have_count(0)
        expect(this_device.get_by_role("heading", name="Sessions", exact=True)).to_be_focused()
        expect(this_device.locator("#live")).to_have_text("2 other sessions were signed out.")
    for page in other_devices:
        page.reload()
        expect(page).to_have_url(re.compile("/login"))


@pytest.mark.slow
def test_proof_for_a_part_of_the_page_is_a_dialog(open_page: OpenPage, member: Person) -> None:
    this_device, other_device = open_page(), open_page()
    for page in (this_device, other_device):
        log_in(page, member.email)
    make_proof_old(member)
    this_device.goto(TAB)
    this_device.get_by_role("button", name=re.compile("^Sign out .* on ")).click()
    expect(this_device.get_by_role("dialog", name="Confirm that it is you")).to_be_visible()
    enter_password(this_device, "not-my-password")
    dialog = this_device.get_by_role("dialog", name="Confirm that it is you")
    expect(dialog).to_contain_text("This is not your password")
    enter_password(this_device, member.password)
    expect(this_device.get_by_text("You are only signed in on this device.")).to_be_visible()
    expect(dialog).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize("size", SCREENS)
def test_proof_and_sessions_are_accessible(open_page: OpenPage, member: Person, size: dict[str, int]) -> None:
    page = open_page(viewport=size)
    log_in(page, member.email)
    page.goto(TAB)
    expect_accessible(page, "one session")
    member.session()
    page.goto(TAB)
    expect_accessible(page, "sessions")
    page.get_by_role("button", name="Sign out all other sessions").click()
    page.get_by_role("alertdialog").wait_for()
    expect_accessible(page, "sign out all")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Sign out Unknown device").click()
    page.get_by_text("Unknown device was signed out.").first.wait_for()
    expect_accessible(page, "signed out")
    make_proof_old(member)
    open_key_list(page)
    submit_new_key(page, "CI")
    page.get_by_role("dialog", name="Confirm that it is you").wait_for()
    expect_accessible(page, "proof")
    enter_password(page, "not-my-password")
    page.get_by_text("This is not your password").wait_for()
    expect_accessible(page, "wrong proof")
    page.goto(f"/account/confirmation?next={TAB}")
    expect_accessible(page, "proof on a page")
    enter_password(page, "not-my-password")
    page.get_by_role("heading", name="There is a problem").wait_for()
    expect_accessible(page, "wrong proof on a page")


def test_sessions_fit_320_pixels_without_scrolling_sideways(open_page: OpenPage, member: Person) -> None:
    page = open_page(viewport={"width": 320, "height": 700})
    log_in(page, member.email)
    member.session()
    page.goto(TAB)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("name", ["Download my data", "Download CSV"])
def test_download_after_the_session_ended_leads_back_to_its_page(
    open_page: OpenPage, member: Person, name: str
) -> None:
    page = open_page()
    log_in(page, member.email)
    page.goto("/account/profile" if name == "Download my data" else "/account/activity")
    heading = page.locator("#heading").inner_text()
    member.change_sessions(ended_at=now())
    page.get_by_role("link", name=name).or_(page.get_by_role("button", name=name)).click()
    expect(page.get_by_text("Your session ended. Log in to continue.")).to_be_visible()
    page.get_by_role("textbox", name="Email").fill(member.email)
    page.get_by_role("textbox", name="Password").fill(member.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name=heading, level=2)).to_be_visible()
