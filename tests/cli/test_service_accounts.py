"""`reflow team service-accounts` at the real server, and the keys of a service account."""

import json
import stat

import pytest

from reflow_accounts.contract import is_well_formed
from tests.cli.account import request, unused_name
from tests.cli.folders import key_file

pytestmark = pytest.mark.postgresql_later

ACCOUNTS = ("team", "service-accounts")
KEYS = (*ACCOUNTS, "keys")


@pytest.fixture
def accounts(admin):
    """`accounts()`: the lines of the list by name."""

    def list_accounts():
        outcome = admin.run(*ACCOUNTS, "list")
        assert outcome.code == 0, outcome.stderr
        return {line.split("\t")[1]: line.split("\t") for line in outcome.stdout.splitlines()}

    return list_accounts


def authorize_status(members, team_server, secret):
    return request(team_server.url, "GET", f"/authorize?team={members.team.id}&rights=edit", secret)[0]


def test_list_shows_rights_state_keys_and_last_use(admin, members, team_server, accounts):
    authorize_status(members, team_server, members.robot.key().secret)

    robot = accounts()["robot"]

    assert robot[:5] == [members.robot.id, "robot", "edit", "enabled", "1"]
    assert robot[5].startswith("20")
    assert robot[6].startswith("20")
    table = admin.run_interactively(*ACCOUNTS, "list")
    assert "Last used" in table.stdout
    answer = json.loads(admin.run(*ACCOUNTS, "list", "--json").stdout)
    assert [item["id"] for item in answer["items"]] == [members.robot.id]


def test_account_is_created_with_edit_rights(admin, accounts):
    outcome = admin.run(*ACCOUNTS, "create", "deploy")

    assert outcome.code == 0, outcome.stderr
    assert accounts()["deploy"][:3] == [outcome.stdout.removesuffix("\n"), "deploy", "edit"]
    assert accounts()["deploy"][5] == "Never"
    assert "The service account deploy was created with edit rights." in outcome.stderr
    answer = json.loads(admin.run(*ACCOUNTS, "create", "reports", "--rights", "view", "--json").stdout)
    assert (answer["name"], answer["rights"]) == ("reports", "view")


def test_taken_name_is_explained(admin):
    outcome = admin.run(*ACCOUNTS, "create", "Robot")
    assert outcome.code == 1
    assert "Choose another name" in outcome.stderr


@pytest.mark.parametrize("by", ["name", "id"])
def test_account_is_renamed_and_given_other_rights(admin, members, accounts, by):
    words = "robot" if by == "name" else members.robot.id

    assert admin.run(*ACCOUNTS, "rights", words, "view").code == 0
    outcome = admin.run(*ACCOUNTS, "rename", words, "android")

    assert outcome.stderr == "The service account is called android now.\n"
    assert accounts()["android"][:3] == [members.robot.id, "android", "view"]


def test_keys_of_a_disabled_account_are_refused(admin, members, team_server, accounts):
    secret = members.robot.key().secret
    for _ in range(2):
        assert admin.run(*ACCOUNTS, "disable", "robot").code == 0
    assert accounts()["robot"][3] == "disabled"
    assert authorize_status(members, team_server, secret) == 401

    assert json.loads(admin.run(*ACCOUNTS, "enable", "robot", "--json").stdout)["disabled"] is False
    assert authorize_status(members, team_server, secret) == 204


def test_script_deletes_an_account_only_with_yes(admin, members, team_server, accounts):
    secret = members.robot.key().secret

    outcome = admin.run(*ACCOUNTS, "delete", "robot")
    assert outcome.code == 2
    assert "--yes" in outcome.stderr
    assert "robot" in accounts()

    outcome = admin.run(*ACCOUNTS, "delete", "robot", "--yes")
    assert outcome.code == 0, outcome.stderr
    assert accounts() == {}
    assert authorize_status(members, team_server, secret) == 401
    assert admin.run(*ACCOUNTS, "delete", "robot", "--yes").code == 6


@pytest.mark.parametrize(("answer", "is_gone"), [("y", True), ("n", False), ("", False)])
def test_person_is_asked_before_an_account_is_deleted(admin, members, accounts, answer, is_gone):
    members.robot.key()

    outcome = admin.run_interactively(*ACCOUNTS, "delete", "robot", answers=(("at once", answer),))

    assert "Delete the service account robot? Its key stops working at once" in outcome.stdout
    assert outcome.code == (0 if is_gone else 1)
    assert ("robot" not in accounts()) is is_gone


@pytest.mark.parametrize("words", ["nobody", "usr_nobody", "", "../../me"])
@pytest.mark.parametrize(
    "command", [("rename", "{}", "x"), ("disable", "{}"), ("delete", "{}", "--yes"), ("keys", "list", "{}")]
)
def test_missing_account_is_not_found(admin, members, command, words):
    outcome = admin.run(*ACCOUNTS, *(word.format(words) for word in command))
    assert outcome.code == 6
    assert "There is no service account" in outcome.stderr


def test_stdout_holds_only_the_new_key(admin, members, team_server):
    outcome = admin.run(*KEYS, "create", "robot", "deploy")

    assert outcome.code == 0, outcome.stderr
    secret = outcome.stdout.removesuffix("\n")
    assert is_well_formed(secret)
    assert secret not in outcome.stderr
    me = request(team_server.url, "GET", "/me", secret)[1]
    assert (me["user"]["name"], me["authenticated_by"]["name"]) == ("robot", "deploy")


def test_key_can_be_saved_in_a_file_and_used_from_there(admin, members):
    outcome = admin.run(*KEYS, "create", members.robot.id, "deploy", "-o", "ci.key", umask=0)

    file = admin.folder / "ci.key"
    assert (outcome.code, outcome.stdout) == (0, ""), outcome.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "Kind\tservice account" in admin.run("-k", "ci.key", "whoami").stdout
    outcome_ = admin.run(*KEYS, "create", "robot", "more", "-o", "more.key", "--json")
    assert json.loads(outcome_.stdout)["name"] == "more"
    assert "rfk_" not in outcome_.output


def test_existing_file_prevents_key_creation(admin):
    file = key_file(admin.folder / "old.key", "precious")

    outcome = admin.run(*KEYS, "create", "robot", "deploy", "-o", "old.key")

    assert outcome.code == 1
    assert file.read_text() == "precious\n"
    assert admin.run(*KEYS, "list", "robot").stdout == ""


def test_keys_of_an_account_are_listed_and_revoked(admin, members, team_server):
    key = members.robot.key("deploy")
    authorize_status(members, team_server, key.secret)
    [line] = admin.run(*KEYS, "list", "robot").stdout.splitlines()
    assert line.split("\t")[:4] == [key.id, "deploy", key.secret[-4:], "1"]
    assert key.secret not in line

    outcome = admin.run(*KEYS, "revoke", "robot", "deploy")

    assert (outcome.code, outcome.stderr.splitlines()[0]) == (0, "The key deploy was revoked.")
    assert authorize_status(members, team_server, key.secret) == 401
    revoked_again = admin.run(*KEYS, "revoke", "robot", key.id)
    assert (revoked_again.code, "revoked already" in revoked_again.stderr) == (0, True)
    [item] = json.loads(admin.run(*KEYS, "list", "robot", "--state", "revoked", "--json").stdout)["items"]
    assert item["id"] == key.id
    empty = admin.run(*KEYS, "list", "robot")
    assert "reflow team service-accounts keys create robot NAME" in empty.stderr


def test_own_key_is_not_listed_for_a_service_account(admin, members):
    own = members.admin.key()
    for words in (own.id, own.name):
        outcome = admin.run(*KEYS, "revoke", "robot", words)
        assert outcome.code == 6
        assert "reflow team service-accounts keys list robot shows its keys" in outcome.stderr


def test_person_is_asked_before_a_key_in_use_is_revoked(admin, members, team_server):
    key = members.robot.key("deploy")
    authorize_status(members, team_server, key.secret)

    outcome = admin.run_interactively(*KEYS, "revoke", "robot", "deploy", answers=(("Revoke it?", "n"),))

    assert outcome.code == 1
    assert authorize_status(members, team_server, key.secret) == 204


WRITES = [
    ("create", "x"),
    ("rename", "robot", "x"),
    ("rights", "robot", "view"),
    ("disable", "robot"),
    ("enable", "robot"),
    ("delete", "robot", "--yes"),
    ("keys", "list", "robot"),
    ("keys", "create", "robot", "x"),
    ("keys", "revoke", "robot", "x"),
]


@pytest.mark.parametrize(
    "member", ["editor", *(pytest.param(member, marks=pytest.mark.slow) for member in ("viewer", "robot"))]
)
def test_members_below_admin_see_accounts_and_cannot_manage_them(terminal_for, members, team_server, member):
    key = members.robot.key()
    terminal_ = terminal_for(getattr(members, member))
    assert terminal_.run(*ACCOUNTS, "list").stdout.startswith(members.robot.id)
    for words in WRITES:
        outcome = terminal_.run(*ACCOUNTS, *words)
        assert outcome.code == 5, (words, outcome.stderr)
        assert outcome.stdout == ""
    assert authorize_status(members, team_server, key.secret) == 204


def test_every_command_takes_a_team(admin, members):
    other = members.other_team()
    name = unused_name()

    assert admin.run(*ACCOUNTS, "create", name).code == 2
    assert admin.run(*ACCOUNTS, "create", name, "--team", other.name).code == 0
    assert admin.run(*KEYS, "create", name, "deploy", "--team", other.id).code == 0
    assert name in admin.run(*ACCOUNTS, "list", "--team", other.name).stdout
    assert name not in admin.run(*ACCOUNTS, "list", "--team", members.team.id).stdout
