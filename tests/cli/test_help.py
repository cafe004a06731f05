"""The help, the version and wrong usage."""

import subprocess

import pytest

from reflow_accounts.cli.app import COMMANDS, reflow


def test_help_names_the_order_of_credentials_and_warns_of_git(terminal):
    outcome = terminal.run("--help")

    assert outcome.code == 0
    assert outcome.stderr == ""
    words = (
        "-k",
        "REFLOW_API_KEY",
        "root of the git repository",
        "~/.reflow/api.key",
        "reflow login",
        "log in",
    )
    positions = [outcome.stdout.index(word, outcome.stdout.index("first one found")) for word in words]
    assert positions == sorted(positions)
    assert "add reflow.key to .gitignore" in outcome.stdout
    assert "130 interrupted (Ctrl-C)" in outcome.stdout


def test_help_is_wrapped_on_a_narrow_screen(terminal):
    outcome = terminal.run_interactively("--help")  # of no width, like a screen that does not tell its own

    assert outcome.code == 0
    assert "Usage: reflow" in outcome.stdout
    assert max(map(len, outcome.stdout.partition("Which credential")[0].splitlines())) <= 50


def test_unwritable_help_is_explained(terminal):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*terminal.command, "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=terminal.environ,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.decode() == "reflow: the output could not be written (No space left on device).\n"


@pytest.mark.parametrize("words", [(), ("keys",)])
def test_group_without_a_command_shows_its_help(terminal, words):
    outcome = terminal.run(*words)

    assert outcome.code == 2
    assert outcome.stderr == terminal.run(*words, "--help").stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_summary_in_the_help_is_that_of_the_command(name):
    command = reflow.get_command(None, name)

    assert command.help.splitlines()[0] == COMMANDS[name][1]


@pytest.mark.parametrize(
    "words",
    [
        ("login",),
        ("whoami",),
        ("keys",),
        ("keys", "create"),
        ("keys", "revoke"),
        ("team",),
        ("team", "invite"),
        ("team", "service-accounts", "keys", "create"),
        ("api",),
    ],
)
def test_every_command_has_help(terminal, words):
    outcome = terminal.run(*words, "--help")

    assert outcome.code == 0
    assert "--json" in outcome.stdout


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("keys",),
        ("nonsense",),
        ("--nonsense",),
        ("keys", "create"),
        ("keys", "create", "x", "--save", "attic"),
        ("keys", "create", "x", "--save", "home", "-o", "f"),
        ("team",),
        ("team", "invite"),
        ("team", "invite", "a@example.com", "--rights", "owner"),
        ("team", "members", "--team"),
        ("team", "service-accounts", "create", "x", "--rights", "admin"),
        ("team", "service-accounts", "delete", "x"),
        ("team", "service-accounts", "keys", "create", "x"),
        ("activity", "--limit", "0"),
        ("activity", "--limit", "many"),
        ("activity", "--since", "soon"),
        ("api", "FETCH", "/me"),
        ("api", "GET", "http://elsewhere.example/me"),
        ("api", "GET", "//elsewhere.example/me"),
        ("api", "GET", "/../../login"),
        ("api", "GET", "/%2e%2e/login"),
        ("api", "GET", "/me#x"),
        ("api", "GET", "\\\\elsewhere\\me"),
        ("api", "POST", "/keys", "-f", "name"),
        ("api", "POST", "/keys", "-f", "=x"),
        ("api", "POST", "/keys", "-F", "name={"),
        ("--server", "", "whoami"),
        ("-k",),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_a_sentence(terminal, words):
    outcome = terminal.run(*words)

    assert outcome.code == 2, outcome.output
    assert outcome.stdout == ""
    assert outcome.stderr
    assert "Traceback" not in outcome.stderr
