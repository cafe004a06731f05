"""Ctrl-C, SIGTERM and SIGHUP at any moment: one line, no traceback, no file left behind, exit 128 + the signal."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.cli.secrets_for_tests import made_up_key
from tests.helpers.faulty_proxy import cut_after, held_until, silence

pytestmark = pytest.mark.slow

OURS = "reflow_accounts.cli."


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


# Sends Ctrl-C to itself where Python cannot raise an exception.
_CTRL_C_IN_DEL = """
import os, signal, sys

class Interrupting:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(100):
            pass

objects = [Interrupting()]
sys.addaudithook(lambda event, _: objects.clear() if event == "socket.connect" else None)

from reflow_accounts.cli.main import main
sys.exit(main(["whoami"]))
"""


def _start(
    terminal, *words: str, flags: tuple[str, ...] = (), ignores: int = 0, cwd: Path | None = None
) -> subprocess.Popen:
    def set_signals() -> None:
        for number in SIGNALS:  # a test worker ignores Ctrl-C; that is inherited
            signal.signal(number, signal.SIG_IGN if number == ignores else signal.SIG_DFL)

    return subprocess.Popen(
        [sys.executable, *flags, *terminal.command[1:], *words],
        env=terminal.environ,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=set_signals,
    )


@pytest.fixture
def keyed_terminal(listener_terminal, listener_proxy):
    listener_terminal.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": listener_proxy.url}
    return listener_terminal


def _imports(terminal) -> list[str]:
    """Return the modules that a run imports after it began, in order."""
    with _start(terminal, "whoami", flags=("-X", "importtime")) as process:
        names = [
            line.rpartition("|")[2].strip() for line in process.stderr if line.startswith("import time:")
        ]
    return names[names.index(f"{OURS}main") + 1 :]


def test_ctrl_c_at_the_start_ends_quietly(keyed_terminal):
    for name in _imports(keyed_terminal)[::4]:
        with _start(keyed_terminal, "whoami", flags=("-X", "importtime")) as process:
            other = []
            for line in process.stderr:
                if not line.startswith("import time:"):
                    other.append(line)
                elif line.rpartition("|")[2].strip() == name:
                    process.send_signal(signal.SIGINT)

        # 0: it was done before it noticed
        assert process.returncode in (0, 130), (name, other)
        assert other == (["reflow: interrupted.\n"] if process.returncode else []), name


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("fault", [silence, cut_after(20)], ids=["no answer", "half an answer"])
def test_signal_during_a_request_ends_quietly(keyed_terminal, listener_proxy, fault, number):
    arrived = threading.Event()

    def say_that_it_arrived(exchange) -> None:
        if fault is not silence:
            fault(exchange)
        arrived.set()
        silence(exchange)

    listener_proxy.always = say_that_it_arrived
    with _start(keyed_terminal, "whoami") as process:
        assert arrived.wait(30)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)

    assert process.returncode == 128 + number
    assert (out, err) == ("", "reflow: interrupted.\n")


def test_ctrl_c_in_a_destructor_ends_quietly(keyed_terminal, listener_proxy):
    listener_proxy.always = silence
    keyed_terminal.command = (sys.executable, "-c", _CTRL_C_IN_DEL)
    with _start(keyed_terminal) as process:
        out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert (out, err) == ("", "reflow: interrupted.\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_leaves_no_partial_export(keyed_terminal, listener_proxy, number):
    arrived = threading.Event()

    def send_half(exchange) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/jsonl\r\nContent-Length: 999\r\n\r\n"
        exchange.back.sendall(head + b"{}\n")
        arrived.set()
        silence(exchange)

    listener_proxy.always = send_half
    with _start(keyed_terminal, "activity", "--export", "a.jsonl", cwd=keyed_terminal.folder) as process:
        assert arrived.wait(30)
        assert len(list(keyed_terminal.folder.iterdir())) == 1
        process.send_signal(number)
        process.communicate(timeout=30)

    assert process.returncode == 128 + number
    assert list(keyed_terminal.folder.iterdir()) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_during_a_creation_says_that_a_key_may_exist(keyed_terminal, listener_proxy, number):
    arrived = threading.Event()
    listener_proxy.always = lambda exchange: (arrived.set(), silence(exchange))
    with _start(keyed_terminal, "keys", "create", "ci", "-o", "my.key", cwd=keyed_terminal.folder) as process:
        assert arrived.wait(30)
        process.send_signal(number)
        err = process.communicate(timeout=30)[1]

    assert process.returncode == 128 + number
    assert err == "If the key was created anyway, reflow keys list shows it.\nreflow: interrupted.\n"
    assert list(keyed_terminal.folder.iterdir()) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_that_is_ignored_at_the_start_stays_ignored(keyed_terminal, listener_proxy, number):
    arrived, gate = threading.Event(), threading.Event()
    listener_proxy.always = lambda exchange: (arrived.set(), held_until(gate)(exchange))
    with _start(keyed_terminal, "whoami", ignores=number) as process:
        assert arrived.wait(30)
        process.send_signal(number)
        gate.set()
        out, err = process.communicate(timeout=30)

    assert (process.returncode, err) == (0, "")
    assert "Ada Park" in out


def test_ctrl_c_during_output_ends_quietly(keyed_terminal, listener):
    key = {"id": "key_1", "name": "n" * 90, "hint": "abcd", "use_count": 1}
    listener.respond("GET", "/keys", {"items": [key] * 5000, "next_cursor": None})
    with _start(keyed_terminal, "keys", "list") as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
        process.stdout.close()

    assert process.returncode == 130
    assert err == "reflow: interrupted.\n"


def test_second_ctrl_c_adds_no_line(keyed_terminal, listener_proxy):
    arrived = threading.Event()

    def say_that_it_arrived(exchange) -> None:
        arrived.set()
        silence(exchange)

    listener_proxy.always = say_that_it_arrived
    with _start(keyed_terminal, "whoami") as process:
        assert arrived.wait(30)
        for _ in range(5):
            process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=30)[1]

    assert process.returncode == 130
    assert err == "reflow: interrupted.\n"
