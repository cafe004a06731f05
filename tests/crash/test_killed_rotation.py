"""A rotation that is killed at any moment leaves a key that works in the file."""

import random
import subprocess
import time

import pytest

from tests.cli.account import Account, request
from tests.cli.folders import key_file
from tests.cli.terminal import COMMAND, Terminal

pytestmark = pytest.mark.slow

KILLS = 40


@pytest.fixture
def terminal(tmp_path, live):
    home = tmp_path / "home"
    home.mkdir()
    terminal = Terminal(home, home)
    terminal.environ["REFLOW_SERVER"] = live.url
    return terminal


@pytest.mark.parametrize("overlap", [(), ("--overlap", "1h")])
def test_a_working_key_is_in_the_file_whenever_a_rotation_is_killed(terminal, live, overlap):
    ada = Account(live.url, "ada@acme.example")
    key = ada.new_key()
    file = key_file(terminal.home / ".reflow" / "api.key", key["secret"])
    chance, done = random.Random(7), 0
    begun = time.monotonic()
    assert terminal.run("keys", "rotate", key["name"], *overlap).code == 0
    duration = time.monotonic() - begun

    for _ in range(KILLS):
        before = file.read_text()
        rotated = in_use(live, before)["name"]
        process = subprocess.Popen(
            [*COMMAND, "keys", "rotate", rotated, "--yes", *overlap],
            env=terminal.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # From when it has started to a little after its usual end, on a machine that is now busy and now idle.
        delay = chance.uniform(0.3, 1.5) * duration
        time.sleep(delay)
        process.kill()
        is_done = process.wait() == 0
        done += is_done
        duration = min(duration, delay) if is_done else max(duration, delay)
        # What it asked last may be at work still; whatever comes of it, the file holds a key that works.
        in_use(live, file.read_text())

    assert 0 < done < KILLS


def in_use(live, content: str) -> dict[str, str]:
    """Return the key that a file with this content holds, as the server knows it."""
    status, me = request(live.url, "GET", "/me", content.removesuffix("\n"))
    assert status == 200, me
    return me["authenticated_by"]
