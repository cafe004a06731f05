"""A person at a terminal logs in through the browser, and is signed out from the browser."""

import queue
import re
import threading
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from reflow_accounts.database import now
from tests.cli.terminal import Terminal
from tests.factories import Person
from tests.helpers.authenticator_app import turn_on
from tests.helpers.live_server import LiveServer
from tests.journeys.conftest import SCRIPTS, OpenPage
from tests.journeys.steps import log_in
from tests.journeys.test_passkeys import add_authenticator, add_passkey

CODE = re.compile(r"Your code: ([A-Z]{4}-[A-Z]{4})")


class Login:
    """`reflow login` in a pseudo-terminal, running beside the browser."""

    def __init__(self, server: LiveServer, folder: Path) -> None:
        (folder / "home").mkdir()
        self.terminal = Terminal(folder / "home", folder)
        self.terminal.environ["REFLOW_SERVER"] = server.url
        self._codes: queue.Queue[str] = queue.Queue()
        self._outcome: Any = None
        self._thread = threading.Thread(target=self._run)

    def start(self) -> str:
        """Begin, and return the code that the terminal shows."""
        self._thread.start()
        return self._codes.get(timeout=30)

    def _run(self) -> None:
        def read_code(output: str) -> None:
            self._codes.put(CODE.findall(output)[0])

        self._outcome = self.terminal.run_interactively("login", answers=(("Waiting", read_code),))

    def outcome(self) -> Any:
        self._thread.join(60)
        return self._outcome


@pytest.fixture
def login(live: LiveServer, tmp_path: Path) -> Login:
    return Login(live, tmp_path)


def enter_code(page: Page, code: str) -> None:
    page.get_by_role("textbox", name="Code").fill(code)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Let this terminal in?").wait_for()


@SCRIPTS
def test_terminal_is_approved_and_ended_from_the_security_tab(
    open_page: OpenPage, member: Person, login: Login, with_script: bool
) -> None:
    code = login.start()
    page = open_page(java_script_enabled=with_script)
    page.goto("/device")
    page.get_by_role("textbox", name="Email").fill(member.email)
    page.get_by_role("textbox", name="Password").fill(member.password)
    page.get_by_role("button", name="Log in").click()
    enter_code(page, code.lower().replace("-", " "))
    expect(page.get_by_text("reflow command on Linux")).to_be_visible()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("heading", name="Approved").wait_for()

    assert login.outcome().code == 0, login.outcome().stdout
    assert login.terminal.run("whoami").code == 0

    page.get_by_role("link", name="Account › Security").click()
    page.get_by_role("button", name=re.compile(r"^Sign out reflow command on Linux \(")).click()
    expect(page.get_by_role("heading", name=re.compile("was signed out"))).to_be_visible()
    result = login.terminal.run("whoami")
    assert result.code == 4
    assert "has ended. Run reflow login" in result.stderr


@pytest.mark.slow
def test_terminal_is_denied(open_page: OpenPage, member: Person, login: Login) -> None:
    code = login.start()
    page = open_page()
    log_in(page, member.email)
    page.goto("/device")
    enter_code(page, code)
    page.get_by_role("button", name="Deny").click()
    page.get_by_role("heading", name="Denied").wait_for()
    assert login.outcome().code == 4


@pytest.mark.slow
def test_passkey_approves_a_terminal(
    open_page: OpenPage, live: LiveServer, member: Person, login: Login
) -> None:
    """The passkey signs in, and confirms again when the last proof is old."""
    page = open_page(SimpleNamespace(url=f"http://localhost:{live.port}"))
    add_authenticator(page)
    log_in(page, member.email)
    add_passkey(page, "Laptop")
    page.context.clear_cookies()

    code = login.start()
    page.goto("/device")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_role("textbox", name="Code").wait_for()
    enter_code(page, code)
    member.change_sessions(proven_at=now() - timedelta(hours=1))
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("heading", name="Approved").wait_for()
    assert login.outcome().code == 0


@pytest.mark.slow
def test_authenticator_code_approves_a_terminal(open_page: OpenPage, member: Person, login: Login) -> None:
    authenticator = turn_on(member)
    code = login.start()
    page = open_page()
    page.goto("/device")
    page.get_by_role("textbox", name="Email").fill(member.email)
    page.get_by_role("textbox", name="Password").fill(member.password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("textbox", name="Authentication code").fill(authenticator.code())
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Connect a terminal").wait_for()
    enter_code(page, code)
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("heading", name="Approved").wait_for()
    assert login.outcome().code == 0
