"""A key pasted into the support search is not sent, or is removed from the URL."""

import pytest
from playwright.sync_api import Page, expect

from tests.factories import Person
from tests.helpers.axe import expect_accessible
from tests.helpers.live_server import LiveServer
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import log_in


def search(page: Page, query: str) -> None:
    page.get_by_role("searchbox", name="Find a team").fill(query)
    page.get_by_role("button", name="Search").click()


@pytest.mark.slow
def test_script_moves_a_secret_to_the_key_look_up(
    open_page: OpenPage, live: LiveServer, member: Person
) -> None:
    key = member.key("pasted")
    page = open_page()
    log_in(page, "sam@support.example")
    page.goto("/support")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    # It is moved when it is pasted, before the live search sends it.
    page.get_by_role("searchbox", name="Find a team").fill(f" {key.secret} ")
    field = page.get_by_label("Find an API key")
    expect(field).to_be_focused()
    expect(page.get_by_text("A secret is not searched for")).to_be_visible()
    expect_accessible(page, "a secret that was moved")
    expect(page.get_by_role("searchbox", name="Find a team")).to_have_value("")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="This key is pasted")).to_be_visible()
    assert not [url for url in sent if key.secret in url]
    assert key.secret not in live.log.read_text()
    page.get_by_role("searchbox", name="Find a team").fill("surfs_up")
    expect(page.get_by_text("No team matches “surfs_up”.")).to_be_visible()


@pytest.mark.slow
def test_page_without_script_removes_the_secret_from_the_url(
    open_page: OpenPage, live: LiveServer, member: Person
) -> None:
    key = member.key("pasted")
    for without_script in ("search.js", "all"):
        page = open_page(java_script_enabled=without_script != "all")
        log_in(page, "sam@support.example")
        page.route("**/search*.js*", lambda route: route.fulfill(body="", content_type="text/javascript"))
        page.goto("/support")
        search(page, key.secret)
        expect(page.get_by_role("heading", name="A secret was in the address")).to_be_visible()
        assert page.url == f"{live.url}/support"
        expect(page.get_by_role("table")).to_have_count(0)
        expect_accessible(page, "a secret was in the address") if without_script != "all" else None
        search(page, member.email)
        expect(page.get_by_role("heading", name="A secret was in the address")).to_have_count(0)
        page.go_back()
        assert key.secret not in page.url
    assert key.secret not in live.log.read_text()
