"""`reflow login` through a browser, at the real server."""

import json
import re
import socket
import time

import pytest
from sqlalchemy import update

from reflow_accounts.auth.models import DeviceLogin
from reflow_accounts.auth.secrets import digest_of
from reflow_accounts.database import db, now
from tests.cli.fake_clock import polling_often
from tests.cli.terminal import CTRL_C
from tests.helpers.faulty_proxy import at
from tests.helpers.page_client import PageClient
from tests.helpers.waiting import wait_until

CODE = re.compile(r"Your code: ([A-Z]{4}-[A-Z]{4})")


def _file(terminal):
    return terminal.home / ".reflow" / "session.json"


@pytest.fixture
def decide(live, live_terminal):
    """`decide("approval")`: an answer to the code, given by Ben in a browser. The command does not wait long for it."""
    polling_often(live_terminal)

    def answer(act):
        def act_on(seen):
            browser = PageClient(live.app, live.app.response_class)
            browser.send("/login", email="ben@acme.example", password="reflow-demo-password")
            page = browser.send("/device", code=CODE.search(seen)[1]).headers["Location"]
            assert socket.gethostname()[:64] in browser.get(page).text
            assert browser.send(f"{page}/{act}").status_code == 303

        return act_on

    return answer


def test_approved_login_succeeds(live_terminal, live, decide):
    outcome = live_terminal.run_interactively("login", answers=(("Waiting", decide("approval")),))

    assert outcome.code == 0, outcome.stdout
    assert f"Open {live.url}/device and enter it." in outcome.stdout
    assert f"Logged in at {live.url} as Ben Cole (ben@acme.example)." in outcome.stdout
    assert _file(live_terminal).stat().st_mode & 0o777 == 0o600
    secret = json.loads(_file(live_terminal).read_text())["sessions"][live.url]["secret"]
    assert secret not in outcome.stdout

    assert f"Credential\tthe login at {live.url}\n" in live_terminal.run("whoami").stdout
    assert live_terminal.run("logout").code == 0


def test_login_ends_the_login_stored_meanwhile(live_terminal, live, decide):
    with_password = ("login", "--with-password", "--email", "ada@acme.example")
    earlier = []

    def log_in_meanwhile(seen):
        assert live_terminal.run(*with_password, stdin="reflow-demo-password\n").code == 0
        earlier.append(json.loads(_file(live_terminal).read_text())["sessions"][live.url]["secret"])
        decide("approval")(seen)

    outcome = live_terminal.run_interactively("login", answers=(("Waiting", log_in_meanwhile),))

    assert outcome.code == 0, outcome.stdout
    assert "ben@acme.example" in live_terminal.run("whoami").stdout
    bearer = {"Authorization": f"Bearer {earlier[0]}"}
    assert live.app.test_client().get("/api/v1/me", headers=bearer).status_code == 401


def test_login_starts_on_demand_and_the_command_continues(live_terminal, decide):
    outcome = live_terminal.run_interactively("whoami", answers=(("Waiting", decide("approval")),))

    assert outcome.code == 0, outcome.stdout
    assert "You are not signed in" in outcome.stdout
    assert "Ben Cole" in outcome.stdout
    assert _file(live_terminal).exists()


def test_denied_login_fails(live_terminal, decide):
    outcome = live_terminal.run_interactively("login", answers=(("Waiting", decide("denial")),))

    assert outcome.code == 4
    assert "reflow: The login was denied in the browser. Nothing was kept." in outcome.stdout
    assert not _file(live_terminal).exists()


def test_expired_code_ends_the_run(live_terminal, live):
    def expire(seen):
        code = CODE.search(seen)[1].replace("-", "")
        with live.app.app_context():
            mine = update(DeviceLogin).where(DeviceLogin.user_digest == digest_of(code))
            db.session.execute(mine.values(expires_at=now()))
            db.session.commit()

    polling_often(live_terminal)
    outcome = live_terminal.run_interactively("login", answers=(("Waiting", expire),))

    assert outcome.code == 4
    assert "reflow: The code has expired. Run reflow login again for a new one." in outcome.stdout
    assert not _file(live_terminal).exists()


def test_login_that_polls_too_often_is_slowed_down(proxied_terminal, decide):
    """The login is approved when the server has said that it is asked too often."""
    codes, refusals = [], []

    def approve_when_slowed_down(exchange):
        answer = exchange.answer()
        refusals.extend(re.findall(rb'"error": ?"(\w+)"', answer))
        if refusals[-1:] == [b"slow_down"] and codes:
            decide("approval")(codes.pop())
        exchange.back.sendall(answer)

    proxied_terminal.proxy.always = at("POST /api/v1/device/token", approve_when_slowed_down)
    outcome = proxied_terminal.run_interactively(
        "login", answers=(("Waiting", lambda seen: codes.append(seen)),)
    )

    assert outcome.code == 0, outcome.stdout
    assert refusals[:2] == [b"authorization_pending", b"slow_down"]
    assert "as Ben Cole" in outcome.stdout


def test_ctrl_c_during_login_ends_with_130(live_terminal):
    outcome = live_terminal.run_interactively("login", answers=(("Waiting", CTRL_C),))

    assert outcome.code == 130
    assert "interrupted" in outcome.stdout
    assert "Traceback" not in outcome.stdout
    assert not _file(live_terminal).exists()


@pytest.mark.parametrize("words", [("login",), ("login", "--json")])
def test_script_is_not_prompted(live_terminal, words):
    outcome = live_terminal.run(*words)

    assert outcome.code == 2
    assert "In CI use an API key" in outcome.stderr
    assert "--with-password" in outcome.stderr


def test_ci_is_not_prompted_on_a_terminal(live_terminal):
    live_terminal.environ["CI"] = "true"
    outcome = live_terminal.run_interactively("login")

    assert outcome.code == 2
    assert "Your code" not in outcome.stdout


class TestBrowserPrompt:
    """Enter opens the page in a browser of one's own choice; in CI and over SSH nothing is offered."""

    @pytest.fixture
    def browser(self, live_terminal, tmp_path):
        """A browser that writes down which address it was given."""
        seen = tmp_path / "seen"
        program = tmp_path / "browser"
        program.write_text(f'#!/bin/sh\necho noise >&2\necho "$1" > {seen}\n')
        program.chmod(0o700)
        live_terminal.environ["BROWSER"] = f"{program} %s"
        return seen

    @pytest.fixture
    def enter(self, browser, decide):
        """Enter is pressed, and the login approved once the browser is open."""

        def approve(seen):
            wait_until(browser.exists)
            decide("approval")(seen)

        # What is typed appears, too.
        return ("Waiting", ""), ("\n", approve)

    def test_enter_opens_the_page_and_the_login_continues(self, live_terminal, live, browser, enter):
        outcome = live_terminal.run_interactively("login", answers=enter)
        assert outcome.code == 0, outcome.stdout
        assert browser.read_text() == f"{live.url}/device\n"
        assert "noise" not in outcome.stdout

    def test_open_browser_does_not_block_the_login(self, live_terminal, tmp_path, browser, enter):
        """Neither the polls, nor a program that reads the output to its end."""
        (tmp_path / "browser").write_text(f"#!/bin/sh\necho noise\ntouch {browser}\nexec sleep 25\n")
        began = time.monotonic()
        outcome = live_terminal.run_interactively("login", answers=enter)
        assert outcome.code == 0, outcome.stdout
        assert "noise" not in outcome.stdout
        assert time.monotonic() - began < 25

    def test_browser_is_not_opened_without_enter(self, live_terminal, browser, decide):
        assert live_terminal.run_interactively("login", answers=(("Waiting", decide("approval")),)).code == 0
        assert not browser.exists()

    def test_failed_browser_is_explained(self, live_terminal, browser, decide):
        live_terminal.environ["BROWSER"] = "/no/such/browser %s"
        outcome = live_terminal.run_interactively(
            "login", answers=(("Waiting", ""), ("open the page by hand", decide("approval")))
        )
        assert outcome.code == 0, outcome.stdout

    def test_browser_is_not_offered_over_ssh(self, live_terminal, decide):
        live_terminal.environ |= {"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22", "DISPLAY": ":0"}
        outcome = live_terminal.run_interactively("login", answers=(("Waiting", decide("approval")),))
        assert outcome.code == 0
        assert "Press Enter" not in outcome.stdout
