"""Servers that are not Reflow: exit 7, a sentence, and no secret sent to others."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.cli.fake_clock import without_sleep
from tests.cli.folders import login
from tests.cli.secrets_for_tests import made_up_key, made_up_session

pytestmark = pytest.mark.slow

HTML = b"<html><h1>Welcome to the hotel</h1></html>"
COMMANDS = {
    "whoami": ("whoami",),
    "keys list": ("keys", "list"),
    "keys create": ("keys", "create", "x"),
    "keys revoke": ("keys", "revoke", "x"),
    "activity": ("activity",),
    "api": ("api", "GET", "/me"),
}
EVERY = pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
PATHS = [("GET", "/me"), ("GET", "/keys"), ("POST", "/keys"), ("GET", "/activity"), ("POST", "/sessions")]


@pytest.fixture
def keyed(listener_terminal):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    return listener_terminal


def _says_everywhere(listener, body: bytes, status: int = 200, **headers: str) -> None:
    for method, path in PATHS:
        listener.respond_raw(method, path, body, status, **headers)


def _is_kind(outcome, terminal) -> bool:
    secret = terminal.environ["REFLOW_API_KEY"]
    return (
        any(line.startswith("reflow: ") for line in outcome.stderr.splitlines())
        and "Traceback" not in outcome.stderr
        and "inside the command" not in outcome.stderr
        and secret[4:] not in outcome.output
    )


@EVERY
def test_stopped_server_is_unreachable(keyed, words):
    without_sleep(keyed)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        keyed.environ["REFLOW_SERVER"] = f"http://127.0.0.1:{unused.getsockname()[1]}"
        outcome = keyed.run(*words)

    assert outcome.code == 7
    assert "nothing answers there" in outcome.stderr
    assert _is_kind(outcome, keyed)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        *((words, 200) for words in COMMANDS.values()),
        *((("whoami",), status) for status in (401, 404, 500, 511)),
    ],
)
def test_html_is_not_reflow(keyed, listener, words, status):
    _says_everywhere(listener, HTML, status, **{"Content-Type": "text/html"})

    outcome = keyed.run(*words)

    assert outcome.code == 7
    assert "it is not a Reflow server" in outcome.stderr
    assert _is_kind(outcome, keyed)
    assert "hotel" not in outcome.output


BROKEN = {
    "cut off": b'{"user": {"na',
    "nothing": b"",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "another object": b'{"hello": "world"}',
    "items that are no list": b'{"items": 5}',
    "items that are no objects": b'{"items": [1, null]}',
    "not UTF-8": b'{"user": "\xff"}',
    "a deep nest": b"[" * 20_000,
    "a nest": b"[" * 65 + b"]" * 65,
    "no number": b'{"user": [NaN, 1e999]}',
    "a long number": b'{"user": ' + b"9" * 6_000 + b"}",
}


@pytest.mark.parametrize(
    "words", [("whoami",), ("keys", "list"), ("keys", "create", "x"), ("api", "GET", "/me")]
)
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_json_of_another_server_is_unreachable(keyed, listener, words, body):
    _says_everywhere(listener, body, **{"Content-Type": "application/json"})

    outcome = keyed.run(*words)

    is_json_for_api = words[0] == "api" and not body.startswith((b'{"user"', b"[" * 9)) and body
    assert outcome.code == (0 if is_json_for_api else 7), outcome.output
    assert is_json_for_api or _is_kind(outcome, keyed)


def test_truncated_answer_is_unreachable(keyed, listener):
    listener.respond_raw(
        "GET", "/me", b'{"user": {}}', **{"Content-Type": "application/json", "Content-Length": "500"}
    )

    outcome = keyed.run("whoami")

    assert outcome.code == 7
    assert "broke off" in outcome.stderr


@pytest.mark.parametrize(
    ("words", "status"),
    [
        *((words, 307) for words in COMMANDS.values()),
        *((("whoami",), status) for status in (300, 301, 302, 303, 308)),
    ],
)
def test_redirect_never_carries_the_secret_away(keyed, listener, words, status):
    from tests.cli.listener import Listener

    other = Listener()
    target = f"{other.url.replace('127.0.0.1', 'localhost')}/api/v1/me?token=private"
    _says_everywhere(listener, b"", status, Location=target)

    outcome = keyed.run(*words)
    other.close()

    assert outcome.code == 7
    assert other.requests == []
    assert len(listener.requests) == 1
    assert "No redirect is followed" in outcome.stderr
    assert target.partition("/api")[0] in outcome.stderr
    assert "private" not in outcome.stderr
    assert _is_kind(outcome, keyed)


@pytest.mark.parametrize(
    "location", ["/login", "", "http://[broken", "//elsewhere.example/x", "http://h:99999/"]
)
def test_unusual_redirects_are_explained(keyed, listener, location):
    listener.respond_raw("GET", "/me", b"", 302, Location=location)
    outcome = keyed.run("whoami")
    assert outcome.code == 7
    assert _is_kind(outcome, keyed)


def test_password_is_not_sent_after_a_redirect(listener_terminal, listener):
    listener.respond_raw("POST", "/sessions", b"", 307, Location=f"{listener.url}/elsewhere")

    outcome = listener_terminal.run(
        "login", "--with-password", "--email", "ada@acme.example", stdin="hunter2 hunter2\n"
    )

    assert outcome.code == 7
    assert len(listener.requests) == 1
    assert "hunter2" not in outcome.output
    assert not (listener_terminal.home / ".reflow" / "session.json").exists()


def _server_that_says(reply: bytes) -> tuple[socket.socket, str]:
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with contextlib.suppress(OSError):  # the test has ended
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(reply)

    threading.Thread(target=answer, daemon=True).start()
    return server, f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "reply", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 banana\r\n\r\n", b"HTTP/1.1 200 OK\r\n"]
)
def test_server_without_http_is_unreachable(keyed, reply, scheme):
    without_sleep(keyed)
    server, address = _server_that_says(reply)
    keyed.environ["REFLOW_SERVER"] = f"{scheme}://{address}"
    outcome = keyed.run("whoami")
    server.close()
    assert outcome.code == 7
    assert _is_kind(outcome, keyed)


def test_unknown_host_name_is_unreachable(keyed):
    keyed.environ["REFLOW_SERVER"] = "https://reflow.invalid"

    outcome = keyed.run("whoami")

    assert outcome.code == 7
    assert "https://reflow.invalid cannot be reached" in outcome.stderr


PROBLEMS = [
    (403, "subscription_inactive", 5, "It is not there."),
    (403, "insufficient_rights", 5, "It is not there."),
    (404, "not_found", 6, "It is not there."),
    (410, "gone", 6, "It is not there."),
    (409, "conflict", 1, "It is not there."),
    (422, "validation_failed", 1, "  name: Too long."),
    (429, "rate_limited", 7, "Try again in 70 s."),
    (500, "internal_error", 1, "give the request id req-1"),
    (503, "unavailable", 7, "Try again in 70 s."),
    (418, "teapot", 1, "It is not there."),
]


@pytest.mark.parametrize(("status", "code", "expected", "words"), PROBLEMS)
def test_refusal_of_reflow_is_explained_and_has_its_exit_code(keyed, listener, status, code, expected, words):
    problem = {
        "title": "No",
        "status": status,
        "detail": "It is not there.",
        "code": code,
        "request_id": "req-1",
    }
    if status == 422:
        problem["errors"] = [{"field": "name", "message": "Too long."}]
    listener.respond("GET", "/me", problem, status, **{"Retry-After": "70"})

    plain, raw = keyed.run("whoami"), keyed.run("api", "GET", "me")

    assert (plain.code, raw.code) == (expected, expected)
    assert "It is not there." in plain.stderr
    assert words in plain.stderr
    assert plain.stdout == ""
    assert json.loads(raw.stdout) == problem


def test_problem_cannot_forge_lines_or_control_the_terminal(keyed, listener):
    detail = "No.\nreflow: all is well\x1b[2J\u2028\u202e"
    errors = [{"field": "na\nme", "message": "\x1b]0;x"}, "odd", None, {}]
    listener.respond("GET", "/me", {"code": "validation_failed", "detail": detail, "errors": errors}, 422)

    outcome = keyed.run("whoami")

    assert outcome.code == 1
    assert not set("\x1b\u2028\u202e") & set(outcome.stderr)
    assert not any(line.startswith("reflow: all") for line in outcome.stderr.splitlines())


def test_request_names_the_program(keyed, listener):
    keyed.run("whoami")
    assert listener.requests[0]["User-Agent"].startswith("reflow/")
    assert "(" in listener.requests[0]["User-Agent"]


def test_closed_pager_is_no_error(keyed, listener):
    keyed.environ["PYTHONUNBUFFERED"] = "1"
    key = {"id": "key_1", "name": "n" * 90, "hint": "abcd", "use_count": 1}
    listener.respond("GET", "/keys", {"items": [key] * 5000, "next_cursor": None})
    line = f"{sys.executable} -m reflow_accounts.cli keys list | head -n 1; exit ${{PIPESTATUS[0]}}"

    run = subprocess.run(
        ["bash", "-c", line], env=keyed.environ, capture_output=True, timeout=30, check=False
    )

    assert run.returncode == 0
    assert run.stderr == b""


def test_full_disk_behind_stdout_is_an_error(keyed):
    command = [sys.executable, "-m", "reflow_accounts.cli", "whoami"]
    with Path("/dev/full").open("wb") as full:
        run = subprocess.run(
            command, env=keyed.environ, stdout=full, stderr=subprocess.PIPE, timeout=30, check=False
        )

    assert run.returncode == 1
    assert b"Traceback" not in run.stderr
    assert b"Exception" not in run.stderr
    assert b"No space left" in run.stderr


def test_unreachable_logout_forgets_the_local_login(terminal):
    file = login(terminal.home, "http://127.0.0.1:9", made_up_session())

    outcome = terminal.run("logout")
    assert outcome.code == 7
    assert "end it in Account > Security" in outcome.stderr
    assert "rfs_" not in file.read_text()
