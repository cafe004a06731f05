"""Two-factor authentication in a browser, with and without JavaScript."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.factories import Person
from tests.helpers.authenticator_app import AuthenticatorApp, turn_on
from tests.journeys.conftest import SCRIPTS, OpenPage
from tests.journeys.steps import log_in


def set_up(page: Page) -> AuthenticatorApp:
    """Set up the second factor, with the code of the previous time step, up to the recovery codes."""
    page.goto("/account/security")
    page.get_by_role("button", name="Set up two-factor authentication").click()
    authenticator = AuthenticatorApp(page.get_by_role("textbox", name="Setup key").input_value())
    expect(page.get_by_role("img", name="QR code of the setup key")).to_be_visible()
    page.get_by_role("textbox", name="Authentication code").fill(authenticator.code(-1))
    page.get_by_role("button", name="Turn on").click()
    page.get_by_role("heading", name="Save your recovery codes").wait_for()
    return authenticator


def enter_password(page: Page, member: Person) -> None:
    page.context.clear_cookies()
    page.goto("/login?next=/account/security")
    page.get_by_role("textbox", name="Email").fill(member.email)
    page.get_by_role("textbox", name="Password").fill(member.password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Enter your code").wait_for()


def enter_code(page: Page, code: str, field: str = "Authentication code") -> None:
    page.get_by_role("textbox", name=field).fill(code)
    page.get_by_role("button", name="Continue").click()


@SCRIPTS
def test_second_factor_is_set_up_used_recovered_and_removed(
    open_page: OpenPage, member: Person, tmp_path: Path, with_script: bool
) -> None:
    page = open_page(java_script_enabled=with_script)
    log_in(page, member.email)
    authenticator = set_up(page)
    codes = page.get_by_role("textbox", name="Recovery codes").input_value().split()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download codes").click()
    assert download.value.suggested_filename == "reflow-recovery-codes.txt"
    download.value.save_as(tmp_path / "codes.txt")
    assert (tmp_path / "codes.txt").read_text().split() == codes
    assert len(codes) == 10
    page.get_by_role("checkbox", name="I have saved these codes").check()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_text("10 of your recovery codes are left.")).to_be_visible()
    assert not any(code in page.content() for code in codes)

    enter_password(page, member)
    expect(page.get_by_role("textbox", name="Authentication code")).to_be_focused()
    code = authenticator.code()
    enter_code(page, f"{code[:3]} {code[3:]}")
    expect(page.get_by_role("heading", name="Security", level=2)).to_be_visible()

    enter_password(page, member)
    enter_code(page, code)
    expect(page.get_by_role("alert")).to_contain_text("This code is not correct")
    page.get_by_role("link", name="Use a recovery code").click()
    enter_code(page, codes[0], "Recovery code")
    expect(page.get_by_text("9 of your recovery codes are left.")).to_be_visible()

    enter_password(page, member)
    page.get_by_role("link", name="Use a recovery code").click()
    enter_code(page, codes[0], "Recovery code")
    expect(page.get_by_role("alert")).to_contain_text("or it was used before")
    enter_code(page, codes[1], "Recovery code")

    page.get_by_role("button", name="Turn off").click()
    page.get_by_role("textbox", name="Password").fill(member.password)
    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_role("heading", name="Two-factor authentication is off")).to_be_visible()
    page.context.clear_cookies()
    log_in(page, member.email)


def test_copied_recovery_codes_count_as_saved(open_page: OpenPage, member: Person) -> None:
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    log_in(page, member.email)
    set_up(page)
    expect(page.get_by_role("button", name="Copy codes")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#live")).to_have_text("Recovery codes copied to the clipboard.")
    expect(page.get_by_role("checkbox", name="I have saved these codes")).to_be_checked()
    codes = page.get_by_role("textbox", name="Recovery codes").input_value()
    assert page.evaluate("navigator.clipboard.readText()") == codes
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("heading", name="Security", level=2)).to_be_visible()


def test_unsaved_recovery_codes_are_guarded(open_page: OpenPage, member: Person) -> None:
    page = open_page()
    log_in(page, member.email)
    set_up(page)
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("alert")).to_contain_text("These codes have not been saved")
    expect(page.get_by_role("button", name="Go back")).to_be_focused()
    page.get_by_role("button", name="Go back").click()
    expect(page.get_by_role("button", name="Copy codes")).to_be_focused()
    dialogs = []
    page.once("dialog", lambda dialog: (dialogs.append(dialog.type), dialog.dismiss()))
    page.get_by_role("link", name="Profile").click()
    expect(page.get_by_role("textbox", name="Recovery codes")).to_be_visible()
    assert dialogs == ["beforeunload"]
    page.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Close anyway").click()
    expect(page.get_by_role("heading", name="Security", level=2)).to_be_visible()


def test_new_recovery_codes_are_shown_once(open_page: OpenPage, member: Person) -> None:
    page = open_page()
    authenticator = turn_on(member)
    enter_password(page, member)
    enter_code(page, authenticator.code())
    page.get_by_role("button", name="New recovery codes").click()
    codes = page.get_by_role("textbox", name="Recovery codes").input_value().split()
    assert not set(codes) & set(authenticator.recovery_codes)
    page.get_by_role("checkbox", name="I have saved these codes").check()
    page.reload()
    expect(page.get_by_text("10 of your recovery codes are left.")).to_be_visible()
    assert not any(code in page.content() for code in codes)
