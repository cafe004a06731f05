"""`reflow login` through a browser: at the real server, and at one that misbehaves."""

import json
import re
import socket
import time

import pytest
from sqlalchemy import update

from reflow_accounts.extensions import db, now
from reflow_accounts.identity.models import DeviceLogin
from reflow_accounts.identity.secrets import digest_of
from tests.cli.hurry import asking_often
from tests.cli.secrets_for_tests import made_up_session
from tests.cli.terminal import CTRL_C
from tests.helpers.faulty_proxy import at
from tests.helpers.page_client import PageClient

CODE = re.compile(r"Your code: ([A-Z]{4}-[A-Z]{4})")
CODES = {"device_code": "the-device-code", "user_code": "BCDF-GHJK", "expires_in": 600, "interval": 1}
SESSION = {
    "id": "ses_1",
    "created_at": "2026-11-25T12:00:00.000000Z",
    "expires_at": "2026-12-25T12:00:00.000000Z",
    "user": {"id": "usr_1", "name": "Ada Park", "email": "ada@acme.example"},
}


def _file(terminal):
    return terminal.home / ".reflow" / "session.json"


@pytest.fixture
def decide(live, there):
    """`decide("approval")`: an answer to the code, given by Ben in a browser. The command does not wait long for it."""
    asking_often(there)

    def answer(act):
        def act_on(seen):
            browser = PageClient(live.app, live.app.response_class)
            browser.send("/login", email="ben@acme.example", password="reflow-demo-password")
            page = browser.send("/device", code=CODE.search(seen)[1]).headers["Location"]
            assert socket.gethostname()[:64] in browser.get(page).text
            assert browser.send(f"{page}/{act}").status_code == 303

        return act_on

    return answer


def test_who_approves_in_a_browser_is_logged_in(there, live, decide):
    outcome = there.run_at_a_screen("login", answers=(("Waiting", decide("approval")),))

    assert outcome.code == 0, outcome.stdout
    assert f"Open {live.url}/device and enter it." in outcome.stdout
    assert f"Logged in at {live.url} as Ben Cole (ben@acme.example)." in outcome.stdout
    assert _file(there).stat().st_mode & 0o777 == 0o600
    secret = json.loads(_file(there).read_text())["sessions"][live.url]["secret"]
    assert secret not in outcome.stdout

    assert f"Credential\tthe login at {live.url}\n" in there.run("whoami").stdout
    assert there.run("logout").code == 0


def test_on_a_terminal_login_starts_by_itself_and_the_command_goes_on(there, decide):
    outcome = there.run_at_a_screen("whoami", answers=(("Waiting", decide("approval")),))

    assert outcome.code == 0, outcome.stdout
    assert "You are not signed in" in outcome.stdout
    assert "Ben Cole" in outcome.stdout
    assert _file(there).exists()


def test_who_denies_is_not_logged_in(there, decide):
    outcome = there.run_at_a_screen("login", answers=(("Waiting", decide("denial")),))

    assert outcome.code == 4
    assert "reflow: The login was denied in the browser. Nothing was kept." in outcome.stdout
    assert not _file(there).exists()


def test_a_code_that_has_expired_ends_the_run(there, live):
    def expire(seen):
        code = CODE.search(seen)[1].replace("-", "")
        with live.app.app_context():
            mine = update(DeviceLogin).where(DeviceLogin.user_digest == digest_of(code))
            db.session.execute(mine.values(expires_at=now()))
            db.session.commit()

    asking_often(there)
    outcome = there.run_at_a_screen("login", answers=(("Waiting", expire),))

    assert outcome.code == 4
    assert "reflow: The code has expired. Run reflow login again for a new one." in outcome.stdout
    assert not _file(there).exists()


def test_who_asks_too_often_is_slowed_down_and_logged_in_all_the_same(disturbed, decide):
    """The login is approved when the server has said that it is asked too often."""
    codes, refusals = [], []

    def approve_when_slowed_down(exchange):
        answer = exchange.answer()
        refusals.extend(re.findall(rb'"error": ?"(\w+)"', answer))
        if refusals[-1:] == [b"slow_down"] and codes:
            decide("approval")(codes.pop())
        exchange.back.sendall(answer)

    disturbed.proxy.always = at("POST /api/v1/device/token", approve_when_slowed_down)
    outcome = disturbed.run_at_a_screen("login", answers=(("Waiting", lambda seen: codes.append(seen)),))

    assert outcome.code == 0, outcome.stdout
    assert refusals[:2] == [b"authorization_pending", b"slow_down"]
    assert "as Ben Cole" in outcome.stdout


def test_who_gives_up_ends_with_130(there):
    outcome = there.run_at_a_screen("login", answers=(("Waiting", CTRL_C),))

    assert outcome.code == 130
    assert "interrupted" in outcome.stdout
    assert "Traceback" not in outcome.stdout
    assert not _file(there).exists()


@pytest.mark.parametrize("words", [("login",), ("login", "--json")])
def test_without_a_terminal_nothing_is_asked_for(there, words):
    outcome = there.run(*words)

    assert outcome.code == 2
    assert "In CI use an API key" in outcome.stderr
    assert "--with-password" in outcome.stderr


def test_in_ci_nothing_is_asked_for_on_a_terminal_either(there):
    there.environ["CI"] = "true"
    outcome = there.run_at_a_screen("login")

    assert outcome.code == 2
    assert "Your code" not in outcome.stdout


class TestAtAServerOfTheTest:
    """What a real server does not do, or does too late."""

    @pytest.fixture(autouse=True)
    def codes(self, listener):
        listener.says("POST", "/device/code", CODES | {"verification_uri": f"{listener.url}/device"})

    def approve(self, listener, **changes):
        token = {
            "access_token": made_up_session(),
            "token_type": "Bearer",
            "expires_in": 9,
            "session": SESSION,
        }
        listener.says("POST", "/device/token", token | changes)

    def refuse(self, listener, error, status=400):
        words = {"title": "Bad request", "status": status, "detail": "No.", "code": "bad_request"}
        listener.says("POST", "/device/token", words | {"error": error}, status=status)

    def polls(self, listener):
        return [asked for asked in listener.asked if asked["path"] == "/api/v1/device/token"]

    def test_the_polls_say_what_the_standard_says(self, here, listener):
        self.approve(listener)
        assert here.run_at_a_screen("login").code == 0
        [poll] = self.polls(listener)
        assert json.loads(poll["body"]) == {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": "the-device-code",
            "client_id": "reflow",
        }
        assert poll["Authorization"] == ""

    def test_with_json_the_session_is_printed_without_its_secret(self, here, listener):
        self.approve(listener)
        outcome = here.run_at_a_screen("login", "--json", "--quiet")
        shown = json.loads(outcome.stdout[outcome.stdout.index("{") :])
        assert shown == SESSION
        assert "Your code: BCDF-GHJK" in outcome.stdout

    @pytest.mark.parametrize(
        ("error", "sentence"),
        [
            ("access_denied", "was denied in the browser"),
            ("expired_token", "The code has expired. Run reflow login again"),
            ("invalid_grant", "Run reflow login again"),
        ],
    )
    def test_what_is_over_ends_the_run_and_says_what_to_do(self, here, listener, error, sentence):
        self.refuse(listener, error)
        outcome = here.run_at_a_screen("login")
        assert outcome.code == 4
        assert sentence in outcome.stdout
        assert len(self.polls(listener)) == 1

    def test_it_slows_down_when_told_to(self, here, listener):
        """The second poll comes six seconds after the first; by then the login is approved."""
        self.refuse(listener, "slow_down")
        listener.heard = lambda asked: self.polls(listener) and self.approve(listener)
        assert here.run_at_a_screen("login").code == 0
        first, second = (poll["at"] for poll in self.polls(listener))
        assert second - first >= 6

    def test_it_goes_on_asking_while_nobody_has_decided(self, here, listener):
        self.refuse(listener, "authorization_pending")
        listener.heard = lambda asked: len(self.polls(listener)) >= 3 and self.approve(listener)
        assert here.run_at_a_screen("login").code == 0
        assert len(self.polls(listener)) >= 3

    def test_a_code_that_nobody_uses_in_time_ends_here_too(self, here, listener):
        listener.says(
            "POST",
            "/device/code",
            CODES | {"verification_uri": f"{listener.url}/device", "expires_in": 2},
        )
        self.refuse(listener, "authorization_pending")
        outcome = here.run_at_a_screen("login")
        assert outcome.code == 4
        assert "The code has expired" in outcome.stdout

    @pytest.mark.parametrize(
        "wrong",
        [
            {"verification_uri": "file:///etc/passwd"},
            {"verification_uri": "javascript:alert(1)"},
            {"verification_uri": "http://[x"},
            {"verification_uri": "http://somebody@127.0.0.1/device"},
            {"user_code": None},
            {"device_code": 5},
            {"user_code": ""},
        ],
    )
    def test_an_answer_that_reflow_does_not_write_is_said_to_be_one(self, here, listener, wrong):
        listener.says("POST", "/device/code", CODES | {"verification_uri": f"{listener.url}/device"} | wrong)
        outcome = here.run_at_a_screen("login")
        assert outcome.code == 7
        assert "it is not Reflow that answers" in outcome.stdout

    @pytest.mark.parametrize("interval", [None, "x", -5, 0, True, 10**30])
    def test_a_strange_interval_does_no_harm(self, here, listener, interval):
        listener.says(
            "POST",
            "/device/code",
            CODES | {"verification_uri": f"{listener.url}/device", "interval": interval, "expires_in": 1},
        )
        self.refuse(listener, "authorization_pending")
        assert here.run_at_a_screen("login").code == 4

    @pytest.mark.parametrize("secret", [None, "", "rfs_short", 5])
    def test_a_token_that_is_none_is_not_kept(self, here, listener, secret):
        self.approve(listener, access_token=secret)
        outcome = here.run_at_a_screen("login")
        assert outcome.code == 7
        assert not _file(here).exists()

    def test_a_page_elsewhere_is_said_to_be_one_and_not_opened(self, here, listener):
        listener.says(
            "POST", "/device/code", CODES | {"verification_uri": "https://elsewhere.example/device"}
        )
        here.environ["BROWSER"] = "false %s"
        self.approve(listener)
        outcome = here.run_at_a_screen("login")
        assert outcome.code == 0
        assert f"That page is not at {listener.url}" in outcome.stdout
        assert "Press Enter" not in outcome.stdout

    @pytest.mark.parametrize("error", [["x"], {}, None, 5])
    def test_a_strange_refusal_ends_in_words(self, here, listener, error):
        self.refuse(listener, error)
        outcome = here.run_at_a_screen("login")
        assert outcome.code == 1
        assert "inside the command" not in outcome.stdout

    def test_a_code_cannot_steer_the_terminal(self, here, listener):
        listener.says(
            "POST",
            "/device/code",
            CODES | {"verification_uri": f"{listener.url}/device", "user_code": "A\x1b[2J"},
        )
        self.refuse(listener, "access_denied")
        assert "\x1b[2J" not in here.run_at_a_screen("login").stdout

    def test_where_a_login_cannot_be_kept_no_code_is_asked_for(self, here, listener):
        (here.home / ".reflow").write_text("in the way")
        outcome = here.run_at_a_screen("login")
        assert outcome.code == 1
        assert "cannot be kept" in outcome.stdout
        assert listener.asked == []


class TestTheBrowser:
    """Enter opens the page in a browser of one's own choice; in CI and over SSH nothing is offered."""

    @pytest.fixture
    def browser(self, there, tmp_path):
        """A browser that writes down which address it was given."""
        seen = tmp_path / "seen"
        program = tmp_path / "browser"
        program.write_text(f'#!/bin/sh\necho noise >&2\necho "$1" > {seen}\n')
        program.chmod(0o700)
        there.environ["BROWSER"] = f"{program} %s"
        return seen

    def test_enter_opens_the_page_and_the_login_goes_on(self, there, live, browser, decide):
        approve_and_press_enter = lambda seen: decide("approval")(seen) or ""  # noqa: E731
        outcome = there.run_at_a_screen("login", answers=(("Waiting", approve_and_press_enter),))
        assert outcome.code == 0, outcome.stdout
        assert browser.read_text() == f"{live.url}/device\n"
        assert "noise" not in outcome.stdout

    def test_a_browser_that_stays_open_holds_nothing_up(self, there, tmp_path, browser, decide):
        """Neither the polls, nor whoever reads the output to its end."""
        (tmp_path / "browser").write_text("#!/bin/sh\necho noise\nexec sleep 25\n")
        approve_and_press_enter = lambda seen: decide("approval")(seen) or ""  # noqa: E731
        began = time.monotonic()
        outcome = there.run_at_a_screen("login", answers=(("Waiting", approve_and_press_enter),))
        assert outcome.code == 0, outcome.stdout
        assert "noise" not in outcome.stdout
        assert time.monotonic() - began < 25

    def test_without_enter_nothing_is_opened(self, there, browser, decide):
        assert there.run_at_a_screen("login", answers=(("Waiting", decide("approval")),)).code == 0
        assert not browser.exists()

    def test_who_sees_no_browser_is_told_what_to_do(self, there, browser, decide):
        there.environ["BROWSER"] = "/no/such/browser %s"
        outcome = there.run_at_a_screen(
            "login", answers=(("Waiting", ""), ("open the page by hand", decide("approval")))
        )
        assert outcome.code == 0, outcome.stdout

    def test_over_ssh_nothing_is_offered(self, there, decide):
        there.environ |= {"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22", "DISPLAY": ":0"}
        outcome = there.run_at_a_screen("login", answers=(("Waiting", decide("approval")),))
        assert outcome.code == 0
        assert "Press Enter" not in outcome.stdout
