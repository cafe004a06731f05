"""The main job: create a key in the browser, use it with the command, see its count, revoke it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from reflow_accounts.contract import is_well_formed
from tests.helpers.live_server import LiveServer
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import (
    cells,
    create_key,
    download_key,
    log_in,
    log_in_by_form,
    open_api_keys,
    reflow,
    row_of,
    submit_new_key,
)


@pytest.mark.parametrize("with_script", [True, False], ids=["with-javascript", "without-javascript"])
def test_key_is_created_used_counted_and_revoked(
    open_page: OpenPage, live: LiveServer, tmp_path: Path, with_script: bool
) -> None:
    page = open_page(java_script_enabled=with_script)
    name = f"main job {with_script}"
    log_in_by_form(page, "ada@acme.example")
    open_api_keys(page, "Ada Park")
    create_key(page, name)
    secret = page.get_by_role("textbox", name="API key").input_value()
    file = download_key(page, tmp_path)
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()

    assert is_well_formed(secret)
    assert file.read_text() == f"# server: {live.url}\n{secret}\n"
    expect(row_of(page, name)).to_contain_text("New")
    assert cells(page, name) == ["Never", "0", "Today"]
    assert secret not in page.content()

    result = reflow(live.url, tmp_path, "-k", "reflow.key", "whoami")
    assert (result.returncode, result.stderr) == (0, "")
    assert "Ada Park" in result.stdout
    assert name in result.stdout

    open_api_keys(page, "Ada Park")
    assert cells(page, name) == ["Just now", "1", "Today"]

    row_of(page, name).get_by_role("button", name=f"Revoke {name}").click()
    expect(page.get_by_text("This key was used just now.")).to_be_visible()
    page.get_by_role("button", name="Revoke key", exact=True).click()
    expect(page.get_by_role("heading", name="Key revoked")).to_be_visible()
    expect(row_of(page, name)).to_have_count(0)

    result = reflow(live.url, tmp_path, "-k", "reflow.key", "whoami")
    assert result.returncode == 4
    assert "revoked" in result.stderr
    assert secret not in result.stdout + result.stderr

    page.get_by_role("link", name="See it in Activity").click()
    _expect_activity(page, name)


def _switch_on_the_team_page(sam: Page) -> None:
    """Switch the subscription off and on; the page shows the new state without a reload."""
    for verb, state in (("Deactivate", "inactive"), ("Activate", "active")):
        sam.get_by_role("button", name=f"{verb} subscription for Solo").click()
        sam.get_by_role("textbox", name="Reason").fill(f"Now {state}")
        sam.get_by_role("button", name=verb, exact=True).click()
        expect(sam.get_by_text(f"Subscription {state}", exact=True)).to_be_visible()
        expect(sam.get_by_role("cell", name=f"Now {state}")).to_be_visible()


def _expect_activity(page: Page, name: str) -> None:
    rows = page.get_by_role("row").filter(has_text=name)
    expect(rows).to_have_count(3)
    for number, event in enumerate(("API key revoked", "API key used", "API key created")):
        expect(rows.nth(number)).to_contain_text(event)
    expect(rows.nth(1)).to_contain_text("GET /api/v1/me")
    expect(rows.nth(1)).to_contain_text("Accepted")


def test_subscription_is_activated_by_support(open_page: OpenPage, tmp_path: Path) -> None:
    # A separate server, because the test changes the demo team Solo.
    server = LiveServer(tmp_path)
    server.start()
    try:
        nina, sam = open_page(server), open_page(server)
        log_in(nina, "nina@solo.example")
        open_api_keys(nina, "Nina Roy")
        expect(
            nina.get_by_role("heading", name="Your AWS Marketplace subscription is inactive")
        ).to_be_visible()
        support = nina.get_by_role("link", name="Contact support").first
        expect(support).to_have_attribute("href", re.compile(r"^mailto:.*Solo"))
        nina.get_by_role("button", name="Create New API Key").click()
        expect(nina.get_by_role("dialog", name="API keys need an active subscription")).to_be_visible()

        log_in(sam, "sam@support.example")
        sam.get_by_role("button", name="Account menu").click()
        sam.get_by_role("link", name="Support console").click()
        sam.get_by_role("searchbox", name="Find a team").fill("solo")
        sam.get_by_role("button", name="Search").click()
        expect(sam.get_by_text("1 team matches “solo”.")).to_be_visible()
        sam.get_by_role("button", name="Activate subscription for Solo").click()
        sam.get_by_role("button", name="Activate", exact=True).click()
        expect(sam.get_by_text("Enter a reason")).to_be_visible()
        sam.get_by_role("textbox", name="Reason").fill("Paid by invoice 17")
        sam.get_by_role("button", name="Activate", exact=True).click()
        deactivate_button = sam.get_by_role("button", name="Deactivate subscription for Solo")
        expect(deactivate_button).to_be_focused()
        sam.get_by_role("link", name="Solo").click()
        expect(sam.get_by_text("Subscription active")).to_be_visible()
        expect(sam.get_by_role("cell", name="Paid by invoice 17")).to_be_visible()
        expect(sam.get_by_role("cell", name="Sam Hale")).to_be_visible()

        _switch_on_the_team_page(sam)
        nina.reload()
        submit_new_key(nina, "first")
        expect(nina.get_by_role("textbox", name="API key")).to_be_visible()
    finally:
        server.kill()
