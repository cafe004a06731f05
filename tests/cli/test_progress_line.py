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
def keyed(here, between):
    here.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": between.url}
    return here


def _line(between) -> str:
    return f"Still waiting for {between.url} ..."


def test_line_appears_after_a_second(keyed, between):
    gate = threading.Event()
    between.always = held_until(gate)

    outcome = keyed.run_at_a_screen("whoami", answers=(("Still waiting", lambda seen: gate.set()),))

    assert outcome.code == 0
    line = _line(between)
    assert outcome.stdout.startswith(f"{line}\r{' ' * len(line)}\rName ")


def test_quick_answer_shows_no_line(keyed):
    assert "Still" not in keyed.run_at_a_screen("whoami").stdout


def test_line_is_removed_before_an_error(keyed, between):
    with_spinner_at_once(keyed)
    between.always = partial(drip, pause=0.003)
    keyed.environ["REFLOW_API_KEY"] = made_up_key()
    between.upstream = ("127.0.0.1", 9)  # nobody: the answer breaks off

    outcome = keyed.run_at_a_screen("whoami")

    assert outcome.code == 7
    assert outcome.stdout.rpartition("\r")[2] == "\n"
    assert "\rreflow: " in outcome.stdout or outcome.stdout.startswith("reflow: ")


def test_pages_of_a_list_share_one_line(keyed, between, listener):
    with_spinner_at_once(keyed)
    between.always = partial(drip, pause=0.003)
    listener.says("GET", "/keys", {"items": [], "next_cursor": None})

    outcome = keyed.run_at_a_screen("keys", "list")

    assert outcome.code == 0
    assert _line(between) in outcome.stdout


def test_line_fits_into_a_narrow_terminal(keyed, between):
    with_spinner_at_once(keyed)
    between.always = partial(drip, pause=0.003)

    outcome = keyed.run_at_a_screen("whoami", columns=20)

    assert _line(between)[:19] + "\r" in outcome.stdout
    assert _line(between)[:20] not in outcome.stdout


def test_doctor_shows_the_line_for_a_slow_server(keyed, between, listener):
    listener.says("GET", "/me", {"code": "missing_credentials", "status": 401}, 401)
    gate = threading.Event()
    between.always = held_until(gate)

    outcome = keyed.run_at_a_screen("doctor", answers=(("Still waiting", lambda seen: gate.set()),))

    assert f"{_line(between)}\r" in outcome.stdout.partition("reachable")[0]
    assert "\rok       reachable" in outcome.stdout


@pytest.mark.parametrize("slow", ["ls-files", "grep", "log"])
def test_doctor_shows_the_line_for_a_slow_git(keyed, tmp_path, slow):
    """A git that waits for somebody to write into a pipe before it answers."""
    repository(keyed.folder)
    (tmp_path / "bin").mkdir()
    os.mkfifo(pipe := tmp_path / "pipe")
    script = f'case "$*" in *" {slow} "*) [ -p {pipe} ] && cat {pipe} && rm {pipe} ;; esac'
    git = tmp_path / "bin" / "git"
    git.write_text(f'#!/bin/sh\n{script}\nexec {shutil.which("git")} "$@"\n')
    git.chmod(0o700)
    keyed.environ["PATH"] = f"{git.parent}:{keyed.environ['PATH']}"

    outcome = keyed.run_at_a_screen(
        "doctor", answers=(("Still waiting for git ...", lambda seen: pipe.write_text("") or None),)
    )

    assert "Still waiting for git ...\r" in outcome.stdout
    assert "hold no key" in outcome.stdout


@pytest.mark.parametrize("reason", ["quiet", "CI", "JENKINS_URL"])
def test_line_is_off_where_the_terminal_asks_so(keyed, between, reason):
    with_spinner_at_once(keyed)
    between.always = partial(drip, pause=0.003)
    words = ("--quiet", "whoami") if reason == "quiet" else ("whoami",)
    keyed.environ |= {} if reason == "quiet" else {reason: "https://ci.example"}

    outcome = keyed.run_at_a_screen(*words)

    assert outcome.code == 0
    assert outcome.stdout.startswith("Name ")


def test_line_is_off_in_a_pipe(keyed, between):
    with_spinner_at_once(keyed)
    between.always = partial(drip, pause=0.003)

    outcome = keyed.run("whoami")

    assert outcome.code == 0
    assert outcome.stderr == ""
