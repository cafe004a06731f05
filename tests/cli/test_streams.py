"""Closed or full output streams: no traceback, the right exit code, nothing half done."""

import subprocess

import pytest
from sqlalchemy import func, select

from reflow_accounts.auth.models import UserSession
from reflow_accounts.database import db
from reflow_accounts.users.models import User
from tests.cli.account import PASSWORD, unused_name

pytestmark = pytest.mark.slow

LOGIN = ("login", "--with-password", "--email", "ben@acme.example")
NO_TERMINAL = {"capture_output": True, "timeout": 60, "check": False}


def _in_a_shell(terminal, script: str):
    """Run `script` with the command as $reflow."""
    environ = {**terminal.environ, "reflow": " ".join(terminal.command)}
    return subprocess.run(["bash", "-c", script], env=environ, cwd=terminal.folder, **NO_TERMINAL)


def _no_traceback(text: bytes | str) -> bool:
    words = text if isinstance(text, str) else text.decode()
    return not any(word in words for word in ("Traceback", "Exception", "inside the command"))


def test_login_that_cannot_be_stored_is_ended(live_terminal, live):
    before = _sessions(live)

    outcome = live_terminal.run(*LOGIN, stdin=PASSWORD, largest_file=0)

    assert outcome.code == 1, outcome.output
    assert outcome.stderr.startswith(
        f"reflow: The login cannot be kept in {live_terminal.home}/.reflow/session.json ("
    )
    assert (
        f"Make sure that {live_terminal.home}/.reflow is writable and the disk is not full" in outcome.stderr
    )
    assert len(outcome.stderr.splitlines()) == 1
    assert list((live_terminal.home / ".reflow").iterdir()) == []
    assert _sessions(live) == before


def test_stored_login_survives_a_full_disk(live_terminal, live):
    assert live_terminal.run(*LOGIN, stdin=PASSWORD).code == 0
    file = live_terminal.home / ".reflow" / "session.json"
    kept = file.read_text()

    assert live_terminal.run(*LOGIN, stdin=PASSWORD, largest_file=0).code == 1
    assert file.read_text() == kept
    assert live_terminal.run("whoami").code == 0


def _sessions(live) -> int:
    """Return how many sessions of Ben are open."""
    query = (
        select(func.count())
        .select_from(UserSession)
        .join(User)
        .where(User.email == "ben@acme.example", UserSession.ended_at.is_(None))
    )
    with live.app.app_context():
        return db.session.scalar(query)


@pytest.mark.parametrize(
    "words", ["activity", "--json activity", "keys list", "--help", "api GET /activity -i"]
)
def test_closed_reader_is_no_error(keyed_terminal, words):
    keyed_terminal.run("whoami")

    done = _in_a_shell(keyed_terminal, f"set -o pipefail; $reflow {words} | head -n 1")

    assert done.returncode == 0, done.stderr
    assert done.stderr == b""


@pytest.mark.parametrize(
    "words", ["whoami", "--json whoami", "keys list", "activity", "api GET /me", "api -i GET /me"]
)
def test_result_without_stdout_is_an_error(keyed_terminal, words):
    done = _in_a_shell(keyed_terminal, f"$reflow {words} >&-")

    assert done.returncode == 1
    assert done.stderr == b"reflow: the output could not be written (there is no stdout).\n"


def test_command_without_result_needs_no_stdout(keyed_terminal, ada):
    key = ada.new_key()

    assert _in_a_shell(keyed_terminal, f"$reflow keys revoke {key['id']} >&-").returncode == 0
    assert key["name"] not in ada.live_names()


def test_closed_stdout_prevents_key_creation(keyed_terminal, ada):
    name = unused_name()

    done = _in_a_shell(keyed_terminal, f"$reflow keys create {name} >&-")

    assert done.returncode == 1
    assert b"Use -o FILE" in done.stderr
    assert name not in ada.live_names()


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_missing_stderr_changes_no_exit_code(keyed_terminal, stderr):
    keyed_terminal.environ["REFLOW_SERVER"] += "/"

    done = _in_a_shell(keyed_terminal, f"$reflow whoami {stderr}")
    assert done.returncode == 0
    assert b"Ada Park" in done.stdout
    assert _in_a_shell(keyed_terminal, f"$reflow nonsense {stderr}").returncode == 2
    assert _in_a_shell(keyed_terminal, f"$reflow --server http://127.0.0.1:9 whoami {stderr}").returncode == 7


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_unwritable_hint_changes_nothing(keyed_terminal, stderr):
    (keyed_terminal.folder / "open.key").write_text(keyed_terminal.key["secret"])
    (keyed_terminal.folder / "open.key").chmod(0o644)

    done = _in_a_shell(keyed_terminal, f"$reflow -k open.key whoami {stderr}")

    assert done.returncode == 0
    assert done.stderr == b""


def test_body_from_a_closed_stdin_is_a_usage_error(keyed_terminal):
    done = _in_a_shell(keyed_terminal, "$reflow api POST /keys --input - <&-")

    assert (done.returncode, done.stderr) == (2, b"reflow: --input - does not contain JSON.\n")


def test_exit_code_is_right_without_any_stream(keyed_terminal):
    assert _in_a_shell(keyed_terminal, "$reflow whoami <&- >&- 2>&-").returncode == 1
    assert _in_a_shell(keyed_terminal, "$reflow keys revoke nothing <&- >&- 2>&-").returncode == 6
    assert _in_a_shell(keyed_terminal, "$reflow login --email a@b.example <&- >&- 2>&-").returncode == 2


@pytest.mark.parametrize("words", ["whoami", "--help", "--version", "--json whoami"])
def test_full_disk_behind_stdout_is_an_error(keyed_terminal, words):
    done = _in_a_shell(keyed_terminal, f"$reflow {words} >/dev/full")

    assert done.returncode == 1
    assert b"No space left" in done.stderr
    assert _no_traceback(done.stderr)
