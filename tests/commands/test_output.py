"""Output of operator commands that cannot be written."""

import os
import pty
import subprocess
import sys

import pytest

from tests.helpers.live_server import ROOT, SECRET_KEY

PROGRAM = (sys.executable, "-m", "reflow_accounts")


@pytest.fixture
def environ(tmp_path):
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "REFLOW_INSTANCE": str(tmp_path)} | {
        "REFLOW_SECRET_KEY": SECRET_KEY
    }


@pytest.mark.parametrize("words", ["config", "--help", "users --help"])
def test_full_disk_is_one_sentence(environ, words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*PROGRAM, *words.split()],
            env=environ,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (
        1,
        "reflow-accounts: the output cannot be written (No space left on device). "
        "The command may have done its work: check before you run it again.\n",
    )


def test_closed_pipe_is_quiet(environ):
    command = [*PROGRAM, "config"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.close()
        assert running.stderr.read() == b""


@pytest.mark.parametrize(
    ("stream", "words"), [("<&-", "A link to choose a password"), (">&-", ""), ("2>&-", "was created")]
)
def test_closed_stream_is_no_error(environ, stream, words):
    command = f'"$0" -m reflow_accounts "$@" {stream}'
    for arguments in (
        ["db", "upgrade"],
        ["users", "create", "eve@example.com", "--name", "Eve Moss"],
    ):
        done = subprocess.run(
            ["sh", "-c", command, sys.executable, *arguments],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert words in done.stdout


def test_long_command_says_on_a_terminal_alone_what_it_does(environ, tmp_path):
    (file := tmp_path / "other.db").write_bytes(b"no database")
    command = [*PROGRAM, "restore-check", str(file)]
    controller, terminal = pty.openpty()
    subprocess.run(command, env=environ, stdout=subprocess.PIPE, stderr=terminal, check=False, timeout=60)
    on_terminal = os.read(controller, 10_000).decode().splitlines()
    for end in (controller, terminal):
        os.close(end)
    in_file = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    sentence = "Reading all pages, uses and hash chains, which takes minutes with millions of uses…"
    assert on_terminal == [sentence, *in_file.stderr.splitlines()]
    assert in_file.stderr.startswith("reflow-accounts: ")
