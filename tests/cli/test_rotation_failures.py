"""`keys rotate` when something goes wrong, at a loopback server: the file always holds a key that works."""

import json
import signal
import subprocess
import threading
import time

import pytest

from tests.cli.folders import key_file
from tests.cli.listener import ME
from tests.cli.secrets_for_tests import made_up_key
from tests.cli.terminal import COMMAND


class Trouble:
    """A loopback server that answers all requests of a rotation, and the file with the old key."""

    def __init__(self, listener_terminal, listener) -> None:
        self.listener, self.terminal = listener, listener_terminal
        self.old_secret, self.new_secret = made_up_key(), made_up_key()
        self.file = key_file(listener_terminal.folder / "my.key", f"# ours\n{self.old_secret}", 0o640)
        self.before = self.file.read_bytes()
        old = {
            "id": "key_1",
            "name": "ci",
            "hint": self.old_secret[-4:],
            "expires_at": "2026-01-01T01:00:00Z",
        }
        listener.respond("GET", "/keys", {"items": [old], "next_cursor": None})
        listener.respond("GET", "/keys/key_1", old)
        new = {"id": "key_2", "name": "ci", "secret": self.new_secret}
        listener.respond("POST", "/keys/key_1/rotation", new, 201)
        for secret, key in ((self.old_secret, "key_1"), (self.new_secret, "key_2")):
            me = {**ME, "authenticated_by": {"type": "key", "id": key}}
            listener.respond_to(secret, "GET", "/me", me)

    def rotate(self, *words: str):
        return self.terminal.run("-k", "my.key", "keys", "rotate", "ci", *words)

    @property
    def rotations(self) -> list[dict]:
        """The bodies of the requests for a rotation."""
        return [
            json.loads(one["body"]) for one in self.listener.requests if one["path"].endswith("/rotation")
        ]


@pytest.fixture
def trouble(listener_terminal, listener):
    return Trouble(listener_terminal, listener)


def test_new_key_is_tried_before_it_is_written(trouble):
    seen = []

    def note(asked):
        seen.append((asked["Authorization"][7:] == trouble.new_secret, trouble.file.read_bytes()))

    trouble.listener.on_request = note

    outcome = trouble.rotate("--overlap", "24h")

    assert outcome.code == 0, outcome.stderr
    assert (True, trouble.before) in seen
    assert trouble.file.read_text() == f"# ours\n{trouble.new_secret}\n"
    assert [(one["overlap"], len(one["nonce"])) for one in trouble.rotations] == [(86400, 22)]
    assert [path.name for path in trouble.file.parent.iterdir()] == ["my.key"]


@pytest.mark.parametrize("fault", ["refused", "another key"])
def test_refused_new_key_is_not_written(trouble, fault):
    if fault == "refused":
        trouble.listener.refuse(trouble.new_secret, "unknown_key")
    else:
        trouble.listener.respond_to(trouble.new_secret, "GET", "/me", ME)

    outcome = trouble.rotate()

    assert outcome.code == (4 if fault == "refused" else 1)
    assert trouble.file.read_bytes() == trouble.before
    assert "It was not saved." in outcome.stderr
    assert f"reflow keys rotate key_2 -o {trouble.file} --force" in outcome.stderr


def test_new_key_that_cannot_be_tried_is_written(trouble):
    trouble.listener.respond_to(trouble.new_secret, "GET", "/me", ["Sign in to the hotel"])

    outcome = trouble.rotate()

    assert outcome.code == 0, outcome.stderr
    assert "The new key could not be tried." in outcome.stderr
    assert trouble.new_secret in trouble.file.read_text()


def test_lost_answer_is_asked_for_with_the_same_nonce(trouble):
    new = {"id": "key_2", "name": "ci", "secret": trouble.new_secret}
    away = {"title": "Away", "status": 502}
    trouble.listener.respond("POST", "/keys/key_1/rotation", away, 502)
    first = threading.Event()

    def recover(asked):
        if asked["path"].endswith("/rotation") and not first.is_set():
            first.set()
            trouble.listener.respond("POST", "/keys/key_1/rotation", new, 201)

    trouble.listener.on_request = recover

    assert trouble.rotate().code == 0

    one, other = trouble.rotations
    assert one == other


@pytest.mark.parametrize(("answer", "code"), [(403, 5), (409, 1), (429, 7), (502, 7)])
def test_refused_rotation_changes_nothing(trouble, answer, code):
    problem = {"title": "No", "status": answer, "detail": "Not so.", "code": "conflict"}
    trouble.listener.respond("POST", "/keys/key_1/rotation", problem if answer != 502 else {}, answer)

    outcome = trouble.rotate()

    assert outcome.code == code, outcome.stderr
    assert trouble.file.read_bytes() == trouble.before
    assert ("If the key ci was rotated anyway" in outcome.stderr) is (answer == 502)


def test_destination_is_checked_before_the_rotation(trouble):
    outcome = trouble.rotate("-o", "missing/new.key")

    assert outcome.code == 1
    assert "No key was created." in outcome.stderr
    assert trouble.rotations == []


def test_file_that_cannot_be_written_is_explained(trouble):
    folder = trouble.terminal.folder / "gone"
    folder.mkdir()
    route = "POST", "/keys/key_1/rotation"
    trouble.listener.meanwhile[route] = lambda: (
        [path.unlink() for path in folder.iterdir()] + [folder.rmdir()]
    )

    outcome = trouble.rotate("-o", "gone/new.key")

    assert outcome.code == 1
    assert "could not be written to" in outcome.stderr
    assert "The old key still works." in outcome.stderr
    assert "Rotate the new key to get another secret: reflow keys rotate key_2 -o" in outcome.stderr
    assert "rfk_" not in outcome.output
    assert trouble.file.read_bytes() == trouble.before


def test_file_changed_by_another_program_is_unchanged(trouble):
    other = made_up_key()
    trouble.listener.meanwhile["POST", "/keys/key_1/rotation"] = lambda: trouble.file.write_text(other)

    outcome = trouble.rotate()

    assert outcome.code == 1
    assert "was changed meanwhile" in outcome.stderr
    assert trouble.file.read_text() == other


def test_old_key_that_cannot_be_revoked_is_named(trouble):
    problem = {"code": "internal_error", "status": 500, "detail": "Oh."}
    trouble.listener.respond("DELETE", "/keys/key_1", problem, 500)

    outcome = trouble.rotate("--overlap", "0")

    assert outcome.code == 1
    assert trouble.new_secret in trouble.file.read_text()
    assert "The old key still works. Revoke it: reflow keys revoke key_1" in outcome.stderr


def test_interrupted_rotation_says_what_may_have_happened(trouble):
    running = threading.Event()
    trouble.listener.meanwhile["POST", "/keys/key_1/rotation"] = lambda: (
        running.wait(30),
        process.send_signal(signal.SIGINT),
        time.sleep(1),
    )
    process = subprocess.Popen(
        [*COMMAND, "-k", "my.key", "keys", "rotate", "ci"],
        env=trouble.terminal.environ,
        cwd=trouble.terminal.folder,
        stderr=subprocess.PIPE,
        text=True,
        # A test worker ignores Ctrl-C, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    running.set()
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 130
    command = f"reflow keys rotate ci -o {trouble.file} --force -k my.key"
    assert f"If the key ci was rotated anyway, this gets another secret: {command}" in errors
    assert trouble.file.read_bytes() == trouble.before
