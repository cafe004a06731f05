"""A desktop of 1280 by 1024 pixels at a zoom of 400 %, which leaves 320 by 256 pixels of a page."""

import pytest
from playwright.sync_api import Page, expect

from tests.factories import Person
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import create_key, log_in, open_key_list

ZOOMED = {"width": 320, "height": 256}


@pytest.fixture
def page(open_page: OpenPage, member: Person) -> Page:
    page = open_page(viewport=ZOOMED)
    log_in(page, member.email)
    open_key_list(page)
    return page


def test_last_line_of_the_account_menu_is_in_reach(page: Page) -> None:
    page.get_by_role("button", name="Account menu").click()
    button = page.get_by_role("button", name="Sign out")
    button.scroll_into_view_if_needed()
    expect(button).to_be_in_viewport(ratio=1)


def test_buttons_of_a_dialog_do_not_cover_its_text(page: Page) -> None:
    create_key(page, "zoomed")
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("button", name="Go back")).to_be_focused()
    page.get_by_role("heading", name="This key has not been saved").scroll_into_view_if_needed()
    warning = page.get_by_role("alert").bounding_box()
    done = page.get_by_role("button", name="Done").bounding_box()
    assert warning
    assert done
    assert done["y"] >= warning["y"] + warning["height"]
    page.get_by_role("button", name="Done").scroll_into_view_if_needed()
    expect(page.get_by_role("button", name="Done")).to_be_in_viewport(ratio=1)


def test_question_opens_at_its_heading(page: Page, member: Person) -> None:
    member.key("alpha")
    page.reload()
    page.get_by_role("button", name="Revoke alpha").click()
    expect(page.get_by_role("heading", name="Revoke alpha?")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Cancel")).to_be_in_viewport(ratio=1)
