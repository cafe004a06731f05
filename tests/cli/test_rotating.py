"""`keys rotate`: a new key takes the place of the old one, and a working key is in the file at every moment."""

import json
import os
import re
import signal
import stat
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from reflow_accounts.contract import is_well_formed
from tests.cli.account import request
from tests.cli.folders import git, key_file, login, repository
from tests.cli.listener import ME
from tests.cli.secrets_for_tests import made_up_key
from tests.cli.terminal import COMMAND
from tests.helpers.faulty_proxy import at, pass_on, reset_after

postgresql_later = pytest.mark.postgresql_later

SERVICE = ("team", "service-accounts", "keys")
SHAPES = {
    "comments": ("# CI of web\n\n{}\n# ask Ada\n", "utf-8"),
    "a comment with the key": ("# {}\n  {}\t\n# {}", "utf-8"),
    "no end of line": ("{}", "utf-8"),
    "Windows": ("\ufeff# Büro\r\n{}\r\n", "utf-8"),
    "PowerShell": ("\ufeff# Büro\r\n{}\r\n", "utf-16-le"),
}


def status(account, secret: str) -> int:
    return request(account.url, "GET", "/me", secret)[0]


def put(terminal, place: str, content: str):
    """Write a key where the command finds it; return the file and the options that name it."""
    if place == "option":
        return key_file(terminal.folder / "my.key", content), ("-k", "my.key")
    if place == "repo":
        return key_file(repository(terminal.folder) / "reflow.key", content), ()
    return key_file(terminal.home / ".reflow" / "api.key", content), ()


def ends_in(key) -> timedelta:
    return datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC)


# At the real server.


@postgresql_later
@pytest.mark.parametrize("by", ["name", "id"])
@pytest.mark.parametrize("place", ["option", "repo", "home"])
def test_file_in_use_gets_the_new_key(there, ada, place, by):
    old = ada.new_key()
    file, words = put(there, place, f"# our CI\n{old['secret']}")

    outcome = there.run(*words, "keys", "rotate", old[by], umask=0)

    assert (outcome.code, outcome.stdout) == (0, ""), outcome.stderr
    comment, secret = file.read_text().splitlines()
    assert comment == "# our CI"
    assert is_well_formed(secret)
    assert secret != old["secret"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (status(ada, secret), status(ada, old["secret"])) == (200, 200)
    before = ada.ask("GET", f"/keys/{old['id']}")[1]
    assert timedelta(minutes=55) < ends_in(before) <= timedelta(hours=1)
    new = ada.ask("GET", f"/keys/{before['replaced_by']}")[1]
    assert (new["name"], new["hint"], new["expires_at"]) == (old["name"], secret[-4:], None)
    assert f"The key {old['name']} was rotated: the new one is in {file}." in outcome.stderr
    assert f"The old key works until {before['expires_at']} UTC." in outcome.stderr
    assert "rfk_" not in outcome.everything
    assert there.run(*words, "keys", "rotate", old["name"]).code == 0


@postgresql_later
@pytest.mark.parametrize(("overlap", "hours"), [("24h", 24), ("7d", 168)])
def test_overlap_says_how_long_the_old_key_works(there, ada, overlap, hours):
    old = ada.new_key()
    put(there, "home", old["secret"])

    assert there.run("keys", "rotate", old["name"], "--overlap", overlap).code == 0

    end = ends_in(ada.ask("GET", f"/keys/{old['id']}")[1])
    assert timedelta(hours=hours, minutes=-5) < end <= timedelta(hours=hours)


@postgresql_later
def test_overlap_of_zero_revokes_the_old_key(there, ada):
    old = ada.new_key()
    file, _ = put(there, "home", old["secret"])

    outcome = there.run("keys", "rotate", old["name"], "--overlap", "0")

    assert outcome.code == 0, outcome.stderr
    assert (status(ada, file.read_text().strip()), status(ada, old["secret"])) == (200, 401)
    assert "The old key was revoked." in outcome.stderr


@postgresql_later
def test_key_of_the_variable_is_printed_alone(keyed, ada):
    outcome = keyed.run("keys", "rotate", keyed.key["name"])

    assert outcome.code == 0, outcome.stderr
    assert status(ada, outcome.stdout.removesuffix("\n")) == 200
    assert "REFLOW_API_KEY still holds the old key" in outcome.stderr
    assert "shown only this once" in outcome.stderr
    assert "rfk_" not in outcome.stderr


@postgresql_later
@pytest.mark.parametrize("words", [("-o", "new.key"), ("--save", "home"), ("--save", "repo", "--yes")])
def test_key_not_in_use_goes_where_the_options_say(keyed, ada, words):
    git(keyed.folder, "init", "--quiet")
    old = ada.new_key()

    outcome = keyed.run("keys", "rotate", old["name"], *words)

    assert (outcome.code, outcome.stdout) == (0, ""), outcome.stderr
    file = {
        "new.key": keyed.folder / "new.key",
        "home": keyed.home / ".reflow" / "api.key",
        "repo": keyed.folder / "reflow.key",
    }[words[1]]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert status(ada, file.read_text().strip()) == 200
    assert (keyed.folder / ".gitignore").exists() is (words[1] == "repo")


@postgresql_later
def test_existing_file_is_replaced_with_force_only(keyed, ada):
    old, file = ada.new_key(), key_file(keyed.folder / "old.key", "precious")

    outcome = keyed.run("keys", "rotate", old["name"], "-o", "old.key")

    assert outcome.code == 1
    assert "--force" in outcome.stderr
    assert file.read_text() == "precious\n"
    assert ada.ask("GET", f"/keys/{old['id']}")[1]["replaced_by"] is None
    assert keyed.run("keys", "rotate", old["name"], "-o", "old.key", "--force").code == 0
    assert status(ada, file.read_text().strip()) == 200


@postgresql_later
@pytest.mark.parametrize(("shape", "encoding"), SHAPES.values(), ids=SHAPES.keys())
def test_rest_of_the_file_and_its_owner_stay(there, ada, shape, encoding):
    old = ada.new_key()
    file = key_file(there.home / ".reflow" / "api.key", shape.format(*[old["secret"]] * 3).encode(encoding))
    # Only root can give a file away, and would lock its owner out.
    owner = (4321, 4322) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(file, *owner)

    outcome = there.run("keys", "rotate", old["name"])

    assert outcome.code == 0, outcome.stderr
    text = file.read_bytes().decode(encoding)
    [secret] = set(re.findall("rfk_[0-9A-Za-z]+", text)) - {old["secret"]}
    others = [old["secret"]] if shape.startswith("# {}") else []
    assert text == shape.format(*others, secret, *others)
    assert (file.stat().st_uid, file.stat().st_gid) == owner


@postgresql_later
def test_link_to_the_file_stays(there, ada):
    old = ada.new_key()
    file = key_file(there.home / "keys" / "real", old["secret"])
    (there.folder / "my.key").symlink_to(file)

    assert there.run("-k", "my.key", "keys", "rotate", old["name"]).code == 0

    assert (there.folder / "my.key").is_symlink()
    assert file.read_text().strip() != old["secret"]
    assert status(ada, file.read_text().strip()) == 200


@postgresql_later
def test_json_shows_the_new_key(keyed, ada):
    shown = json.loads(keyed.run("--json", "keys", "rotate", keyed.key["name"]).stdout)
    assert shown["name"] == keyed.key["name"]
    assert status(ada, shown["secret"]) == 200
    keyed.environ["REFLOW_API_KEY"] = shown["secret"]
    outcome = keyed.run("--json", "keys", "rotate", shown["id"], "-o", "new.key")
    assert json.loads(outcome.stdout)["name"] == keyed.key["name"]
    assert "rfk_" not in outcome.everything


@postgresql_later
@pytest.mark.parametrize(("answer", "is_done"), [("y", True), ("n", False), ("", False)])
def test_person_is_asked_before_a_used_key_is_revoked(there, ada, answer, is_done):
    old = ada.new_key()
    file, _ = put(there, "home", old["secret"])
    assert there.run("whoami").code == 0
    words = ("keys", "rotate", old["name"], "--overlap", "0")

    outcome = there.run_at_a_screen(*words, answers=(("Rotate it?", answer),))

    assert "is the key you are using now" in outcome.stdout
    assert outcome.code == (0 if is_done else 1)
    assert (file.read_text().strip() != old["secret"]) is is_done


@postgresql_later
def test_missing_or_revoked_key_is_not_rotated(keyed, ada):
    ada.revoke(gone := ada.new_key())
    for words in ("no such key", gone["id"], gone["name"]):
        outcome = keyed.run("keys", "rotate", words)
        assert (outcome.code, outcome.stdout) == (6, "")


def test_key_without_a_subscription_is_not_rotated(terminal, house, crew):
    crew.admin.key("laptop")
    login(terminal.home, house.url, crew.admin.session())
    crew.team.unsubscribe()

    outcome = terminal.run("keys", "rotate", "laptop", "-o", "new.key")

    assert (outcome.code, outcome.stdout) == (5, "")
    assert list(terminal.folder.iterdir()) == []


def test_key_of_a_service_account_is_rotated_by_an_admin(admin, crew, house):
    old = crew.robot.key("deploy")

    outcome = admin.run(*SERVICE, "rotate", "robot", "deploy", "-o", "ci.key", "--overlap", "24h")

    assert outcome.code == 0, outcome.stderr
    secret = (admin.folder / "ci.key").read_text().strip()
    me = request(house.url, "GET", "/me", secret)[1]
    assert (me["user"]["name"], me["authenticated_by"]["name"]) == ("robot", "deploy")
    assert request(house.url, "GET", "/me", old.secret)[0] == 200


def test_service_account_rotates_no_key(seat, crew):
    crew.robot.key("deploy")
    outcome = seat(crew.robot).run("keys", "rotate", "deploy")
    assert outcome.code == 5
    assert "Admin" in outcome.stderr


@postgresql_later
def test_lost_answer_is_explained(disturbed, ada):
    old = ada.new_key()
    file = key_file(disturbed.folder / "my.key", old["secret"])
    lost = iter([reset_after(0)])
    disturbed.proxy.always = at("POST", lambda exchange: next(lost, pass_on)(exchange))

    outcome = disturbed.run("-k", "my.key", "keys", "rotate", old["name"])

    assert outcome.code == 1, outcome.everything
    assert file.read_text().strip() == old["secret"]
    assert status(ada, old["secret"]) == 200
    new_id = ada.ask("GET", f"/keys/{old['id']}")[1]["replaced_by"]
    assert "the answer with the new secret was lost. The old key still works." in outcome.stderr
    [line] = [line for line in outcome.stderr.splitlines() if "get another secret: " in line]
    assert line.endswith(f"reflow keys rotate {new_id} -o {file} --force")
    assert disturbed.run("-k", "my.key", *line.partition(": reflow ")[2].split()).code == 0
    assert status(ada, file.read_text().strip()) == 200


# At a loopback server that goes wrong as no real one can be made to.


class Trouble:
    """A loopback server that answers all requests of a rotation, and the file with the old key."""

    def __init__(self, here, listener) -> None:
        self.listener, self.here = listener, here
        self.old_secret, self.new_secret = made_up_key(), made_up_key()
        self.file = key_file(here.folder / "my.key", f"# ours\n{self.old_secret}", 0o640)
        self.before = self.file.read_bytes()
        old = {
            "id": "key_1",
            "name": "ci",
            "hint": self.old_secret[-4:],
            "expires_at": "2026-01-01T01:00:00Z",
        }
        listener.says("GET", "/keys", {"items": [old], "next_cursor": None})
        listener.says("GET", "/keys/key_1", old)
        new = {"id": "key_2", "name": "ci", "secret": self.new_secret}
        listener.says("POST", "/keys/key_1/rotation", new, 201)
        for secret, key in ((self.old_secret, "key_1"), (self.new_secret, "key_2")):
            me = {**ME, "authenticated_by": {"type": "key", "id": key}}
            listener.answers_to(secret, "GET", "/me", me)

    def rotate(self, *words: str):
        return self.here.run("-k", "my.key", "keys", "rotate", "ci", *words)

    @property
    def rotations(self) -> list[dict]:
        """The bodies of the requests for a rotation."""
        return [json.loads(one["body"]) for one in self.listener.asked if one["path"].endswith("/rotation")]


@pytest.fixture
def trouble(here, listener):
    return Trouble(here, listener)


def test_new_key_is_tried_before_it_is_written(trouble):
    seen = []

    def note(asked):
        seen.append((asked["Authorization"][7:] == trouble.new_secret, trouble.file.read_bytes()))

    trouble.listener.heard = note

    outcome = trouble.rotate("--overlap", "24h")

    assert outcome.code == 0, outcome.stderr
    assert (True, trouble.before) in seen
    assert trouble.file.read_text() == f"# ours\n{trouble.new_secret}\n"
    assert [(one["overlap"], len(one["nonce"])) for one in trouble.rotations] == [(86400, 22)]
    assert [path.name for path in trouble.file.parent.iterdir()] == ["my.key"]


@pytest.mark.parametrize("fault", ["refused", "another key"])
def test_refused_new_key_is_not_written(trouble, fault):
    if fault == "refused":
        trouble.listener.refuses(trouble.new_secret, "unknown_key")
    else:
        trouble.listener.answers_to(trouble.new_secret, "GET", "/me", ME)

    outcome = trouble.rotate()

    assert outcome.code == (4 if fault == "refused" else 1)
    assert trouble.file.read_bytes() == trouble.before
    assert "It was not saved." in outcome.stderr
    assert f"reflow keys rotate key_2 -o {trouble.file} --force" in outcome.stderr


def test_new_key_that_cannot_be_tried_is_written(trouble):
    trouble.listener.answers_to(trouble.new_secret, "GET", "/me", ["Sign in to the hotel"])

    outcome = trouble.rotate()

    assert outcome.code == 0, outcome.stderr
    assert "The new key could not be tried." in outcome.stderr
    assert trouble.new_secret in trouble.file.read_text()


def test_lost_answer_is_asked_for_with_the_same_nonce(trouble):
    new = {"id": "key_2", "name": "ci", "secret": trouble.new_secret}
    away = {"title": "Away", "status": 502}
    trouble.listener.says("POST", "/keys/key_1/rotation", away, 502)
    first = threading.Event()

    def recover(asked):
        if asked["path"].endswith("/rotation") and not first.is_set():
            first.set()
            trouble.listener.says("POST", "/keys/key_1/rotation", new, 201)

    trouble.listener.heard = recover

    assert trouble.rotate().code == 0

    one, other = trouble.rotations
    assert one == other


@pytest.mark.parametrize(("answer", "code"), [(403, 5), (409, 1), (429, 1), (502, 7)])
def test_refused_rotation_changes_nothing(trouble, answer, code):
    problem = {"title": "No", "status": answer, "detail": "Not so.", "code": "conflict"}
    trouble.listener.says("POST", "/keys/key_1/rotation", problem if answer != 502 else {}, answer)

    outcome = trouble.rotate()

    assert outcome.code == code, outcome.stderr
    assert trouble.file.read_bytes() == trouble.before
    assert ("reflow keys list shows it" in outcome.stderr) is (answer == 502)


def test_destination_is_checked_before_the_rotation(trouble):
    outcome = trouble.rotate("-o", "missing/new.key")

    assert outcome.code == 1
    assert "No key was created." in outcome.stderr
    assert trouble.rotations == []


def test_file_that_cannot_be_written_is_explained(trouble):
    folder = trouble.here.folder / "gone"
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
    assert "rfk_" not in outcome.everything
    assert trouble.file.read_bytes() == trouble.before


def test_file_changed_meanwhile_is_left_alone(trouble):
    other = made_up_key()
    trouble.listener.meanwhile["POST", "/keys/key_1/rotation"] = lambda: trouble.file.write_text(other)

    outcome = trouble.rotate()

    assert outcome.code == 1
    assert "was changed meanwhile" in outcome.stderr
    assert trouble.file.read_text() == other


def test_old_key_that_cannot_be_revoked_is_named(trouble):
    problem = {"code": "internal_error", "status": 500, "detail": "Oh."}
    trouble.listener.says("DELETE", "/keys/key_1", problem, 500)

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
        env=trouble.here.environ,
        cwd=trouble.here.folder,
        stderr=subprocess.PIPE,
        text=True,
        # A test worker ignores Ctrl-C, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    running.set()
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "If the key ci was rotated all the same, reflow keys list shows it." in errors
    assert trouble.file.read_bytes() == trouble.before
