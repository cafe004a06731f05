"""A rotation that goes wrong half-way, or is interrupted: all is as it was, or it is said what is live."""

import os
import signal
import subprocess
import threading

import pytest

from tests.cli.folders import key_file
from tests.cli.listener import ME
from tests.cli.secrets_for_tests import made_up_key
from tests.cli.terminal import COMMAND


class Trouble:
    """The loopback server with an old key in a file, which answers all that a rotation asks."""

    def __init__(self, here, listener) -> None:
        self.listener, self.here = listener, here
        self.old_secret, self.new_secret = made_up_key(), made_up_key()
        self.file = key_file(here.folder / "my.key", f"# ours\n{self.old_secret}", 0o640)
        self.before = self.file.read_bytes()
        times = {"created_at": "2026-01-01T00:00:00Z", "expires_at": None, "last_used_at": None}
        old = {"id": "key_1", "name": "ci", "hint": self.old_secret[-4:], **times}
        self.new = {"id": "key_2", "name": "ci (new 1234)", "secret": self.new_secret, **times}
        listener.says("GET", "/keys", {"items": [old], "next_cursor": None})
        listener.says("POST", "/keys", self.new, 201)
        for key in ("key_1", "key_2"):
            listener.says_raw("DELETE", f"/keys/{key}", b"", 204)
            listener.says("PATCH", f"/keys/{key}", self.new)
        listener.answers_to(self.new_secret, "GET", "/me", self.me("key_2"))
        listener.answers_to(self.old_secret, "GET", "/me", self.me("key_1"))

    def me(self, key: str) -> dict:
        return {**ME, "authenticated_by": {"type": "key", "id": key, "name": "ci", "hint": "abcd"}}

    def rotate(self, *words: str):
        return self.here.run("-k", "my.key", "keys", "rotate", "ci", *words)

    @property
    def asked(self) -> list[str]:
        """What was asked with which key, in order."""
        whose = {self.old_secret: "old", self.new_secret: "new"}  # pragma: allowlist secret
        return [
            f"{whose[secret]} {one['method']} {one['path'].partition('?')[0].removeprefix('/api/v1')}"
            for one, secret in zip(self.listener.asked, self.listener.secrets, strict=True)
        ]


@pytest.fixture
def trouble(here, listener):
    return Trouble(here, listener)


def test_the_new_key_is_written_and_tried_before_it_ends_the_old_one(trouble):
    seen = []
    trouble.listener.meanwhile["DELETE", "/keys/key_1"] = lambda: seen.append(trouble.file.read_text())

    outcome = trouble.rotate()

    assert outcome.code == 0, outcome.stderr
    assert seen == [f"# ours\n{trouble.new_secret}\n"]
    assert trouble.asked[-4:] == [
        "old POST /keys",
        "new GET /me",
        "new DELETE /keys/key_1",
        "new PATCH /keys/key_2",
    ]


@pytest.mark.parametrize("fault", ["refused", "another key", "captive portal"])
def test_when_the_new_key_fails_its_trial_all_is_as_it_was(trouble, fault):
    seen = []
    trouble.listener.meanwhile["DELETE", "/keys/key_2"] = lambda: seen.append(trouble.file.read_bytes())
    if fault == "refused":
        trouble.listener.refuses(trouble.new_secret, "unknown_key")
    else:
        answer = trouble.me("key_3") if fault == "another key" else ["Sign in to the hotel"]
        trouble.listener.answers_to(trouble.new_secret, "GET", "/me", answer)

    outcome = trouble.rotate()

    assert outcome.code == {"refused": 4, "another key": 1, "captive portal": 7}[fault], outcome.stderr
    assert trouble.file.read_bytes() == trouble.before
    assert seen == [trouble.before]
    assert "The new key ci (new 1234) was revoked again" in outcome.stderr
    assert f"The old key ci is live. Nothing has changed in {trouble.file}." in outcome.stderr
    assert not [words for words in trouble.asked if "/keys/key_1" in words and "GET" not in words]
    assert [path.name for path in trouble.file.parent.iterdir()] == ["my.key"]


def test_what_fails_goes_to_no_file_either(trouble):
    trouble.listener.refuses(trouble.new_secret, "unknown_key")
    assert trouble.rotate("-o", "new.key").code == 4
    assert [path.name for path in trouble.file.parent.iterdir()] == ["my.key"]
    other = key_file(trouble.here.folder / "other.key", "precious")
    assert trouble.rotate("-o", "other.key", "--force").code == 4
    assert other.read_text() == "precious\n"


def test_when_the_old_key_cannot_be_ended_it_is_said_that_both_are_live(trouble):
    trouble.listener.says(
        "DELETE", "/keys/key_1", {"code": "internal_error", "status": 500, "detail": "Oh."}, 500
    )

    outcome = trouble.rotate()

    assert outcome.code == 1
    assert trouble.file.read_text() == f"# ours\n{trouble.new_secret}\n"
    assert f"The new key ci (new 1234) is live: {trouble.file}" in outcome.stderr
    assert "The old key ci may be live too. End it: reflow keys revoke key_1" in outcome.stderr


def test_when_the_name_cannot_be_given_it_is_said_how(trouble):
    trouble.listener.says(
        "PATCH", "/keys/key_2", {"code": "internal_error", "status": 500, "detail": "Oh."}, 500
    )

    outcome = trouble.rotate()

    assert outcome.code == 1
    assert (
        "The old key was revoked. To give the new one its name: reflow api PATCH /keys/key_2 -f name=ci"
        in (outcome.stderr)
    )


def test_a_file_that_was_changed_meanwhile_is_not_replaced(trouble):
    other = made_up_key()
    trouble.listener.meanwhile["POST", "/keys"] = lambda: key_file(trouble.file, other)

    outcome = trouble.rotate()

    assert outcome.code == 1
    assert "was changed meanwhile" in outcome.stderr
    assert trouble.file.read_text() == f"{other}\n"
    assert trouble.asked[-1] == "old DELETE /keys/key_2"


def test_a_new_key_revokes_itself_when_the_old_one_has_ended_meanwhile(trouble):
    def end_the_old_one() -> None:
        if trouble.asked[-1] == "new GET /me":
            trouble.listener.refuses(trouble.old_secret, "revoked_key")

    trouble.listener.answers_to(trouble.new_secret, "GET", "/me", trouble.me("key_3"))
    trouble.listener.meanwhile["GET", "/me"] = end_the_old_one

    outcome = trouble.rotate()

    assert "was revoked again" in outcome.stderr
    assert trouble.asked[-2:] == ["old DELETE /keys/key_2", "new DELETE /keys/key_2"]


@pytest.mark.parametrize(
    ("at", "live"),
    [
        (("POST", "/keys"), "If the key was created all the same, reflow keys list shows it."),
        (("GET", "/me"), "The old key ci is live. Nothing has changed in"),
        (("DELETE", "/keys/key_1"), "The old key ci may be live too. End it: reflow keys revoke key_1"),
        (("PATCH", "/keys/key_2"), "The old key was revoked. To give the new one its name:"),
    ],
    ids=" ".join,
)
def test_who_interrupts_is_told_which_key_is_live(trouble, at, live):
    """Ctrl-C arrives while the server is about to answer."""
    code, said = interrupted_at(trouble, at)

    assert code == 130, said
    assert live in said
    is_new = at[0] in ("DELETE", "PATCH")
    assert trouble.file.read_bytes() == (
        f"# ours\n{trouble.new_secret}\n".encode() if is_new else trouble.before
    )
    assert [path.name for path in trouble.file.parent.iterdir()] == ["my.key"]


def interrupted_at(trouble, at):
    """Rotate, and press Ctrl-C when the new key is made, tried, or ends the old one."""
    started, ended, pids = threading.Event(), threading.Event(), []

    def interrupt() -> None:
        # The old key is asked who it is, to see whether it is the one in use.
        if trouble.asked[-1] != "old GET /me":
            started.wait(20)
            os.kill(pids[0], signal.SIGINT)
            ended.wait(20)

    trouble.listener.meanwhile[at] = interrupt
    process = subprocess.Popen(
        [*COMMAND, "-k", "my.key", "keys", "rotate", "ci"],
        cwd=trouble.here.folder,
        env=trouble.here.environ,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test worker ignores it
    )
    pids.append(process.pid)
    started.set()
    _, said = process.communicate(timeout=30)
    ended.set()
    return process.returncode, said
