"""Closed or full output streams: no traceback, the right exit code, nothing half done."""

import resource
import subprocess

import pytest
from sqlalchemy import func, select

from reflow_accounts.auth.models import UserSession
from reflow_accounts.database import db
from reflow_accounts.users.models import User
from tests.cli.account import PASSWORD, unused_name

LOGIN = ("login", "--with-password", "--email", "ben@acme.example")
NO_TERMINAL = {"capture_output": True, "timeout": 60, "check": False}


def _no_room() -> None:
    """From now on no file can take a byte, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _in_a_shell(terminal, script: str):
    """Run `script` with the command as $reflow."""
    environ = {**terminal.environ, "reflow": " ".join(terminal.command)}
    return subprocess.run(["bash", "-c", script], env=environ, cwd=terminal.folder, **NO_TERMINAL)


def _no_traceback(text: bytes | str) -> bool:
    words = text if isinstance(text, str) else text.decode()
    return not any(word in words for word in ("Traceback", "Exception", "inside the command"))


def test_login_that_a_full_disk_cannot_keep_is_ended_again(there, live):
    before = _sessions(live)

    outcome = there.run(*LOGIN, stdin=PASSWORD, preexec_fn=_no_room)

    assert outcome.code == 1, outcome.everything
    assert outcome.stderr.startswith(
        f"reflow: The login cannot be kept in {there.home}/.reflow/session.json ("
    )
    assert f"Make sure that {there.home}/.reflow is writable and the disk is not full" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert list((there.home / ".reflow").iterdir()) == []
    assert _sessions(live) == before


def test_login_that_was_kept_survives_a_full_disk(there, live):
    assert there.run(*LOGIN, stdin=PASSWORD).code == 0
    file = there.home / ".reflow" / "session.json"
    kept = file.read_text()

    assert there.run(*LOGIN, stdin=PASSWORD, preexec_fn=_no_room).code == 1
    assert file.read_text() == kept
    assert there.run("whoami").code == 0


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
def test_reader_that_had_enough_is_no_error(keyed, words):
    keyed.run("whoami")

    done = _in_a_shell(keyed, f"set -o pipefail; $reflow {words} | head -n 1")

    assert done.returncode == 0, done.stderr
    assert done.stderr == b""


@pytest.mark.parametrize(
    "words", ["whoami", "--json whoami", "keys list", "activity", "api GET /me", "api -i GET /me"]
)
def test_without_stdout_a_result_is_an_error(keyed, words):
    done = _in_a_shell(keyed, f"$reflow {words} >&-")

    assert done.returncode == 1
    assert done.stderr == b"reflow: the output could not be written (there is no stdout).\n"


def test_without_stdout_what_has_no_result_is_done(keyed, ada):
    key = ada.new_key()

    assert _in_a_shell(keyed, f"$reflow keys revoke {key['id']} >&-").returncode == 0
    assert key["name"] not in ada.live_names()


def test_without_stdout_no_key_is_made(keyed, ada):
    name = unused_name()

    done = _in_a_shell(keyed, f"$reflow keys create {name} >&-")

    assert done.returncode == 1
    assert b"Use -o FILE" in done.stderr
    assert name not in ada.live_names()


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_without_stderr_a_result_is_a_result_and_a_fault_a_fault(keyed, stderr):
    keyed.environ["REFLOW_SERVER"] += "/"

    done = _in_a_shell(keyed, f"$reflow whoami {stderr}")
    assert done.returncode == 0
    assert b"Ada Park" in done.stdout
    assert _in_a_shell(keyed, f"$reflow nonsense {stderr}").returncode == 2
    assert _in_a_shell(keyed, f"$reflow --server http://127.0.0.1:9 whoami {stderr}").returncode == 7


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_hint_that_nobody_can_read_changes_nothing(keyed, stderr):
    (keyed.folder / "open.key").write_text(keyed.key["secret"])
    (keyed.folder / "open.key").chmod(0o644)

    done = _in_a_shell(keyed, f"$reflow -k open.key whoami {stderr}")

    assert done.returncode == 0
    assert done.stderr == b""


def test_without_any_stream_the_code_still_tells(keyed):
    assert _in_a_shell(keyed, "$reflow whoami <&- >&- 2>&-").returncode == 1
    assert _in_a_shell(keyed, "$reflow keys revoke nothing <&- >&- 2>&-").returncode == 6
    assert _in_a_shell(keyed, "$reflow login --email a@b.example <&- >&- 2>&-").returncode == 2


@pytest.mark.parametrize("words", ["whoami", "--help", "--version", "--json whoami"])
def test_full_disk_behind_stdout_is_an_error(keyed, words):
    done = _in_a_shell(keyed, f"$reflow {words} >/dev/full")

    assert done.returncode == 1
    assert b"No space left" in done.stderr
    assert _no_traceback(done.stderr)
