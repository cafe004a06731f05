"""`keys rotate` at the real server: a new key in the place of the old one, and no moment without one that works."""

import json
import os
import signal
import stat
import subprocess
import threading
from datetime import UTC, datetime, timedelta

import pytest

from reflow_accounts.contract import is_well_formed
from tests.cli.account import request, unused_name
from tests.cli.crew import Crew
from tests.cli.folders import git, key_file, login, repository
from tests.cli.listener import ME
from tests.cli.secrets_for_tests import made_up_key
from tests.cli.terminal import COMMAND

SERVICE = ("team", "service-accounts", "keys")


def status(account, secret: str) -> int:
    return request(account.url, "GET", "/me", secret)[0]


def named(account, name: str) -> list[dict]:
    """The live keys whose name begins so."""
    items = account.ask("GET", "/keys?limit=200")[1]["items"]
    return [item for item in items if item["name"].startswith(name)]


def put(terminal, place: str, content: str):
    """Lay a key where the command finds it; return the file and the words that lead to it."""
    if place == "option":
        return key_file(terminal.folder / "my.key", content), ("-k", "my.key")
    if place == "repo":
        return key_file(repository(terminal.folder) / "reflow.key", content), ()
    return key_file(terminal.home / ".reflow" / "api.key", content), ()


@pytest.mark.parametrize("by", ["name", "id"])
@pytest.mark.parametrize("place", ["option", "repo", "home"])
def test_the_file_in_use_gets_the_new_key(there, ada, place, by):
    old = ada.new_key()
    file, words = put(there, place, f"# our CI\n{old['secret']}")

    outcome = there.run(*words, "keys", "rotate", old[by], umask=0)

    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout == ""
    secret = file.read_text().removesuffix("\n")
    assert is_well_formed(secret)
    assert secret != old["secret"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (status(ada, secret), status(ada, old["secret"])) == (200, 401)
    [new] = named(ada, old["name"])
    assert (new["name"], new["hint"], new["expires_at"]) == (old["name"], secret[-4:], None)
    assert f"the new one is in {file}. The old one was revoked." in outcome.stderr
    assert "rfk_" not in outcome.everything
    assert [
        path.name for path in file.parent.iterdir() if path.name.startswith(".") and ".key." in path.name
    ] == []
    assert there.run(*words, "whoami").code == 0


def test_a_link_goes_on_leading_to_the_file(there, ada):
    old = ada.new_key()
    file = key_file(there.home / "keys" / "real", old["secret"])
    (there.folder / "my.key").symlink_to(file)

    assert there.run("-k", "my.key", "keys", "rotate", old["name"]).code == 0

    assert (there.folder / "my.key").is_symlink()
    assert status(ada, file.read_text().strip()) == 200
    assert status(ada, old["secret"]) == 401


def test_a_key_from_the_variable_goes_to_stdout_alone(keyed, ada):
    outcome = keyed.run("keys", "rotate", keyed.key["name"])

    assert outcome.code == 0, outcome.stderr
    secret = outcome.stdout.removesuffix("\n")
    assert (status(ada, secret), status(ada, keyed.key["secret"])) == (200, 401)
    assert "REFLOW_API_KEY still holds the old key" in outcome.stderr
    assert "shown only this once" in outcome.stderr
    assert secret not in outcome.stderr


@pytest.mark.parametrize("words", [("-o", "new.key"), ("--save", "home"), ("--save", "repo", "--yes")])
def test_a_key_that_is_not_in_use_goes_where_the_options_say(keyed, ada, words):
    git(keyed.folder, "init", "--quiet")
    old = ada.new_key()

    outcome = keyed.run("keys", "rotate", old["name"], *words)

    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout == ""
    file = {
        "new.key": keyed.folder / "new.key",
        "home": keyed.home / ".reflow" / "api.key",
        "repo": keyed.folder / "reflow.key",
    }[words[1]]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (status(ada, file.read_text().strip()), status(ada, old["secret"])) == (200, 401)
    assert status(ada, keyed.key["secret"]) == 200
    assert (keyed.folder / ".gitignore").exists() is (words[1] == "repo")


def test_no_file_is_overwritten_but_by_force_and_then_nothing_has_changed(keyed, ada):
    old, file = ada.new_key(), key_file(keyed.folder / "old.key", "precious")

    outcome = keyed.run("keys", "rotate", old["name"], "-o", "old.key")

    assert outcome.code == 1
    assert "--force" in outcome.stderr
    assert file.read_text() == "precious\n"
    assert [key["id"] for key in named(ada, old["name"])] == [old["id"]]
    assert keyed.run("keys", "rotate", old["name"], "-o", "old.key", "--force").code == 0
    assert status(ada, file.read_text().strip()) == 200


def test_the_file_in_use_may_be_named_as_well(there, ada):
    old = ada.new_key()
    file, _ = put(there, "home", old["secret"])

    assert there.run("keys", "rotate", old["name"], "--save", "home").code == 0
    assert status(ada, file.read_text().strip()) == 200


def test_another_file_leaves_the_old_key_where_it_was_and_says_so(there, ada):
    old = ada.new_key()
    file, _ = put(there, "home", old["secret"])

    outcome = there.run("keys", "rotate", old["name"], "-o", "new.key")

    assert outcome.code == 0
    assert f"{file} still holds the old key" in outcome.stderr
    assert file.read_text().strip() == old["secret"]


@pytest.mark.parametrize(("overlap", "hours"), [("1h", 1), ("24h", 24), ("7d", 168)])
def test_with_an_overlap_the_old_key_works_until_it_ends(there, ada, overlap, hours):
    old = ada.new_key()
    file, _ = put(there, "home", old["secret"])
    before = datetime.now(UTC)

    outcome = there.run("keys", "rotate", old["name"], "--overlap", overlap)

    assert outcome.code == 0, outcome.stderr
    assert (status(ada, file.read_text().strip()), status(ada, old["secret"])) == (200, 200)
    keys = {key["id"]: key for key in named(ada, old["name"])}
    ending = keys.pop(old["id"])
    assert ending["name"] == f"{old['name']} (old {old['hint']})"
    wait = datetime.fromisoformat(ending["expires_at"]) - before
    assert timedelta() <= wait - timedelta(hours=hours) < timedelta(minutes=5)
    [new] = keys.values()
    assert (new["name"], new["expires_at"]) == (old["name"], None)
    assert f"is called {ending['name']} and ends {ending['expires_at']} UTC" in outcome.stderr
    # And once more: two old ones may be about to end at a time.
    assert there.run("keys", "rotate", old["name"], "--overlap", overlap).code == 0
    assert len(named(ada, old["name"])) == 3


def test_a_key_that_ends_sooner_anyway_is_left_its_end(there, ada):
    end = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
    old = ada.ask("POST", "/keys", {"name": unused_name(), "expires_at": end})[1]
    file, _ = put(there, "home", old["secret"])

    assert there.run("keys", "rotate", old["name"], "--overlap", "24h").code == 0

    ending = ada.ask("GET", f"/keys/{old['id']}")[1]
    assert ending["expires_at"] == old["expires_at"]
    # The new one is given as long a life as the old one had.
    [new] = [key for key in named(ada, old["name"]) if key["id"] != old["id"]]
    lives = [
        datetime.fromisoformat(key["expires_at"]) - datetime.fromisoformat(key["created_at"])
        for key in (old, new)
    ]
    assert lives[0] == lives[1]
    assert status(ada, file.read_text().strip()) == 200


@pytest.mark.parametrize("name", ["x" * 64, "é" * 55 + " 1234567"])
@pytest.mark.parametrize("overlap", [(), ("--overlap", "1h")])
def test_a_long_name_is_no_trouble(there, house, name, overlap):
    admin = Crew(house).admin
    key = admin.key(name)
    there.environ |= {"REFLOW_SERVER": house.url, "REFLOW_API_KEY": key.secret}

    outcome = there.run("keys", "rotate", name, *overlap)

    assert outcome.code == 0, outcome.stderr
    secret = outcome.stdout.strip()
    me = request(house.url, "GET", "/me", secret)[1]
    assert me["authenticated_by"]["name"] == name


def test_as_json_the_new_key_is_told(keyed, ada):
    shown = json.loads(keyed.run("--json", "keys", "rotate", keyed.key["name"]).stdout)
    assert shown["name"] == keyed.key["name"]
    assert status(ada, shown["secret"]) == 200
    keyed.environ["REFLOW_API_KEY"] = shown["secret"]
    told = keyed.run("--json", "keys", "rotate", shown["id"], "-o", "new.key")
    assert json.loads(told.stdout)["name"] == keyed.key["name"]
    assert "rfk_" not in told.everything


@pytest.mark.parametrize(("answer", "is_done"), [("y", True), ("n", False), ("", False)])
def test_a_person_is_asked_when_the_key_was_used_lately(there, ada, answer, is_done):
    old = ada.new_key()
    file, _ = put(there, "home", old["secret"])
    assert there.run("whoami").code == 0

    outcome = there.run_at_a_screen("keys", "rotate", old["name"], answers=(("Rotate it?", answer),))

    assert "is the key you are using now" in outcome.stdout
    assert outcome.code == (0 if is_done else 1)
    assert (file.read_text().strip() != old["secret"]) is is_done
    assert status(ada, old["secret"]) == (401 if is_done else 200)


@pytest.mark.parametrize("words", [("--yes",), ("--overlap", "1h")])
def test_a_person_is_not_asked_with_yes_or_an_overlap(there, ada, words):
    old = ada.new_key()
    put(there, "home", old["secret"])
    assert there.run("whoami").code == 0

    assert there.run_at_a_screen("keys", "rotate", old["name"], *words).code == 0


def test_a_key_that_is_not_there_or_revoked_is_not_rotated(keyed, ada):
    ada.revoke(gone := ada.new_key())
    for words in ("no such key", gone["id"], gone["name"]):
        outcome = keyed.run("keys", "rotate", words)
        assert (outcome.code, outcome.stdout) == (6, "")


def test_without_a_subscription_nothing_is_changed(terminal, house, crew):
    crew.admin.key("laptop")
    login(terminal.home, house.url, crew.admin.session())
    crew.team.unsubscribe()

    outcome = terminal.run("keys", "rotate", "laptop")

    assert (outcome.code, outcome.stdout) == (5, "")
    [line] = terminal.run("keys", "list").stdout.splitlines()
    assert line.split("\t")[1] == "laptop"


def test_a_service_accounts_key_is_rotated_by_an_admin(admin, crew, house):
    old = crew.robot.key("deploy")

    outcome = admin.run(*SERVICE, "rotate", "robot", "deploy", "-o", "ci.key", "--overlap", "24h")

    assert outcome.code == 0, outcome.stderr
    secret = (admin.folder / "ci.key").read_text().strip()
    me = request(house.url, "GET", "/me", secret)[1]
    assert (me["user"]["name"], me["authenticated_by"]["name"]) == ("robot", "deploy")
    assert request(house.url, "GET", "/me", old.secret)[0] == 200

    outcome = admin.run(*SERVICE, "rotate", "robot", "deploy")
    assert outcome.code == 0, outcome.stderr
    assert request(house.url, "GET", "/me", secret)[0] == 401
    assert request(house.url, "GET", "/me", outcome.stdout.strip())[0] == 200


def test_a_service_account_rotates_no_key(seat, crew):
    key = crew.robot.key("deploy")
    there = seat(crew.robot)
    outcome = there.run("keys", "rotate", "deploy")
    assert outcome.code == 5
    assert "Admin" in outcome.stderr
    assert request(there.environ["REFLOW_SERVER"], "GET", "/me", key.secret)[0] == 200


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
    assert seen == [f"{trouble.new_secret}\n"]
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
    assert trouble.file.read_text() == f"{trouble.new_secret}\n"
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
    assert trouble.file.read_bytes() == (f"{trouble.new_secret}\n".encode() if is_new else trouble.before)
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
