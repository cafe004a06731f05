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


class TestLoginAtListener:
    @pytest.fixture(autouse=True)
    def codes(self, listener):
        listener.respond("POST", "/device/code", CODES | {"verification_uri": f"{listener.url}/device"})

    def approve(self, listener, **changes):
        token = {
            "access_token": made_up_session(),
            "token_type": "Bearer",
            "expires_in": 9,
            "session": SESSION,
        }
        listener.respond("POST", "/device/token", token | changes)

    def refuse(self, listener, error, status=400):
        words = {"title": "Bad request", "status": status, "detail": "No.", "code": "bad_request"}
        listener.respond("POST", "/device/token", words | {"error": error}, status=status)

    def polls(self, listener):
        return [asked for asked in listener.requests if asked["path"] == "/api/v1/device/token"]

    def test_poll_has_the_standard_fields(self, listener_terminal, listener):
        self.approve(listener)
        assert listener_terminal.run_interactively("login").code == 0
        [poll] = self.polls(listener)
        assert json.loads(poll["body"]) == {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": "the-device-code",
            "client_id": "reflow",
        }
        assert poll["Authorization"] == ""

    def test_json_output_has_no_secret(self, listener_terminal, listener):
        self.approve(listener)
        outcome = listener_terminal.run_interactively("login", "--json", "--quiet")
        session = json.loads(outcome.stdout[outcome.stdout.index("{") :])
        assert session == SESSION
        assert "Your code: BCDF-GHJK" in outcome.stdout

    @pytest.mark.parametrize(
        ("error", "sentence"),
        [
            ("access_denied", "was denied in the browser"),
            ("expired_token", "The code has expired. Run reflow login again"),
            ("invalid_grant", "Run reflow login again"),
        ],
    )
    def test_final_error_ends_the_run(self, listener_terminal, listener, error, sentence):
        self.refuse(listener, error)
        outcome = listener_terminal.run_interactively("login")
        assert outcome.code == 4
        assert sentence in outcome.stdout
        assert len(self.polls(listener)) == 1

    def test_slow_down_increases_the_interval(self, listener_terminal, listener):
        """The second poll comes six seconds after the first; by then the login is approved."""
        self.refuse(listener, "slow_down")
        listener.on_request = lambda asked: self.polls(listener) and self.approve(listener)
        assert listener_terminal.run_interactively("login").code == 0
        first, second = (poll["at"] for poll in self.polls(listener))
        assert second - first >= 6

    def test_polling_continues_while_pending(self, listener_terminal, listener):
        self.refuse(listener, "authorization_pending")
        listener.on_request = lambda asked: len(self.polls(listener)) >= 3 and self.approve(listener)
        assert listener_terminal.run_interactively("login").code == 0
        assert len(self.polls(listener)) >= 3

    def test_code_expires_without_a_response(self, listener_terminal, listener):
        listener.respond(
            "POST",
            "/device/code",
            CODES | {"verification_uri": f"{listener.url}/device", "expires_in": 2},
        )
        self.refuse(listener, "authorization_pending")
        outcome = listener_terminal.run_interactively("login")
        assert outcome.code == 4
        assert "The code has expired" in outcome.stdout

    @pytest.mark.parametrize(
        "changes",
        [
            {"verification_uri": "file:///etc/passwd"},
            {"verification_uri": "javascript:alert(1)"},
            {"verification_uri": "javascript://127.0.0.1/%0aalert(1)"},
            {"verification_uri": "http://[x"},
            {"verification_uri": "http://somebody@127.0.0.1/device"},
            {"user_code": None},
            {"device_code": 5},
            {"user_code": ""},
        ],
    )
    def test_malformed_codes_are_refused(self, listener_terminal, listener, changes):
        listener.respond(
            "POST", "/device/code", CODES | {"verification_uri": f"{listener.url}/device"} | changes
        )
        outcome = listener_terminal.run_interactively("login")
        assert outcome.code == 7
        assert "it is not a Reflow server" in outcome.stdout

    @pytest.mark.parametrize("interval", [None, "x", -5, 0, True, 10**30])
    def test_invalid_interval_is_ignored(self, listener_terminal, listener, interval):
        listener.respond(
            "POST",
            "/device/code",
            CODES | {"verification_uri": f"{listener.url}/device", "interval": interval, "expires_in": 1},
        )
        self.refuse(listener, "authorization_pending")
        assert listener_terminal.run_interactively("login").code == 4
        assert len(self.polls(listener)) <= 2

    @pytest.mark.parametrize("secret", [None, "", "rfs_short", 5])
    def test_invalid_token_is_not_stored(self, listener_terminal, listener, secret):
        self.approve(listener, access_token=secret)
        outcome = listener_terminal.run_interactively("login")
        assert outcome.code == 7
        assert not (listener_terminal.home / ".reflow" / "session.json").exists()

    def test_page_on_another_host_is_named_and_not_opened(self, listener_terminal, listener):
        listener.respond(
            "POST", "/device/code", CODES | {"verification_uri": "https://elsewhere.example/device"}
        )
        listener_terminal.environ["BROWSER"] = "false %s"
        self.approve(listener)
        outcome = listener_terminal.run_interactively("login")
        assert outcome.code == 0
        assert f"That page is not at {listener.url}" in outcome.stdout
        assert "Press Enter" not in outcome.stdout

    @pytest.mark.parametrize("error", [["x"], {}, None, 5])
    def test_malformed_refusal_is_explained(self, listener_terminal, listener, error):
        self.refuse(listener, error)
        outcome = listener_terminal.run_interactively("login")
        assert outcome.code == 1
        assert "inside the command" not in outcome.stdout

    def test_code_cannot_control_the_terminal(self, listener_terminal, listener):
        listener.respond(
            "POST",
            "/device/code",
            CODES | {"verification_uri": f"{listener.url}/device", "user_code": "A\x1b[2J"},
        )
        self.refuse(listener, "access_denied")
        assert "\x1b[2J" not in listener_terminal.run_interactively("login").stdout

    def test_unwritable_login_file_stops_before_the_request(self, listener_terminal, listener):
        (listener_terminal.home / ".reflow").write_text("in the way")
        outcome = listener_terminal.run_interactively("login")
        assert outcome.code == 1
        assert "cannot be kept" in outcome.stdout
        assert listener.requests == []
