"""Several runs that change the session file at once: no change is lost, no stale lock blocks."""

import fcntl
import json
import subprocess
import sys
from functools import partial

import pytest

from reflow_accounts.cli.login.session_store import SessionStore
from tests.cli.fake_clock import with_short_lock_timeout
from tests.cli.folders import login
from tests.cli.secrets_for_tests import made_up_session
from tests.helpers.at_once import at_once

TAKE = """
import sys, time
from pathlib import Path
from reflow_accounts.cli.login.session_store import lock
with lock(Path(sys.argv[1])):
    print("taken", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def kept(listener_terminal, listener):
    """A login at the loopback server."""
    listener.respond_raw("DELETE", "/sessions/current", b"", 204)
    return login(listener_terminal.home, listener.url, made_up_session())


def test_concurrent_logins_to_different_servers_are_all_kept(tmp_path):
    def log_in_and_out(number: int) -> None:
        store = SessionStore(tmp_path)
        for turn in range(8):
            draft = store.prepare()
            store.keep(f"https://{number}-{turn}.example", {"secret": made_up_session()}, draft)
            if turn % 2:
                store.forget(f"https://{number}-{turn - 1}.example")

    at_once([partial(log_in_and_out, number) for number in range(4)])

    kept = json.loads((tmp_path / ".reflow" / "session.json").read_text())["sessions"]
    assert set(kept) == {f"https://{number}-{turn}.example" for number in range(4) for turn in (1, 3, 5, 7)}


def test_long_wait_for_the_lock_is_explained(listener_terminal, kept):
    before = kept.read_text()
    with_short_lock_timeout(listener_terminal)
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        outcome = listener_terminal.run("logout")

    assert outcome.code == 1
    assert (
        f"Another run of reflow is changing {kept} and does not end. End it, and try again" in outcome.stderr
    )
    assert kept.read_text() == before
    assert sorted(path.name for path in kept.parent.iterdir()) == ["session.json", "session.lock"]
    assert listener_terminal.run("logout").code == 0


def test_lock_of_a_killed_run_is_ignored(listener_terminal, kept):
    with_short_lock_timeout(listener_terminal)
    command = [sys.executable, "-c", TAKE, kept]
    with subprocess.Popen(
        command, env=listener_terminal.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"taken\n"
        holder.kill()
        holder.wait()

        assert listener_terminal.run("logout").code == 0


def test_lock_does_not_follow_links(listener_terminal, kept, tmp_path):
    precious = tmp_path / "precious"
    kept.with_suffix(".lock").symlink_to(precious)

    outcome = listener_terminal.run("logout")

    assert outcome.code == 1
    assert "cannot be kept" in outcome.stderr
    assert not precious.exists()
