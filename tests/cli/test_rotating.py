"""`keys rotate` at the real server: a new key in the place of the old one, and no moment without one that works."""

import json
import stat
from datetime import UTC, datetime, timedelta

import pytest

from reflow_accounts.contract import is_well_formed
from tests.cli.account import request, unused_name
from tests.cli.crew import Crew
from tests.cli.folders import git, key_file, login, repository

pytestmark = pytest.mark.postgresql_later

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
    comment, secret = file.read_text().splitlines()
    assert comment == "# our CI"
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
    assert abs(lives[0] - lives[1]) < timedelta(seconds=5)
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
