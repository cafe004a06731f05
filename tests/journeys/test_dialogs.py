"""Dialogs by keyboard: focus, announcements, and protection of unsaved keys."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.factories import Person
from tests.helpers.live_server import LiveServer
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import create_key, log_in, open_api_keys, open_key_list, row_of, submit_new_key


@pytest.fixture
def page(open_page: OpenPage, member: Person) -> Page:
    """The API Keys tab of a new member."""
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    log_in(page, member.email)
    open_api_keys(page, member.full_name)
    return page


def test_escape_closes_the_form_and_restores_the_focus(page: Page) -> None:
    page.get_by_role("button", name="Create New API Key").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Create New API Key")).to_be_visible()
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Create New API Key")).to_be_focused()


def test_click_beside_the_form_keeps_the_input(page: Page) -> None:
    page.get_by_role("button", name="Create New API Key").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("half a na")
    page.mouse.click(5, 5)
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("half a na")


def test_empty_name_is_explained_at_the_focused_field(page: Page) -> None:
    submit_new_key(page, "   ")
    field = page.get_by_role("textbox", name="Name", exact=True)
    expect(page.get_by_text("Enter a name for this key")).to_be_visible()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()


def test_missing_day_is_explained_at_the_focused_field(page: Page) -> None:
    page.get_by_role("button", name="Create New API Key").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("until when")
    page.get_by_label("Expires").select_option(label="On a date")
    page.get_by_role("button", name="Create key").click()
    field = page.get_by_label("Last day")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()


def test_day_that_contradicts_the_choice_is_shown_with_the_error(page: Page) -> None:
    page.get_by_role("button", name="Create New API Key").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("for ever")
    page.get_by_label("Expires").select_option(label="On a date")
    page.get_by_label("Last day").fill("2036-03-31")
    page.get_by_label("Expires").select_option(label="Never")
    expect(page.get_by_label("Last day")).to_be_hidden()
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("use the date below, or clear it")).to_be_visible()
    page.get_by_label("Last day").fill("")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("It never expires.")).to_be_visible()


def test_taken_name_is_refused_in_any_case(page: Page) -> None:
    create_key(page, "Deploy")
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    submit_new_key(page, "dEPLOY")
    expect(page.get_by_text("You already have a key named Deploy. Choose another name")).to_be_visible()


def test_copied_key_counts_as_saved(page: Page) -> None:
    create_key(page, "copied")
    secret = page.get_by_role("textbox", name="API key").input_value()
    expect(page.get_by_role("button", name="Copy key")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    expect(page.get_by_role("checkbox", name="I have saved this key")).to_be_checked()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    expect(page.locator("#dialog-live")).to_have_text("API key copied to the clipboard.")


@pytest.mark.parametrize("closing", ["Escape", "Close", "Done"])
def test_unsaved_key_is_guarded(page: Page, closing: str) -> None:
    create_key(page, "unsaved")
    if closing == "Escape":
        page.keyboard.press("Escape")
    else:
        page.get_by_role("button", name=closing, exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("This key has not been saved")
    expect(page.get_by_role("button", name="Go back")).to_be_focused()
    page.get_by_role("button", name="Go back").click()
    expect(page.get_by_role("textbox", name="API key")).to_be_visible()
    page.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Close anyway").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("heading", name="API Keys", level=2)).to_be_focused()


def test_leaving_with_an_unsaved_key_shows_a_warning(page: Page) -> None:
    create_key(page, "leaving")
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.type), dialog.accept()))
    page.reload()
    assert dialogs == ["beforeunload"]


def test_closed_dialog_leaves_no_trace_of_the_key(page: Page) -> None:
    create_key(page, "gone")
    secret = page.get_by_role("textbox", name="API key").input_value()
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    stored = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, history.state, document.cookie, location.href])"
    )
    assert secret not in page.content() + stored
    assert all(secret not in cookie["value"] for cookie in page.context.cookies())
    page.go_back()
    assert secret not in page.content()


def test_new_row_is_marked_and_announced(page: Page) -> None:
    create_key(page, "spoken")
    expect(page.locator("#dialog-live")).to_have_text("Key spoken created. Copy or download it now.")
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#live")).to_have_text("Key spoken is ready to use.")
    expect(row_of(page, "spoken")).to_contain_text("New")
    page.get_by_role("button", name="Dismiss message").click()
    expect(page.get_by_role("heading", name="Key created")).to_have_count(0)


@pytest.mark.parametrize("width", [320, 1280])
def test_longest_name_fits_everywhere(open_page: OpenPage, member: Person, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 800})
    log_in(page, member.email)
    open_api_keys(page, member.full_name)
    create_key(page, "W" * 64)
    assert _overflow(page) == []
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    assert _overflow(page) == []
    page.get_by_role("button", name="Revoke W").click()
    page.get_by_role("alertdialog").wait_for()
    assert _overflow(page) == []
    page.get_by_role("button", name="Revoke key", exact=True).click()
    page.get_by_role("heading", name="Key revoked").wait_for()
    assert _overflow(page) == []


def _overflow(page: Page) -> list[str]:
    """Return what is wider than its box among the page, its dialog and its notes."""
    return page.evaluate(
        "[...document.querySelectorAll('html, dialog, .note, table')]"
        ".filter(box => box.scrollWidth > box.clientWidth + 1).map(box => box.outerHTML.slice(0, 80))"
    )


def test_closing_during_creation_does_not_lose_the_key(page: Page) -> None:
    page.get_by_role("button", name="Create New API Key").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("slow")
    page.route("**/account/api-keys", lambda route: (page.wait_for_timeout(600), route.continue_()))
    page.get_by_role("button", name="Create key").click()
    for _ in range(3):
        page.keyboard.press("Escape")
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.get_by_role("textbox", name="API key")).to_be_visible()


def test_bin_of_a_key_revoked_elsewhere_says_so(page: Page, member: Person) -> None:
    create_key(page, "early")
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    other = page.context.new_page()
    open_key_list(other)
    other.get_by_role("button", name="Revoke early").click()
    other.get_by_role("button", name="Revoke key", exact=True).click()
    expect(row_of(other, "early")).to_have_count(0)
    page.get_by_role("button", name="Revoke early").click()
    expect(page.get_by_role("dialog", name="early was already revoked.")).to_be_visible()
    page.get_by_role("button", name="Close", exact=True).last.click()
    expect(row_of(page, "early")).to_have_count(0)
    expect(page.get_by_role("heading", name="API Keys", level=2)).to_be_focused()


def test_filter_stays_when_a_key_is_revoked(page: Page, member: Person) -> None:
    for number in range(51):
        member.key(f"{'odd' if number % 2 else 'even'} {number}")
    page.goto("/account/api-keys?name=odd")
    page.get_by_role("button", name="Revoke odd 49").click()
    page.get_by_role("button", name="Revoke key", exact=True).click()
    expect(row_of(page, "odd 49")).to_have_count(0)
    expect(page.get_by_role("searchbox", name="Filter by name")).to_have_value("odd")
    expect(page.get_by_role("row")).to_have_count(1 + 24)


def test_double_click_creates_one_key(page: Page) -> None:
    page.get_by_role("button", name="Create New API Key").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("twice")
    page.get_by_role("button", name="Create key").evaluate("button => { button.click(); button.click(); }")
    page.get_by_role("textbox", name="API key").wait_for()
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    expect(row_of(page, "twice")).to_have_count(1)


def test_bin_asks_with_the_focus_on_cancel(page: Page) -> None:
    create_key(page, "kept")
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Revoke kept").click()
    expect(page.get_by_role("alertdialog", name="Revoke kept?")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Revoke kept")).to_be_focused()
    page.get_by_role("button", name="Revoke kept").click()
    page.get_by_role("button", name="Revoke key", exact=True).click()
    expect(page.get_by_role("heading", name="API Keys", level=2)).to_be_focused()
    expect(page.locator("#live")).to_have_text("Key kept revoked.")


def test_revoking_a_key_revoked_elsewhere_says_so(page: Page, open_page: OpenPage, member: Person) -> None:
    create_key(page, "shared")
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Revoke shared").click()
    other = open_page()
    log_in(other, member.email)
    open_api_keys(other, member.full_name)
    other.get_by_role("button", name="Revoke shared").click()
    other.get_by_role("button", name="Revoke key", exact=True).click()
    expect(row_of(other, "shared")).to_have_count(0)
    page.get_by_role("button", name="Revoke key", exact=True).click()
    expect(page.locator("#live")).to_have_text("shared was already revoked.")
    expect(row_of(page, "shared")).to_have_count(0)


def test_ended_session_leads_to_log_in_and_back(page: Page) -> None:
    page.context.clear_cookies()
    page.get_by_role("button", name="Create New API Key").click()
    expect(page).to_have_url(re.compile(r"/login\?next=/account/api-keys"))


@pytest.mark.slow
def test_retry_after_an_unreachable_server_creates_one_key(
    open_page: OpenPage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = LiveServer(tmp_path_factory.mktemp("server"))
    server.start()
    try:
        page = open_page(server)
        log_in(page, "ben@acme.example")
        open_api_keys(page, "Ben Cole")
        page.get_by_role("button", name="Create New API Key").click()
        page.get_by_role("textbox", name="Name", exact=True).fill("patient")
        server.kill()
        page.get_by_role("button", name="Create key").click()
        expect(page.get_by_role("alert")).to_contain_text("You are offline or Reflow cannot be reached")
        server.start()
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("textbox", name="API key")).to_be_visible()
        page.get_by_role("checkbox", name="I have saved this key").check()
        page.get_by_role("button", name="Done").click()
        expect(row_of(page, "patient")).to_have_count(1)
    finally:
        server.kill()


def test_warning_is_visible_in_a_low_window(open_page: OpenPage, member: Person) -> None:
    page = open_page(viewport={"width": 360, "height": 500}, has_touch=True)
    log_in(page, member.email)
    open_key_list(page)
    create_key(page, "CI")
    page.get_by_role("button", name="Done").click()
    footer = page.locator("dialog .dlg-foot").bounding_box()
    warning = page.get_by_role("alert").bounding_box()
    assert footer
    assert warning
    assert warning["y"] >= 0
    assert warning["y"] + warning["height"] <= footer["y"]
