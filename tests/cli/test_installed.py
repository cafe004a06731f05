"""The installed command, with click and rich alone, at a real server."""

import subprocess
from pathlib import Path

import pytest

from reflow_accounts import __version__
from tests.cli.account import PASSWORD, request, unused_name
from tests.cli.folders import repository, secret_in
from tests.cli.terminal import Terminal
from tests.helpers.installation import Installation, build_wheel

OF_THE_SERVER = ("flask", "sqlalchemy", "werkzeug", "bcrypt", "boto3", "granian", "limits", "webauthn")


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    wheel = build_wheel(tmp_path_factory.mktemp("wheel"))
    return Installation(tmp_path_factory.mktemp("installed"), wheel)


@pytest.fixture
def installed(live_terminal, installation):
    """The terminal in a git repository, with the installed command and nothing of this checkout."""
    terminal = Terminal(live_terminal.home, repository(live_terminal.folder / "web"), (installation.reflow,))
    terminal.environ = {name: value for name, value in live_terminal.environ.items() if name != "PYTHONPATH"}
    return terminal


def test_nothing_of_the_server_is_installed(installation):
    assert [module for module in OF_THE_SERVER if installation.has(module)] == []
    assert installation.has("rich")


def test_site_says_that_it_is_not_installed(installation):
    command = Path(installation.reflow).with_name("reflow-accounts")
    done = subprocess.run([command, "serve"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "The site is the extra [server]" in done.stderr


def test_journey_from_login_to_a_refused_key(installed, live):
    email = "ada@acme.example"
    name = unused_name("laptop")

    outcome = installed.run("login", "--with-password", "--email", email, stdin=f"{PASSWORD}\n")
    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr.startswith(f"Logged in at {live.url} as Ada Park ({email}).\n")

    outcome = installed.run("keys", "create", name, "--save", "repo")
    assert (outcome.code, outcome.stdout) == (0, ""), outcome.stderr
    assert "reflow.key" in outcome.stderr

    outcome = installed.run("whoami")
    assert outcome.code == 0, outcome.stderr
    told = dict(line.split("\t") for line in outcome.stdout.splitlines())
    assert told["Credential"].endswith("/web/reflow.key (git root)")
    assert (told["Key name"], told["Name"]) == (name, "Ada Park")
    assert told["Not used"] == f"the login at {live.url}"

    old = secret_in(installed.folder / "reflow.key")
    outcome = installed.run("keys", "rotate", name, "--overlap", "0")
    assert (outcome.code, outcome.stdout) == (0, ""), outcome.stderr
    assert old not in (installed.folder / "reflow.key").read_text()
    assert installed.run("whoami").code == 0
    assert request(live.url, "GET", "/me", old)[1]["code"] == "revoked_key"

    screen = installed.run_interactively("keys", "list")
    assert (screen.code, name in screen.stdout, "Times used" in screen.stdout) == (0, True, True)

    outcome = installed.run("keys", "revoke", name, "--yes")
    assert outcome.code == 0, outcome.stderr
    assert "the next command will be refused" in outcome.stderr

    outcome = installed.run("whoami")
    assert (outcome.code, outcome.stdout) == (4, "")
    assert "reflow.key (git root) was revoked." in outcome.stderr


def test_module_runs_the_command(installed, installation, live):
    installed.command = (installation.python, "-m", "reflow_accounts.cli")

    outcome = installed.run("version")

    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == f"reflow {__version__}\nserver {__version__} ({live.url})\n"
