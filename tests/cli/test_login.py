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


def test_script_logs_in_asks_and_logs_out(terminal, live):
    assert terminal.run("--server", live.url, *LOGIN, stdin=f"{PASSWORD}\n").code == 0
    secret = _secret(terminal, live)

    outcome = terminal.run("whoami")
    assert outcome.code == 0, outcome.stderr
    assert "Name\tBen Cole\n" in outcome.stdout
    assert f"Email\t{EMAIL}\n" in outcome.stdout
    assert "Team\tAcme, edit, subscription active\n" in outcome.stdout
    assert f"Credential\tthe login at {live.url}\n" in outcome.stdout
    assert f"Server\t{live.url}\n" in outcome.stdout
    assert secret not in outcome.everything

    assert terminal.run("logout").code == 0
    assert request(live.url, "GET", "/me", secret)[0] == 401
    assert "rfs_" not in _file(terminal).read_text()
    assert terminal.run("--server", live.url, "whoami").code == 4


def test_wrong_password_is_refused_and_nothing_is_kept(there):
    outcome = there.run(*LOGIN, stdin="not the password\n")

    assert outcome.code == 4
    assert outcome.stderr == "reflow: Email or password is not correct.\n"
    assert not _file(there).exists()


def test_unknown_email_is_refused_with_the_same_words(there):
    outcome = there.run("login", "--email", "nobody@acme.example", stdin=f"{PASSWORD}\n")

    assert outcome.code == 4
    assert outcome.stderr == "reflow: Email or password is not correct.\n"


def test_password_that_was_changed_meanwhile_is_told_from_a_wrong_one(here, listener):
    reason = "Your password was changed meanwhile. Log in with the new one."
    problem = {"title": "Not signed in", "status": 401, "detail": reason, "code": "missing_credentials"}
    listener.says("POST", "/sessions", problem, 401)

    for otp in ((), ("--otp", "123456")):
        outcome = here.run(*LOGIN, *otp, stdin=PASSWORD)
        assert outcome.code == 4
        assert outcome.stderr == f"reflow: {reason}\n"
    assert not _file(here).exists()


def test_person_is_asked_and_the_password_is_not_shown(there, live):
    answers = (("Email", EMAIL), ("Password", PASSWORD))
    outcome = there.run_at_a_screen("login", "--with-password", answers=answers)

    assert outcome.code == 0, outcome.stdout
    assert f"Logged in at {live.url} as Ben Cole ({EMAIL})." in outcome.stdout
    assert PASSWORD not in outcome.stdout


def test_ci_terminal_is_not_asked(there):
    there.environ["CI"] = "true"

    outcome = there.run_at_a_screen("whoami")

    assert outcome.code == 4
    assert "Your code" not in outcome.stdout
    assert "Email" not in outcome.stdout


def test_aborted_login_prints_no_traceback(there):
    outcome = there.run_at_a_screen("login", "--with-password", answers=(("Email", CTRL_C),))

    assert outcome.code == 130
    assert "Traceback" not in outcome.stdout


def test_forgotten_login_is_refused_by_name_and_can_log_out(there, live):
    there.run(*LOGIN, stdin=PASSWORD)
    assert request(live.url, "DELETE", "/sessions/current", _secret(there, live))[0] == 204

    outcome = there.run("whoami")
    assert outcome.code == 4
    assert f"the login at {live.url}" in outcome.stderr
    assert "has ended. Run reflow login" in outcome.stderr

    assert there.run("logout").code == 0
    assert "rfs_" not in _file(there).read_text()


def test_logout_without_a_login_succeeds(there):
    outcome = there.run("logout")

    assert outcome.code == 0
    assert "You were not logged in" in outcome.stderr


@pytest.fixture
def guarded(live):
    """A person whose second factor is on, and the authenticator app."""
    person = factories.person(live.app)
    return person, turn_on(person)


def test_person_is_asked_for_the_code_when_it_is_needed(there, guarded):
    person, phone = guarded
    answers = (("Email", person.email), ("Password", PASSWORD), ("Authentication code", phone.code()))
    outcome = there.run_at_a_screen("login", "--with-password", answers=answers)

    assert outcome.code == 0, outcome.stdout
    assert f"as {person.full_name}" in outcome.stdout
    assert there.run("whoami").code == 0


def test_script_gives_the_code_or_a_recovery_code(there, guarded):
    person, phone = guarded
    login = ("login", "--with-password", "--email", person.email)

    outcome = there.run(*login, stdin=PASSWORD)
    assert outcome.code == 4
    assert "Give the code of your authenticator app with --otp." in outcome.stderr
    assert not _file(there).exists()

    for otp in (phone.code(), phone.recovery_codes[0]):
        outcome = there.run(*login, "--otp", otp, stdin=PASSWORD)
        assert outcome.code == 0, outcome.stderr
        assert otp not in outcome.everything
        outcome = there.run(*login, "--otp", otp, stdin=PASSWORD)
        assert outcome.code == 4
        assert outcome.stderr == "reflow: The authentication code is not correct.\n"


def test_wrong_code_on_a_terminal_is_refused_once(there, guarded):
    answers = (("Email", guarded[0].email), ("Password", PASSWORD), ("Authentication code", "000000"))
    outcome = there.run_at_a_screen("login", "--with-password", answers=answers)

    assert outcome.code == 4
    assert "The authentication code is not correct." in outcome.stdout
    assert outcome.stdout.count("Authentication code") == 1
