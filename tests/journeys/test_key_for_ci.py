"""A key for CI: created on one page, used by the command, counted on the Team tab, deleted with its account."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests import factories
from tests.factories import Person
from tests.helpers.axe import expect_accessible
from tests.helpers.live_server import ROOT, LiveServer
from tests.journeys.conftest import SCREENS, SCRIPTS, OpenPage
from tests.journeys.steps import cells, download_key, log_in, open_api_keys, reflow, row_of

BLOCKS = ["lines-checkout", "lines-github", "lines-gitlab", "lines-jenkins"]


@pytest.fixture
def admin(live: LiveServer) -> Person:
    """A new person, the only member of the team Rocket with a subscription, on the live server."""
    person = factories.person(live.app, "Ada Rocket")
    factories.team(live.app, "Rocket", person, active=True)
    return person


def _open_ci_key_page(page: Page, person: Person) -> None:
    log_in(page, person.email)
    open_api_keys(page, person.full_name)
    page.get_by_role("link", name="A key for CI").click()
    page.get_by_role("heading", name="A key for CI").wait_for()


def _open_team(page: Page) -> None:
    page.get_by_role("link", name="Team", exact=True).first.click()
    page.get_by_role("heading", name="Service accounts").wait_for()


def _run(lines: str, folder: Path, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run lines as a shell would, with the command on the path."""
    tools = home / "bin"
    tools.mkdir(exist_ok=True)
    command = tools / "reflow"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reflow_accounts.cli "$@"\n')
    command.chmod(0o755)
    environ = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(home), "PYTHONPATH": str(ROOT)} | more
    return subprocess.run(
        ["sh", "-ec", lines],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
@SCRIPTS
def test_ci_key_is_counted_and_revoked_with_its_account(
    open_page: OpenPage, live: LiveServer, admin: Person, tmp_path: Path, with_script: bool
) -> None:
    page = open_page(java_script_enabled=with_script)
    _open_ci_key_page(page, admin)
    expect(page.get_by_role("textbox", name="Name of the service account")).to_have_value("rocket-ci")
    expect(page.get_by_role("radio", name="Edit: change what the team has")).to_be_checked()
    page.get_by_role("button", name="Create key").click()
    secret = page.get_by_role("textbox", name="API key").input_value()
    for block in BLOCKS:
        assert secret not in page.locator(f"#{block}").inner_text()
    file = download_key(page, tmp_path)
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    page.get_by_role("heading", name="rocket-ci", exact=True).wait_for()
    assert secret not in page.content()

    result = reflow(live.url, tmp_path, "-k", str(file), "whoami")
    assert (result.returncode, result.stderr) == (0, "")
    assert "rocket-ci" in result.stdout

    _open_team(page)
    expect(row_of(page, "rocket-ci").get_by_role("cell")).to_contain_text(["1", "Just now", "Today"])
    page.get_by_role("button", name="Delete rocket-ci").click()
    expect(page.get_by_text("anything still using one will be refused at once")).to_be_visible()
    page.get_by_role("button", name="Delete service account").click()
    expect(
        page.get_by_text("Service account rocket-ci deleted. Its keys no longer work.").first
    ).to_be_visible()
    expect(row_of(page, "rocket-ci")).to_have_count(0)

    result = reflow(live.url, tmp_path, "-k", str(file), "whoami")
    assert result.returncode == 4
    assert secret not in result.stdout + result.stderr


@SCRIPTS
def test_use_of_a_ci_key_is_shown_and_the_key_is_revoked(
    open_page: OpenPage, live: LiveServer, admin: Person, tmp_path: Path, with_script: bool
) -> None:
    page = open_page(java_script_enabled=with_script)
    _open_ci_key_page(page, admin)
    page.get_by_role("button", name="Create key").click()
    secret = page.get_by_role("textbox", name="API key").input_value()
    file = download_key(page, tmp_path)
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    for command in (("whoami",), ("api", "GET", "/teams")):
        result = reflow(live.url, tmp_path, "-k", str(file), *command)
        assert result.returncode == 0, result.stderr

    page.reload()
    last_used, count, created = cells(page, "ci")
    assert (last_used, count, created) == ("Just now", "2", "Today")
    page.get_by_role("link", name="Activity", exact=True).last.click()
    page.get_by_role("heading", name="Activity of rocket-ci").wait_for()
    uses = page.get_by_role("row").filter(has_text="API key used")
    expect(uses).to_have_count(2)
    expect(uses.first).to_contain_text("GET /api/v1/teams")
    expect(uses.first).to_contain_text("Accepted")
    for use in uses.all():
        expect(use).to_contain_text("rocket-ci")

    _open_team(page)
    page.get_by_role("link", name="rocket-ci", exact=True).click()
    page.get_by_role("button", name="Revoke ci").click()
    page.get_by_role("button", name="Revoke key", exact=True).click()
    expect(page.get_by_role("heading", name="Key revoked")).to_be_visible()
    result = reflow(live.url, tmp_path, "-k", str(file), "whoami")
    assert result.returncode == 4
    assert "revoked" in result.stderr
    assert secret not in result.stdout + result.stderr


@pytest.mark.slow
def test_copied_lines_work(open_page: OpenPage, live: LiveServer, admin: Person, tmp_path: Path) -> None:
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    _open_ci_key_page(page, admin)
    page.get_by_role("button", name="Create key").click()
    secret = page.get_by_role("textbox", name="API key").input_value()
    home, checkout = tmp_path / "home", tmp_path / "checkout"
    (home / "Downloads").mkdir(parents=True)
    download_key(page, home / "Downloads")

    lines = {}
    for block in BLOCKS:
        page.locator(f"[data-copies={block}]").click()
        expect(page.locator(f"[data-copies={block}] + .done")).to_have_text("Copied")
        lines[block] = page.evaluate("navigator.clipboard.readText()")
        assert secret not in lines[block]

    checkout.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)
    (checkout / ".gitignore").write_text("build")
    # tests/distribution runs the lines that install the command.
    install, _, rest = lines["lines-checkout"].partition("\n")
    assert install.startswith(f"pipx install {live.url}/cli/")
    result = _run(rest, checkout, home)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    assert "rocket-ci" in result.stdout
    status = subprocess.run(
        ["git", "status", "--short"], cwd=checkout, capture_output=True, text=True, check=True
    )
    assert status.stdout == "?? .gitignore\n"
    assert (checkout / ".gitignore").read_text().splitlines() == ["build", "/reflow.key"]

    assert "REFLOW_API_KEY: ${{ secrets.REFLOW_API_KEY }}" in lines["lines-github"]
    assert "REFLOW_API_KEY = credentials('reflow-api-key')" in lines["lines-jenkins"]
    for block in BLOCKS[1:]:
        [server] = re.findall(r"REFLOW_SERVER(?:: | = ')([^'\s]+)", lines[block])
        [command] = set(re.findall(r"reflow whoami", lines[block]))
        result = _run(command, home, home, REFLOW_API_KEY=secret, REFLOW_SERVER=server)
        assert result.returncode == 0, result.stderr


def test_dialogs_keep_scroll_position_and_focus(open_page: OpenPage, admin: Person) -> None:
    page = open_page()
    log_in(page, admin.email)
    _open_team(page)
    page.get_by_role("button", name="Create service account").click()
    dialog = page.get_by_role("dialog", name="Create service account")
    dialog.get_by_role("textbox", name="Name").fill(" ")
    dialog.get_by_role("button", name="Create service account").click()
    expect(page.get_by_text("Enter a name for this service account")).to_be_visible()
    dialog.get_by_role("textbox", name="Name").fill("deploy")
    dialog.get_by_role("button", name="Create service account").click()
    expect(row_of(page, "deploy")).to_be_visible()
    expect(page.get_by_role("heading", name="Service accounts")).to_be_focused()
    expect(page.get_by_role("status").filter(has_text="Service account deploy created.")).to_have_count(1)

    page.get_by_role("button", name="Edit deploy").click()
    page.get_by_role("dialog", name="Edit deploy").wait_for()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Edit deploy")).to_be_focused()
    page.get_by_role("button", name="Edit deploy").click()
    page.get_by_role("radio", name="View: see what the team has").check()
    page.get_by_role("button", name="Save changes").click()
    expect(row_of(page, "deploy")).to_contain_text("View")

    page.get_by_role("link", name="deploy", exact=True).click()
    page.get_by_role("button", name="Create New API Key").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("first")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("Anyone who has it can act as deploy.")).to_be_visible()
    page.get_by_role("button", name="Copy key").click()
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    expect(row_of(page, "first")).to_be_visible()
    expect(page.get_by_role("heading", name="deploy", exact=True)).to_be_focused()
    page.get_by_role("button", name="Revoke first").click()
    page.get_by_role("button", name="Revoke key", exact=True).click()
    expect(page.get_by_role("heading", name="Key revoked")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize("size", SCREENS)
def test_every_state_is_accessible(
    open_page: OpenPage, live: LiveServer, admin: Person, size: dict[str, int]
) -> None:
    page = open_page(viewport=size)
    _open_ci_key_page(page, admin)
    expect_accessible(page, "wizard")
    page.get_by_role("textbox", name="Name of the key").fill("")
    page.get_by_role("button", name="Create key").click()
    page.get_by_role("heading", name="There is a problem").wait_for()
    expect_accessible(page, "bad name")
    page.get_by_role("textbox", name="Name of the key").fill("ci")
    page.get_by_role("button", name="Create key").click()
    page.get_by_role("textbox", name="API key").wait_for()
    expect_accessible(page, "reveal")
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    page.get_by_text("Use a key in a checkout or in CI").click()
    expect_accessible(page, "account")
    page.get_by_role("button", name="Disable rocket-ci").click()
    page.get_by_role("button", name="Enable rocket-ci").wait_for()
    expect_accessible(page, "disabled")
    page.get_by_role("link", name="Activity").last.click()
    page.get_by_role("heading", name="Activity of rocket-ci").wait_for()
    expect_accessible(page, "activity")
    page.goto("/account/team")
    page.get_by_role("button", name="Create service account").click()
    page.get_by_role("dialog").get_by_role("textbox", name="Name").fill("builder")
    page.get_by_role("dialog").get_by_role("button", name="Create service account").click()
    row_of(page, "builder").wait_for()
    page.goto("/account/api-keys")
    page.get_by_role("button", name="Create New API Key").click()
    page.get_by_role("combobox", name="Owner").select_option("builder")
    expect_accessible(page, "owner")
    page.get_by_role("textbox", name="Name", exact=True).fill("nightly")
    page.get_by_role("button", name="Create key").click()
    page.get_by_text("Anyone who has it can act as builder.").wait_for()
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    page.get_by_text("It is a key of builder.").wait_for()
    expect_accessible(page, "key of another owner")
    _open_team(page)
    expect_accessible(page, "section")
    for button in ("Create service account", "Edit rocket-ci", "Delete rocket-ci"):
        page.get_by_role("button", name=button).click()
        page.locator("dialog").wait_for()
        expect_accessible(page, button)
        page.keyboard.press("Escape")
        page.locator("dialog").wait_for(state="detached")


@pytest.mark.slow
def test_pages_fit_320_pixels_without_scrolling_sideways(open_page: OpenPage, admin: Person) -> None:
    page = open_page(viewport={"width": 320, "height": 700})
    _open_ci_key_page(page, admin)
    _expect_no_scrolling(page)
    page.get_by_role("button", name="Create key").click()
    page.get_by_role("textbox", name="API key").wait_for()
    _expect_no_scrolling(page)
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    page.get_by_text("Use a key in a checkout or in CI").click()
    _expect_no_scrolling(page)
    _open_team(page)
    _expect_no_scrolling(page)


def _expect_no_scrolling(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, page.url
