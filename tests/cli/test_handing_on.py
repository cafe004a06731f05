"""`token`, `exec` and stdin: the credential goes to other programs and comes from them."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.cli.folders import key_file, login
from tests.cli.listener import ME
from tests.cli.running_command import RunningCommand
from tests.cli.secrets_for_tests import made_up_key, made_up_session
from tests.cli.terminal import COMMAND

pytestmark = pytest.mark.slow

SECRET = made_up_key()


@pytest.fixture
def keyed_terminal(terminal, listener):
    # Notepad and PowerShell begin files with a byte order mark.
    terminal.environ["REFLOW_API_KEY"] = f"\ufeff# server: {listener.url}\n{SECRET}"
    return terminal


def test_token_is_printed_alone_without_a_request(keyed_terminal, listener):
    outcome = keyed_terminal.run("token")

    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, f"{SECRET}\n", "")
    assert json.loads(keyed_terminal.run("token", "--json").stdout)["server"] == listener.url
    assert listener.requests == []


@pytest.mark.parametrize("words", [("token",), ("exec", "--", "true")])
def test_nothing_is_handed_on_without_a_credential(listener_terminal, words):
    outcome = listener_terminal.run(*words)

    assert (outcome.code, outcome.stdout) == (4, "")


def test_command_gets_credential_server_stdin_and_arguments(keyed_terminal, listener):
    script = 'cat; echo "$REFLOW_SERVER $REFLOW_API_KEY $*"; echo trouble >&2; exit 42'

    outcome = keyed_terminal.run("exec", "--", "sh", "-c", script, "sh", "--json", "-k x", stdin="in\n")

    assert outcome.code == 42
    assert outcome.stdout == f"in\n{listener.url} {SECRET} --json -k x\n"
    assert outcome.stderr == "trouble\n"


@pytest.mark.parametrize(("options", "value"), [((), ""), (("--insecure",), "1")])
def test_command_is_as_insecure_as_allowed(keyed_terminal, options, value):
    outcome = keyed_terminal.run(*options, "exec", "--", "sh", "-c", 'echo "$REFLOW_INSECURE"')

    assert outcome.stdout == f"{value}\n"


def test_login_is_handed_on_too(terminal, listener):
    login(terminal.home, listener.url, secret := made_up_session())

    outcome = terminal.run("exec", *terminal.command, "whoami")

    assert outcome.code == 0, outcome.stderr
    assert listener.secrets == [secret]
    assert "REFLOW_API_KEY" in outcome.stdout


def test_closed_pipe_ends_the_programs_of_the_command_silently(keyed_terminal):
    outcome = keyed_terminal.run("exec", "--", "sh", "-c", "yes | head -n 1")

    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "y\n", "")


@pytest.mark.parametrize(("name", "code"), [("no-such-command", 127), ("./plain", 126)])
def test_command_that_cannot_be_started_has_the_code_of_shells(keyed_terminal, name, code):
    (keyed_terminal.folder / "plain").write_text("text")

    outcome = keyed_terminal.run("exec", "--", name)

    assert outcome.code == code
    assert f"{name} could not be started" in outcome.stderr
    assert keyed_terminal.run("exec", "--").code == 2


def test_closed_stderr_changes_no_code_of_shells(keyed_terminal):
    command = f'{" ".join(COMMAND)} exec -- no-such-command 2> >(exec 0<&-; sleep 2); echo "$?"'
    done = subprocess.run(
        ["bash", "-c", command],
        env=keyed_terminal.environ,
        stdout=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == "127\n"


def test_signals_reach_the_command(keyed_terminal):
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(33))\n"
        "print('ready', flush=True)\n"
        "time.sleep(30)"
    )
    with RunningCommand(keyed_terminal, "exec", "--", sys.executable, "-c", program) as run:
        assert run.line() == "ready"
        assert run.interrupt().code == 33
    with RunningCommand(
        keyed_terminal,
        "exec",
        "--",
        sys.executable,
        "-c",
        "print(1, flush=True); import time; time.sleep(30)",
    ) as run:
        run.line()
        os.kill(run.pid, signal.SIGTERM)
        assert run.end().code == -signal.SIGTERM


def test_key_is_read_from_stdin(terminal, listener):
    outcome = terminal.run("-k", "-", "whoami", stdin=f"# server: {listener.url}\n{SECRET}\n")

    assert outcome.code == 0, outcome.stderr
    assert listener.secrets == [SECRET]
    assert terminal.run("-k", "-", "whoami").code == 4


@pytest.mark.parametrize("secret", [SECRET, made_up_session()], ids=["a key", "a login"])
def test_token_on_stdin_becomes_the_login(terminal, listener, secret):
    outcome = terminal.run("login", "--with-token", stdin=f"# server: {listener.url}\n{secret}\n")

    assert outcome.code == 0, outcome.stderr
    assert "Logged in at" in outcome.stderr
    assert terminal.run("whoami").code == 0
    assert listener.secrets == [secret, secret]
    assert secret not in outcome.output
    again = terminal.run("login", "--with-token", stdin=f"# server: {listener.url}\n{secret}\n")
    assert again.code == 0, again.stderr
    assert "DELETE" not in [request["method"] for request in listener.requests]


def test_token_of_a_service_account_has_no_email(listener_terminal, listener):
    user = {"id": "usr_2", "name": "acme-ci", "email": None, "kind": "service_account", "is_staff": False}
    listener.respond("GET", "/me", ME | {"user": user})

    outcome = listener_terminal.run("login", "--with-token", stdin=SECRET)

    assert outcome.stderr == f"Logged in at {listener.url} as acme-ci (service account).\n"


def test_refused_token_is_not_kept(listener_terminal, listener):
    listener.refuse(SECRET, "revoked_key")

    outcome = listener_terminal.run("login", "--with-token", stdin=SECRET)

    assert outcome.code == 4
    assert not (listener_terminal.home / ".reflow" / "session.json").exists()
    assert "the key in stdin (--with-token) was revoked." in outcome.stderr
    assert "and give it on stdin." in outcome.stderr
    for text in ("", "two\nlines\n"):
        bad = listener_terminal.run("login", "--with-token", stdin=text)
        assert (bad.code, "-k" in bad.stderr, "give it on stdin" in bad.stderr) == (4, False, True)


def test_logout_takes_no_key_file(listener_terminal, listener, tmp_path):
    """It would end the login, which is not what the file names."""
    login(listener_terminal.home, listener.url, made_up_session())
    outcome = listener_terminal.run("-k", str(key_file(tmp_path / "a.key", SECRET)), "logout")
    assert (outcome.code, "Leave -k out" in outcome.stderr) == (2, True)
    assert json.loads((listener_terminal.home / ".reflow" / "session.json").read_text())


def test_kept_key_stays_valid_after_the_logout(listener_terminal, listener):
    login(listener_terminal.home, listener.url, SECRET)

    assert json.loads(listener_terminal.run("logout", "--json").stdout) == {
        "server": listener.url,
        "logged_out": True,
    }
    assert listener.requests == []
    assert json.loads(listener_terminal.run("logout", "--json").stdout)["logged_out"] is False


def test_follow_warns_that_polls_are_uses(keyed_terminal, listener):
    listener.respond("GET", "/activity", {"items": [], "next_cursor": None})
    with RunningCommand(keyed_terminal, "activity", "--follow") as run:
        assert "counts as a use of the key" in run.interrupt_when(lambda: "counts as" in run.errors).stderr


def test_json_of_whoami_names_winner_losers_and_server(keyed_terminal, listener):
    login(keyed_terminal.home, listener.url, made_up_session())

    answer = json.loads(keyed_terminal.run("whoami", "--json").stdout)

    assert answer["user"]["name"] == "Ada Park"
    assert answer["server"] == listener.url
    assert answer["winner"]["where"] == "REFLOW_API_KEY"
    assert [loser["kind"] for loser in answer["losers"]] == ["login"]
