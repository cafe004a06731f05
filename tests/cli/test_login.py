"""Login with a password and logout at the real server, in scripts and on a terminal."""

import json

import pytest

from tests import factories
from tests.cli.account import PASSWORD, request
from tests.cli.terminal import CTRL_C
from tests.helpers.authenticator_app import turn_on

EMAIL = "ben@acme.example"
LOGIN = ("login", "--with-password", "--email", EMAIL)


def _file(terminal):
    return terminal.home / ".reflow" / "session.json"


def _secret(terminal, live) -> str:
    return json.loads(_file(terminal).read_text())["sessions"][live.url]["secret"]


def test_script_logs_in_and_out(terminal, live):
    assert terminal.run("--server", live.url, *LOGIN, stdin=f"{PASSWORD}\n").code == 0
    secret = _secret(terminal, live)

    outcome = terminal.run("whoami")
    assert outcome.code == 0, outcome.stderr
    assert "Name\tBen Cole\n" in outcome.stdout
    assert f"Email\t{EMAIL}\n" in outcome.stdout
    assert "Team\tAcme, edit, subscription active\n" in outcome.stdout
    assert f"Credential\tthe login at {live.url}\n" in outcome.stdout
    assert f"Server\t{live.url}\n" in outcome.stdout
    assert secret not in outcome.output

    assert terminal.run("logout").code == 0
    assert request(live.url, "GET", "/me", secret)[0] == 401
    assert "rfs_" not in _file(terminal).read_text()
    assert terminal.run("--server", live.url, "whoami").code == 4


def test_wrong_password_is_refused(live_terminal):
    outcome = live_terminal.run(*LOGIN, stdin="not the password\n")

    assert outcome.code == 4
    assert outcome.stderr == "reflow: Email or password is not correct.\n"
    assert not _file(live_terminal).exists()


def test_unknown_email_is_refused_the_same(live_terminal):
    outcome = live_terminal.run("login", "--email", "nobody@acme.example", stdin=f"{PASSWORD}\n")

    assert outcome.code == 4
    assert outcome.stderr == "reflow: Email or password is not correct.\n"


def test_password_changed_meanwhile_is_explained(listener_terminal, listener):
    reason = "Your password was changed meanwhile. Log in with the new one."
    problem = {"title": "Not signed in", "status": 401, "detail": reason, "code": "missing_credentials"}
    listener.respond("POST", "/sessions", problem, 401)

    for otp in ((), ("--otp", "123456")):
        outcome = listener_terminal.run(*LOGIN, *otp, stdin=PASSWORD)
        assert outcome.code == 4
        assert outcome.stderr == f"reflow: {reason}\n"
    assert not _file(listener_terminal).exists()


def test_user_is_prompted_and_the_password_is_hidden(live_terminal, live):
    answers = (("Email", EMAIL), ("Password", PASSWORD))
    outcome = live_terminal.run_interactively("login", "--with-password", answers=answers)

    assert outcome.code == 0, outcome.stdout
    assert f"Logged in at {live.url} as Ben Cole ({EMAIL})." in outcome.stdout
    assert PASSWORD not in outcome.stdout


def test_ci_terminal_is_not_prompted(live_terminal):
    live_terminal.environ["CI"] = "true"

    outcome = live_terminal.run_interactively("whoami")

    assert outcome.code == 4
    assert "Your code" not in outcome.stdout
    assert "Email" not in outcome.stdout


def test_aborted_login_prints_no_traceback(live_terminal):
    outcome = live_terminal.run_interactively("login", "--with-password", answers=(("Email", CTRL_C),))

    assert outcome.code == 130
    assert "Traceback" not in outcome.stdout


def test_ended_login_is_named_and_can_log_out(live_terminal, live):
    live_terminal.run(*LOGIN, stdin=PASSWORD)
    assert request(live.url, "DELETE", "/sessions/current", _secret(live_terminal, live))[0] == 204

    outcome = live_terminal.run("whoami")
    assert outcome.code == 4
    assert f"the login at {live.url}" in outcome.stderr
    assert "has ended. Run reflow login" in outcome.stderr

    assert live_terminal.run("logout").code == 0
    assert "rfs_" not in _file(live_terminal).read_text()


def test_logout_without_a_login_succeeds(live_terminal):
    outcome = live_terminal.run("logout")

    assert outcome.code == 0
    assert "You were not logged in" in outcome.stderr


@pytest.fixture
def person_with_second_factor(live):
    """A person whose second factor is on, and the authenticator app."""
    person = factories.person(live.app)
    return person, turn_on(person)


def test_user_is_prompted_for_the_code(live_terminal, person_with_second_factor):
    person, authenticator = person_with_second_factor
    answers = (("Email", person.email), ("Password", PASSWORD), ("Authentication code", authenticator.code()))
    outcome = live_terminal.run_interactively("login", "--with-password", answers=answers)

    assert outcome.code == 0, outcome.stdout
    assert f"as {person.full_name}" in outcome.stdout
    assert live_terminal.run("whoami").code == 0


def test_script_passes_the_code_or_a_recovery_code(live_terminal, person_with_second_factor):
    person, authenticator = person_with_second_factor
    login = ("login", "--with-password", "--email", person.email)

    outcome = live_terminal.run(*login, stdin=PASSWORD)
    assert outcome.code == 4
    assert "Give the code of your authenticator app with --otp." in outcome.stderr
    assert not _file(live_terminal).exists()

    for otp in (authenticator.code(), authenticator.recovery_codes[0]):
        outcome = live_terminal.run(*login, "--otp", otp, stdin=PASSWORD)
        assert outcome.code == 0, outcome.stderr
        assert otp not in outcome.output
        outcome = live_terminal.run(*login, "--otp", otp, stdin=PASSWORD)
        assert outcome.code == 4
        assert outcome.stderr == "reflow: The authentication code is not correct.\n"


def test_wrong_code_on_a_terminal_is_refused_once(live_terminal, person_with_second_factor):
    answers = (
        ("Email", person_with_second_factor[0].email),
        ("Password", PASSWORD),
        ("Authentication code", "000000"),
    )
    outcome = live_terminal.run_interactively("login", "--with-password", answers=answers)

    assert outcome.code == 4
    assert "The authentication code is not correct." in outcome.stdout
    assert outcome.stdout.count("Authentication code") == 1
