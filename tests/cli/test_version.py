"""`reflow version`: both versions, without a credential and without a long wait; `--version` uses no network."""

import json
import socket

import pytest

from reflow_accounts import __version__
from tests.cli.secrets_for_tests import made_up_key

OURS = f"reflow {__version__}\n"


@pytest.fixture
def silent():
    """A server that takes the connection and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def says(listener, body: bytes, status: int = 200) -> None:
    listener.responses["GET", "/healthz"] = (status, {"Content-Type": "application/json"}, body)


def test_both_versions_are_shown(live_terminal, live):
    outcome = live_terminal.run("version")

    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == f"{OURS}server {__version__} ({live.url})\n"


def test_json_holds_both_versions(live_terminal, live):
    for words in (("--json", "version"), ("version", "--json")):
        outcome = live_terminal.run(*words)
        told = {"version": __version__, "server": live.url, "server_version": __version__}
        assert (outcome.code, json.loads(outcome.stdout)) == (0, told)


def test_unknown_server_version_is_null_in_json(listener_terminal, listener):
    says(listener, b"{}")

    told = {"version": __version__, "server": listener.url, "server_version": None}
    assert json.loads(listener_terminal.run("--json", "version").stdout) == told
    listener_terminal.environ["REFLOW_SERVER"] = "nonsense"
    assert json.loads(listener_terminal.run("--json", "version").stdout) == told | {"server": None}


@pytest.mark.parametrize("is_first", [True, False])
def test_server_option_works_in_any_position(terminal, live, is_first):
    server = ["--server", live.url]
    words = [*server, "version"] if is_first else ["version", *server]

    assert terminal.run(*words).stdout.endswith(f"({live.url})\n")


def test_no_credential_is_shown_or_needed(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    says(listener, b'{"status": "ok", "version": "9.8.7"}')

    assert listener_terminal.run("version").stdout == f"{OURS}server 9.8.7 ({listener.url})\n"
    assert [(one["path"], one["Authorization"]) for one in listener.requests] == [("/healthz", "")]


def test_own_version_is_shown_without_a_server(terminal):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        terminal.environ["REFLOW_SERVER"] = f"http://127.0.0.1:{unused.getsockname()[1]}"
        outcome = terminal.run("version")

    assert (outcome.code, outcome.stdout) == (0, OURS)
    assert "cannot be reached: nothing answers there" in outcome.stderr


def test_silent_server_is_given_up_soon(terminal, silent):
    outcome = terminal.run("--server", silent, "version")

    assert (outcome.code, outcome.stdout) == (0, OURS)
    assert outcome.stderr == f"{silent} gave no answer within 2 seconds.\n"
    assert terminal.run("--server", silent, "version", "--quiet").stderr == ""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<h1>Hello</h1>",
        b"[]",
        b"null",
        b'{"status": "ok"}',
        b'{"version": null}',
        b"[" * 20_000,
        json.dumps({"version": "1\x1b[31m"}).encode(),
        json.dumps({"version": "1\nserver 2"}).encode(),
        json.dumps({"version": "9" * 50}).encode(),
    ],
    ids=lambda body: body[:30],
)
def test_invalid_version_is_not_shown(listener_terminal, listener, body):
    says(listener, body)

    outcome = listener_terminal.run("version")

    assert (outcome.code, outcome.stdout) == (0, OURS)
    assert outcome.stderr.startswith("The server did not report its version")


def test_own_version_is_shown_with_an_invalid_address(terminal):
    terminal.environ["REFLOW_SERVER"] = "https://me:hunter2@h"

    outcome = terminal.run("version")

    assert (outcome.code, outcome.stdout) == (0, OURS)
    assert "REFLOW_SERVER" in outcome.stderr
    assert "hunter2" not in outcome.stderr


def test_version_asks_for_nothing(live_terminal):
    assert live_terminal.run_interactively("version").code == 0


def test_option_shows_the_own_version_without_any_request(listener_terminal, listener):
    assert listener_terminal.run("--version").stdout == OURS
    assert json.loads(listener_terminal.run("--version", "--json").stdout) == {"version": __version__}
    assert listener.requests == []
