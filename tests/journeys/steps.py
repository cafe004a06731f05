"""Steps of a user on the pages, by visible labels."""

import os
import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Locator, Page

from reflow_accounts.demo import PASSWORD
from tests.helpers.live_server import ROOT


def log_in(page: Page, email: str, password: str = PASSWORD) -> None:
    """Log in and open the Account page; the form is sent without being drawn, which takes half the time."""
    server = page.context.request
    token = re.search('name="csrf_token" value="([^"]+)"', server.get("/login").text())
    assert token, "there is no form to log in"
    form = {"csrf_token": token[1], "email": email, "password": password}
    response = server.post("/login", form=form, max_redirects=0)
    assert response.headers.get("location"), f"{email} was not logged in: {response.status}"
    page.goto(response.headers["location"])
    page.get_by_role("heading", name="Account", exact=True).wait_for()


def log_in_by_form(page: Page, email: str, password: str = PASSWORD) -> None:
    page.goto("/login")
    page.get_by_role("textbox", name="Email").fill(email)
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Account", exact=True).wait_for()


def open_api_keys(page: Page, full_name: str) -> None:
    """Open the tab by the user's name in the top right corner."""
    page.get_by_role("link", name=full_name, exact=True).click()
    page.get_by_role("link", name="API Keys", exact=True).first.click()
    page.get_by_role("heading", name="API Keys", level=2).wait_for()


def open_key_list(page: Page) -> None:
    """Open the tab in another window of a browser that is signed in."""
    page.goto("/account/api-keys")
    page.get_by_role("heading", name="API Keys", level=2).wait_for()


def submit_new_key(page: Page, name: str) -> None:
    page.get_by_role("button", name="Create New API Key").click()
    page.get_by_role("textbox", name="Name", exact=True).fill(name)
    page.get_by_role("button", name="Create key").click()


def create_key(page: Page, name: str) -> None:
    """Create a key and stop where it is shown."""
    submit_new_key(page, name)
    page.get_by_role("textbox", name="API key").wait_for()


def download_key(page: Page, folder: Path) -> Path:
    with page.expect_download() as download_info:
        page.get_by_role("link", name="Download reflow.key").click()
    assert download_info.value.suggested_filename == "reflow.key"
    file = folder / "reflow.key"
    download_info.value.save_as(file)
    file.chmod(0o600)
    return file


def row_of(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def cells(page: Page, name: str) -> list[str]:
    """Return last used, number of times used and created, as the row of a key shows them."""
    return row_of(page, name).get_by_role("cell").all_inner_texts()[:3]


def reflow(server: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in its own process, with an empty home folder."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "REFLOW_SERVER": server,
    }
    return subprocess.run(
        [sys.executable, "-m", "reflow_accounts.cli", *arguments],
        cwd=home,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
