"""Rotation in the browser: choose how long the previous key works, save the new one, end the previous one."""

import re

from playwright.sync_api import Page, expect

from tests.factories import Person
from tests.journeys.conftest import DESKTOP, SCRIPTS, OpenPage
from tests.journeys.steps import log_in, open_key_list, row_of


@SCRIPTS
def test_key_is_rotated_and_the_previous_one_ended(
    open_page: OpenPage, member: Person, with_script: bool
) -> None:
    member.key("CI")
    page: Page = open_page(java_script_enabled=with_script, viewport=DESKTOP)
    log_in(page, member.email)
    open_key_list(page)
    page.get_by_role("button", name="Rotate CI").click()
    page.get_by_role("combobox", name="Previous key").select_option("works for 1 day")
    page.get_by_role("button", name="Rotate key").click()
    expect(page.get_by_role("textbox", name="API key")).to_have_value(re.compile("rfk_.{49}"))
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    row = row_of(page, "CI")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("works until")
    row.get_by_role("link", name="End it now").click()
    page.get_by_role("button", name="Revoke key").click()
    expect(row).not_to_contain_text("works until")
    expect(row).to_have_count(1)
