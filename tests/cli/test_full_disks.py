"""Full disks: no key is created, or the new one is revoked again."""

import os
import shutil
import subprocess

import pytest

from tests.cli.account import unused_name
from tests.cli.secrets_for_tests import made_up_key

KEY = {"id": "key_2", "name": "ci", "secret": made_up_key(), "created_at": "2026-01-01T00:00:00Z"}


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own with hardly any free space."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=False)
    yield folder if mounted.returncode == 0 else None
    if mounted.returncode == 0:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder) -> None:
    with open(folder / "filler", "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return


def test_full_disk_prevents_key_creation(keyed_terminal, ada, small_disk):
    if small_disk:
        fill(small_disk)
        outcome = keyed_terminal.run("keys", "create", name := unused_name(), "-o", f"{small_disk}/new.key")
        left = {path.name for path in small_disk.iterdir()} - {"filler"}
    else:  # nobody may mount here: the limit of a process does the same
        folder = keyed_terminal.folder
        words = ("keys", "create", name := unused_name(), "-o", f"{folder}/new.key")
        outcome = keyed_terminal.run(*words, largest_file=20)
        left = set(os.listdir(folder))

    assert outcome.code == 1
    assert "No key was created" in outcome.stderr
    assert left == set()
    assert name not in ada.live_names()


def test_limited_file_holds_no_partial_key(keyed_terminal, ada):
    words = ("keys", "create", name := unused_name(), "-o", "new.key")
    outcome = keyed_terminal.run(*words, largest_file=20)

    assert outcome.code == 1
    assert "No key was created" in outcome.stderr
    assert list(keyed_terminal.folder.iterdir()) == []
    assert name not in ada.live_names()


def test_key_whose_folder_vanishes_is_revoked(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    folder = listener_terminal.folder / "gone"
    folder.mkdir()
    listener.respond("POST", "/keys", KEY, 201)
    listener.respond_raw("DELETE", "/keys/key_2", b"", 204)
    listener.meanwhile["POST", "/keys"] = lambda: shutil.rmtree(folder)

    outcome = listener_terminal.run("keys", "create", "ci", "-o", "gone/new.key")

    assert outcome.code == 1
    assert "was revoked again." in outcome.stderr
    assert [request["method"] for request in listener.requests] == ["POST", "DELETE"]
    assert KEY["secret"] not in outcome.output


def test_file_that_appears_meanwhile_is_kept(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    file = listener_terminal.folder / "new.key"
    listener.respond("POST", "/keys", KEY, 201)
    listener.respond_raw("DELETE", "/keys/key_2", b"", 204)
    listener.meanwhile["POST", "/keys"] = lambda: file.write_text("precious")

    outcome = listener_terminal.run("keys", "create", "ci", "-o", "new.key")

    assert (outcome.code, file.read_text()) == (1, "precious")
    assert "was revoked again." in outcome.stderr


def test_key_neither_written_nor_revoked_is_named(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    folder = listener_terminal.folder / "gone"
    folder.mkdir()
    listener.respond("POST", "/keys", KEY, 201)
    listener.meanwhile["POST", "/keys"] = lambda: shutil.rmtree(folder)

    outcome = listener_terminal.run("keys", "create", "ci", "-o", "gone/new.key")

    assert outcome.code == 1
    assert "revoke ci in Account > API Keys" in outcome.stderr
    assert KEY["secret"] not in outcome.output
