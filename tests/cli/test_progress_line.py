"""The line on the terminal while an answer takes long."""

import os
import shutil
import threading
from functools import partial

import pytest

from tests.cli.fake_clock import with_spinner_at_once
from tests.cli.folders import repository
from tests.cli.secrets_for_tests import made_up_key
from tests.helpers.faulty_proxy import drip, held_until

pytestmark = pytest.mark.slow


@pytest.fixture
def keyed_terminal(listener_terminal, listener_proxy):
    listener_terminal.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": listener_proxy.url}
    return listener_terminal


def _line(listener_proxy) -> str:
    return f"Still waiting for {listener_proxy.url} ..."


def test_line_appears_after_a_second(keyed_terminal, listener_proxy):
    gate = threading.Event()
    listener_proxy.always = held_until(gate)

    outcome = keyed_terminal.run_interactively(
        "whoami", answers=(("Still waiting", lambda seen: gate.set()),)
    )

    assert outcome.code == 0
    line = _line(listener_proxy)
    assert outcome.stdout.startswith(f"{line}\r{' ' * len(line)}\rName ")


def test_quick_answer_shows_no_line(keyed_terminal):
    assert "Still" not in keyed_terminal.run_interactively("whoami").stdout


def test_line_is_removed_before_an_error(keyed_terminal, listener_proxy):
    with_spinner_at_once(keyed_terminal)
    listener_proxy.always = partial(drip, pause=0.003)
    keyed_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    listener_proxy.upstream = ("127.0.0.1", 9)  # nobody: the answer breaks off

    outcome = keyed_terminal.run_interactively("whoami")

    assert outcome.code == 7
    assert outcome.stdout.rpartition("\r")[2] == "\n"
    assert "\rreflow: " in outcome.stdout or outcome.stdout.startswith("reflow: ")


def test_pages_of_a_list_share_one_line(keyed_terminal, listener_proxy, listener):
    with_spinner_at_once(keyed_terminal)
    listener_proxy.always = partial(drip, pause=0.003)
    listener.respond("GET", "/keys", {"items": [], "next_cursor": None})

    outcome = keyed_terminal.run_interactively("keys", "list")

    assert outcome.code == 0
    assert _line(listener_proxy) in outcome.stdout


def test_line_fits_into_a_narrow_terminal(keyed_terminal, listener_proxy):
    with_spinner_at_once(keyed_terminal)
    listener_proxy.always = partial(drip, pause=0.003)

    outcome = keyed_terminal.run_interactively("whoami", columns=20)

    assert _line(listener_proxy)[:19] + "\r" in outcome.stdout
    assert _line(listener_proxy)[:20] not in outcome.stdout


def test_doctor_shows_the_line_for_a_slow_server(keyed_terminal, listener_proxy, listener):
    listener.respond("GET", "/me", {"code": "missing_credentials", "status": 401}, 401)
    gate = threading.Event()
    listener_proxy.always = held_until(gate)

    outcome = keyed_terminal.run_interactively(
        "doctor", answers=(("Still waiting", lambda seen: gate.set()),)
    )

    assert f"{_line(listener_proxy)}\r" in outcome.stdout.partition("reachable")[0]
    assert "\rok       reachable" in outcome.stdout


@pytest.mark.parametrize("slow", ["ls-files", "grep", "log"])
def test_doctor_shows_the_line_for_a_slow_git(keyed_terminal, tmp_path, slow):
    """A git that waits for somebody to write into a pipe before it answers."""
    repository(keyed_terminal.folder)
    (tmp_path / "bin").mkdir()
    os.mkfifo(pipe := tmp_path / "pipe")
    script = f'case "$*" in *" {slow} "*) [ -p {pipe} ] && cat {pipe} && rm {pipe} ;; esac'
    git = tmp_path / "bin" / "git"
    git.write_text(f'#!/bin/sh\n{script}\nexec {shutil.which("git")} "$@"\n')
    git.chmod(0o700)
    keyed_terminal.environ["PATH"] = f"{git.parent}:{keyed_terminal.environ['PATH']}"

    outcome = keyed_terminal.run_interactively(
        "doctor", answers=(("Still waiting for git ...", lambda seen: pipe.write_text("") or None),)
    )

    assert "Still waiting for git ...\r" in outcome.stdout
    assert "hold no key" in outcome.stdout


@pytest.mark.parametrize("reason", ["quiet", "CI", "JENKINS_URL"])
def test_line_is_off_where_the_terminal_asks_so(keyed_terminal, listener_proxy, reason):
    with_spinner_at_once(keyed_terminal)
    listener_proxy.always = partial(drip, pause=0.003)
    words = ("--quiet", "whoami") if reason == "quiet" else ("whoami",)
    keyed_terminal.environ |= {} if reason == "quiet" else {reason: "https://ci.example"}

    outcome = keyed_terminal.run_interactively(*words)

    assert outcome.code == 0
    assert outcome.stdout.startswith("Name ")


def test_line_is_off_in_a_pipe(keyed_terminal, listener_proxy):
    with_spinner_at_once(keyed_terminal)
    listener_proxy.always = partial(drip, pause=0.003)

    outcome = keyed_terminal.run("whoami")

    assert outcome.code == 0
    assert outcome.stderr == ""
