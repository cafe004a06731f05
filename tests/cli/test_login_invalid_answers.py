"""`reflow login` through a browser, at a server that answers wrongly or too late."""

import json

import pytest

from tests.cli.secrets_for_tests import made_up_session

pytestmark = pytest.mark.slow

CODES = {"device_code": "the-device-code", "user_code": "BCDF-GHJK", "expires_in": 600, "interval": 1}
SESSION = {
    "id": "ses_1",
    "created_at": "2026-11-25T12:00:00.000000Z",
    "expires_at": "2026-12-25T12:00:00.000000Z",
    "user": {"id": "usr_1", "name": "Ada Park", "email": "ada@acme.example"},
}


class TestAtAServerOfTheTest:
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
        assert "it is not a Reflow server" in outcome.stdout

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
        assert not (here.home / ".reflow" / "session.json").exists()

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
