"""Ctrl-C at any moment: exit 130, one line, no traceback."""

import signal
import subprocess
import sys
import threading

import pytest

from tests.cli.secrets_for_tests import made_up_key
from tests.helpers.faulty_proxy import cut_after, silence

OURS = "reflow_accounts.cli."


def _hears_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a test worker ignores it; that is inherited


def _start(terminal, *words: str, flags: tuple[str, ...] = ()) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *flags, *terminal.command[1:], *words],
        env=terminal.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hears_ctrl_c,
    )


@pytest.fixture
def keyed(here, between):
    here.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": between.url}
    return here


def _imports(terminal) -> list[str]:
    """Return the modules that a run imports after it began, in order."""
    with _start(terminal, "whoami", flags=("-X", "importtime")) as process:
        names = [
            line.rpartition("|")[2].strip() for line in process.stderr if line.startswith("import time:")
        ]
    return names[names.index(f"{OURS}main") + 1 :]


def test_ctrl_c_at_the_start_ends_quietly(keyed):
    for name in _imports(keyed)[::4]:
        with _start(keyed, "whoami", flags=("-X", "importtime")) as process:
            other = []
            for line in process.stderr:
                if not line.startswith("import time:"):
                    other.append(line)
                elif line.rpartition("|")[2].strip() == name:
                    process.send_signal(signal.SIGINT)

        # 0: it was done before it noticed
        assert process.returncode in (0, 130), (name, other)
        assert other == (["reflow: interrupted.\n"] if process.returncode else []), name


@pytest.mark.parametrize("fault", [silence, cut_after(20)], ids=["no answer", "half an answer"])
def test_ctrl_c_during_a_request_ends_quietly(keyed, between, fault):
    arrived = threading.Event()

    def say_that_it_arrived(exchange) -> None:
        if fault is not silence:
            fault(exchange)
        arrived.set()
        silence(exchange)

    between.always = say_that_it_arrived
    with _start(keyed, "whoami") as process:
        assert arrived.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert (out, err) == ("", "reflow: interrupted.\n")


def test_ctrl_c_during_output_ends_quietly(keyed, listener):
    key = {"id": "key_1", "name": "n" * 90, "hint": "abcd", "use_count": 1}
    listener.says("GET", "/keys", {"items": [key] * 5000, "next_cursor": None})
    with _start(keyed, "keys", "list") as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
        process.stdout.close()

    assert process.returncode == 130
    assert err == "reflow: interrupted.\n"


def test_second_ctrl_c_adds_no_line(keyed, between):
    arrived = threading.Event()

    def say_that_it_arrived(exchange) -> None:
        arrived.set()
        silence(exchange)

    between.always = say_that_it_arrived
    with _start(keyed, "whoami") as process:
        assert arrived.wait(30)
        for _ in range(5):
            process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=30)[1]

    assert process.returncode == 130
    assert err == "reflow: interrupted.\n"
