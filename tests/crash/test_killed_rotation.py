"""A rotation killed at any moment leaves a working key in the file."""

import random
import subprocess
import time

import pytest

from tests.cli.account import Account, request
from tests.cli.folders import key_file
from tests.cli.terminal import COMMAND, Terminal

pytestmark = [pytest.mark.slow, pytest.mark.alone]

KILLS = 40


@pytest.mark.parametrize("overlap", ["0", "1h"])
def test_killed_rotation_leaves_a_working_key_in_the_file(tmp_path, live, overlap):
    terminal = Terminal(tmp_path, tmp_path)
    terminal.environ["REFLOW_SERVER"] = live.url
    ada = Account(live.url, "ada@acme.example")
    file = key_file(tmp_path / ".reflow" / "api.key", ada.new_key()["secret"])
    chance, duration, done = random.Random(7), 0.5, 0

    for _ in range(KILLS):
        process = subprocess.Popen(
            [*COMMAND, "keys", "rotate", key_in(live, file)["id"], "--yes", "--overlap", overlap],
            env=terminal.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # From when it has started to a little after its usual end, on a machine that is now busy and now idle.
        delay = chance.uniform(0.3, 1.5) * duration
        time.sleep(delay)
        process.kill()
        code = process.wait()
        done += code == 0
        duration = min(duration, delay) if code == 0 else max(duration, delay)
        key = key_in(live, file)
        if ada.ask("GET", f"/keys/{key['id']}")[1]["replaced_by"]:
            # Killed after the server's part: the file holds the old key, which cannot be rotated again.
            file.write_text(ada.new_key()["secret"])

    assert 0 < done < KILLS


def key_in(live, file) -> dict[str, str]:
    """Return the key that a file holds, as the server knows it."""
    status, me = request(live.url, "GET", "/me", file.read_text().strip())
    assert status == 200, me
    return me["authenticated_by"]
