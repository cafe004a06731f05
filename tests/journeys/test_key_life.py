"""The life of a key in the browser: created, an end on a date, who uses it, revoked, restored."""

import re

from playwright.sync_api import Page, expect

from tests.cli.account import request
from tests.factories import Person
from tests.helpers.live_server import LiveServer
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import create_key, log_in, open_api_keys, open_key_list, row_of


def test_key_is_given_a_last_day_revoked_and_restored(
    open_page: OpenPage, member: Person, live: LiveServer
) -> None:
    page: Page = open_page()
    log_in(page, member.email)
    open_api_keys(page, member.full_name)
    page.get_by_role("button", name="Create New API Key").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("deploy")
    expect(page.get_by_label("Last day")).to_be_hidden()
    page.get_by_label("Expires").select_option(label="On a date")
    page.get_by_label("Last day").fill("2031-03-31")
    page.get_by_role("button", name="Create key").click()
    secret = page.get_by_role("textbox", name="API key").input_value()
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_text("Expires 31 Mar 2031")).to_be_visible()
    assert request(live.url, "GET", "/me", secret)[0] == 200

    page.get_by_role("button", name="Revoke deploy").click()
    dialog = page.get_by_role("alertdialog", name="Revoke deploy?")
    expect(dialog.get_by_text(re.compile("used it just now, from 127.0.0.1"))).to_be_visible()
    dialog.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("deploy no longer works.")).to_be_visible()
    assert request(live.url, "GET", "/me", secret)[0] == 401

    page.get_by_role("button", name="Restore key").click()
    expect(page.get_by_text("deploy works again.")).to_be_visible()
    expect(page.get_by_text("Refused 1 time while it was revoked")).to_be_visible()
    assert request(live.url, "GET", "/me", secret)[0] == 200


def test_new_key_is_in_the_filtered_table_also_after_a_reload(open_page: OpenPage, member: Person) -> None:
    member.key("odd")
    page: Page = open_page()
    log_in(page, member.email)
    page.goto("/account/api-keys?name=odd")
    create_key(page, "fresh")
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    expect(row_of(page, "fresh")).to_have_count(1)
    page.reload()
    expect(row_of(page, "fresh")).to_have_count(1)


def test_long_question_on_a_phone_starts_with_its_heading(open_page: OpenPage, member: Person) -> None:
    key = member.key("W" * 64)
    page = open_page(viewport={"width": 360, "height": 500}, has_touch=True)
    log_in(page, member.email)
    open_key_list(page)
    page.get_by_role("button", name=f"Revoke {key.name}").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    heading = page.get_by_role("heading", name=f"Revoke {key.name}?").bounding_box()
    dialog = page.get_by_role("alertdialog").bounding_box()
    assert heading
    assert dialog
    assert heading["y"] >= dialog["y"]
