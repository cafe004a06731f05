"""`keys rotate` at the real server: a new key of the same name replaces the old one."""

import json
import os
import re
import stat
from datetime import UTC, datetime, timedelta

import pytest

from reflow_accounts.contract import is_well_formed
from tests.cli.account import request, unused_name
from tests.cli.folders import git, key_file, login, repository, secret_in

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


@postgresql_later
@pytest.mark.parametrize("by", ["name", "id"])
@pytest.mark.parametrize("place", ["option", "repo", "home"])
def test_file_in_use_gets_the_new_key(live_terminal, ada, place, by):
    old = ada.new_key()
    file, words = put(live_terminal, place, f"# our CI\n{old['secret']}")

    outcome = live_terminal.run(*words, "keys", "rotate", old[by], umask=0)

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
    assert f"The old key works until {before['expires_at'][:16].replace('T', ' ')} UTC." in outcome.stderr
    assert "rfk_" not in outcome.output
    assert live_terminal.run(*words, "keys", "rotate", old["name"]).code == 0


@postgresql_later
def test_end_of_the_new_key_is_announced(live_terminal, ada):
    end = datetime.now(UTC) + timedelta(days=40)
    old = ada.ask("POST", "/keys", {"name": unused_name(), "expires_at": end.isoformat()})[1]
    put(live_terminal, "home", old["secret"])

    outcome = live_terminal.run("keys", "rotate", old["name"])

    assert f"It expires {end:%Y-%m-%d %H:%M} UTC.\n" in outcome.stderr


@postgresql_later
@pytest.mark.parametrize(("overlap", "hours"), [("24h", 24), ("7d", 168)])
def test_overlap_says_how_long_the_old_key_works(live_terminal, ada, overlap, hours):
    old = ada.new_key()
    put(live_terminal, "home", old["secret"])

    assert live_terminal.run("keys", "rotate", old["name"], "--overlap", overlap).code == 0

    end = ends_in(ada.ask("GET", f"/keys/{old['id']}")[1])
    assert timedelta(hours=hours, minutes=-5) < end <= timedelta(hours=hours)


@postgresql_later
def test_overlap_of_zero_revokes_the_old_key(live_terminal, ada):
    old = ada.new_key()
    file, _ = put(live_terminal, "home", old["secret"])

    outcome = live_terminal.run("keys", "rotate", old["name"], "--overlap", "0")

    assert outcome.code == 0, outcome.stderr
    assert (status(ada, file.read_text().strip()), status(ada, old["secret"])) == (200, 401)
    assert "The old key was revoked." in outcome.stderr


@postgresql_later
def test_key_of_the_variable_is_printed_alone(keyed_terminal, ada):
    outcome = keyed_terminal.run("keys", "rotate", keyed_terminal.key["name"])

    assert outcome.code == 0, outcome.stderr
    assert status(ada, outcome.stdout.removesuffix("\n")) == 200
    assert "REFLOW_API_KEY still holds the old key" in outcome.stderr
    assert "shown only this once" in outcome.stderr
    assert "rfk_" not in outcome.stderr


@postgresql_later
def test_login_that_keeps_the_old_key_is_named(live_terminal, ada):
    old = ada.new_key()
    assert live_terminal.run("login", "--with-token", stdin=old["secret"]).code == 0

    outcome = live_terminal.run("keys", "rotate", old["name"])

    command = f"reflow login --server {ada.url} --with-token"
    line = f"The login at {ada.url} still holds the old key: give the new one on stdin to {command}"
    assert line in outcome.stderr.splitlines()
    assert live_terminal.run(*command.split()[1:], stdin=outcome.stdout).code == 0
    assert ada.ask("DELETE", f"/keys/{old['id']}")[0] == 204
    assert live_terminal.run("whoami").code == 0


@postgresql_later
@pytest.mark.parametrize("words", [("-o", "new.key"), ("--save", "home"), ("--save", "repo", "--yes")])
def test_key_not_in_use_goes_where_the_options_say(keyed_terminal, ada, words):
    git(keyed_terminal.folder, "init", "--quiet")
    old = ada.new_key()

    outcome = keyed_terminal.run("keys", "rotate", old["name"], *words)

    assert (outcome.code, outcome.stdout) == (0, ""), outcome.stderr
    file = {
        "new.key": keyed_terminal.folder / "new.key",
        "home": keyed_terminal.home / ".reflow" / "api.key",
        "repo": keyed_terminal.folder / "reflow.key",
    }[words[1]]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert status(ada, secret_in(file)) == 200
    assert (keyed_terminal.folder / ".gitignore").exists() is (words[1] == "repo")


@postgresql_later
def test_existing_file_is_replaced_with_force_only(keyed_terminal, ada):
    old, file = ada.new_key(), key_file(keyed_terminal.folder / "old.key", "precious")

    outcome = keyed_terminal.run("keys", "rotate", old["name"], "-o", "old.key")

    assert outcome.code == 1
    assert "--force" in outcome.stderr
    assert file.read_text() == "precious\n"
    assert ada.ask("GET", f"/keys/{old['id']}")[1]["replaced_by"] is None
    assert keyed_terminal.run("keys", "rotate", old["name"], "-o", "old.key", "--force").code == 0
    assert status(ada, secret_in(file)) == 200


@postgresql_later
@pytest.mark.parametrize(("shape", "encoding"), SHAPES.values(), ids=SHAPES.keys())
def test_rest_of_the_file_and_its_owner_stay(live_terminal, ada, shape, encoding):
    old = ada.new_key()
    file = key_file(
        live_terminal.home / ".reflow" / "api.key", shape.format(*[old["secret"]] * 3).encode(encoding)
    )
    # Only root can give a file away, and would lock its owner out.
    owner = (4321, 4322) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(file, *owner)

    outcome = live_terminal.run("-k", str(file), "keys", "rotate", old["name"])

    assert outcome.code == 0, outcome.stderr
    text = file.read_bytes().decode(encoding)
    [secret] = set(re.findall("rfk_[0-9A-Za-z]+", text)) - {old["secret"]}
    others = [old["secret"]] if shape.startswith("# {}") else []
    assert text == shape.format(*others, secret, *others)
    assert (file.stat().st_uid, file.stat().st_gid) == owner


@postgresql_later
def test_link_to_the_file_stays(live_terminal, ada):
    old = ada.new_key()
    file = key_file(live_terminal.home / "keys" / "real", old["secret"])
    (live_terminal.folder / "my.key").symlink_to(file)

    assert live_terminal.run("-k", "my.key", "keys", "rotate", old["name"]).code == 0

    assert (live_terminal.folder / "my.key").is_symlink()
    assert file.read_text().strip() != old["secret"]
    assert status(ada, file.read_text().strip()) == 200


@postgresql_later
def test_json_shows_the_new_key(keyed_terminal, ada):
    shown = json.loads(keyed_terminal.run("--json", "keys", "rotate", keyed_terminal.key["name"]).stdout)
    assert shown["name"] == keyed_terminal.key["name"]
    assert status(ada, shown["secret"]) == 200
    keyed_terminal.environ["REFLOW_API_KEY"] = shown["secret"]
    outcome = keyed_terminal.run("--json", "keys", "rotate", shown["id"], "-o", "new.key")
    assert json.loads(outcome.stdout)["name"] == keyed_terminal.key["name"]
    assert "rfk_" not in outcome.output


@postgresql_later
@pytest.mark.parametrize(("answer", "is_done"), [("y", True), ("n", False), ("", False)])
def test_person_is_asked_before_a_used_key_is_revoked(live_terminal, ada, answer, is_done):
    old = ada.new_key()
    file, _ = put(live_terminal, "home", old["secret"])
    assert live_terminal.run("whoami").code == 0
    words = ("keys", "rotate", old["name"], "--overlap", "0")

    outcome = live_terminal.run_interactively(*words, answers=(("Rotate it?", answer),))

    assert "is the key you are using now" in outcome.stdout
    assert outcome.code == (0 if is_done else 1)
    assert (file.read_text().strip() != old["secret"]) is is_done


@postgresql_later
def test_missing_or_revoked_key_is_not_rotated(keyed_terminal, ada):
    ada.revoke(gone := ada.new_key())
    for words in ("no such key", gone["id"], gone["name"]):
        outcome = keyed_terminal.run("keys", "rotate", words)
        assert (outcome.code, outcome.stdout) == (6, "")


def test_key_without_a_subscription_is_not_rotated(terminal, team_server, members):
    members.admin.key("laptop")
    login(terminal.home, team_server.url, members.admin.session())
    members.team.unsubscribe()

    outcome = terminal.run("keys", "rotate", "laptop", "-o", "new.key")

    assert (outcome.code, outcome.stdout) == (5, "")
    assert list(terminal.folder.iterdir()) == []


def test_key_of_a_service_account_is_rotated_by_an_admin(admin, members, team_server):
    old = members.robot.key("deploy")

    outcome = admin.run(*SERVICE, "rotate", "robot", "deploy", "-o", "ci.key", "--overlap", "24h")

    assert outcome.code == 0, outcome.stderr
    secret = secret_in(admin.folder / "ci.key")
    me = request(team_server.url, "GET", "/me", secret)[1]
    assert (me["user"]["name"], me["authenticated_by"]["name"]) == ("robot", "deploy")
    assert request(team_server.url, "GET", "/me", old.secret)[0] == 200


def test_service_account_rotates_no_key(terminal_for, members):
    members.robot.key("deploy")
    outcome = terminal_for(members.robot).run("keys", "rotate", "deploy")
    assert outcome.code == 5
    assert "Admin" in outcome.stderr


def test_new_key_that_ends_soon_is_not_warned_of_while_it_is_tried(keyed_terminal, tmp_path):
    """Its warning would say where the key in use is, and the new one is nowhere yet."""
    name = unused_name()
    keyed_terminal.run("keys", "create", name, "--expires", "10d")
    outcome = keyed_terminal.run("keys", "rotate", name, "-o", str(tmp_path / "new.key"))
    assert outcome.code == 0, outcome.stderr
    assert "warning: the new key" not in outcome.stderr
    assert "(-k)" not in outcome.stderr
