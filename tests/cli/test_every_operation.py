"""The commands for single operations: they send what the API expects and print its answer."""

import json
from datetime import UTC, datetime

import pytest

from tests.cli.account import unused_name
from tests.cli.secrets_for_tests import made_up_key

TEAM = {
    "id": "team_1",
    "name": "Acme",
    "rights": "admin",
    "subscription": "active",
    "created_at": "2026-01-02T03:04:05Z",
}
ADA = {"id": "usr_1", "name": "Ada Park", "email": "ada@acme.example", "rights": "admin"}
ROBOT = {"id": "usr_9", "name": "robot", "rights": "edit", "disabled": False, "key_count": 1}
KEY = {"id": "key_1", "name": "laptop", "hint": "abcd", "use_count": 3, "created_by": {"type": "session"}}
ROBOTS = "/teams/team_1/service-accounts"
CASES = {
    ("team", "show"): ("GET", "/teams/team_1", None),
    ("team", "rename", "Rocket"): ("PATCH", "/teams/team_1", {"name": "Rocket"}),
    ("team", "members", "rights", "ADA@acme.example", "view"): (
        "PATCH",
        "/teams/team_1/members/usr_1",
        {"rights": "view"},
    ),
    ("team", "members", "--team", "Acme", "remove", "Ada Park", "--yes"): (
        "DELETE",
        "/teams/team_1/members/usr_1",
        None,
    ),
    ("team", "invitations", "cancel", "new@acme.example"): (
        "DELETE",
        "/teams/team_1/invitations/inv_1",
        None,
    ),
    ("team", "service-accounts", "delete", "robot", "--yes"): ("DELETE", f"{ROBOTS}/usr_9", None),
    ("team", "service-accounts", "show", "robot"): ("GET", f"{ROBOTS}/usr_9", None),
    ("team", "service-accounts", "keys", "rename", "robot", "laptop", "x"): (
        "PATCH",
        f"{ROBOTS}/usr_9/keys/key_1",
        {"name": "x"},
    ),
    ("keys", "rename", "laptop", "desk"): ("PATCH", "/keys/key_1", {"name": "desk"}),
    ("keys", "revoke", "laptop"): ("DELETE", "/keys/key_1", None),
    ("authorize",): ("GET", "/authorize?team=team_1&rights=view", None),
    ("support", "teams", "acme"): ("GET", "/support/teams?q=acme&limit=50", None),
    (
        "support",
        "subscription",
        "acme",
        "inactive",
        "--reason",
        "unpaid",
        "--until",
        "2027-03-31T12:00:00Z",
    ): (
        "PUT",
        "/support/teams/team_1/subscription",
        {"active": False, "reason": "unpaid", "ticket": "", "expires_at": "2027-03-31T12:00:00Z"},
    ),
}


@pytest.fixture
def prepared_terminal(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    lists = {
        "/teams": TEAM,
        "/support/teams": TEAM,
        "/teams/team_1/members": ADA,
        "/teams/team_1/invitations": {"id": "inv_1", "email": "new@acme.example"},
        "/keys": KEY,
        ROBOTS: ROBOT,
        f"{ROBOTS}/usr_9/keys": KEY,
    }
    for path, item in lists.items():
        listener.respond("GET", path, {"items": [item], "next_cursor": None})
    for method, path, _ in CASES.values():
        if method == "DELETE":
            listener.respond_raw(method, path, b"", 204)
        elif "?" not in path:
            listener.respond(method, path, {**TEAM, "id": "x_1"})
    listener.respond("GET", "/authorize", {})
    return listener_terminal


@pytest.mark.parametrize(("words", "expected"), CASES.items(), ids=[" ".join(words[:4]) for words in CASES])
def test_operation_is_sent_and_its_answer_printed(prepared_terminal, listener, words, expected):
    outcome = prepared_terminal.run("--json", *words)

    assert outcome.code == 0, outcome.stderr
    last = listener.requests[-1]
    body = json.loads(last["body"]) if last["body"] else None
    assert (last["method"], last["path"].removeprefix("/api/v1"), body) == expected
    assert isinstance(json.loads(outcome.stdout), dict)


def test_key_is_shown_with_its_uses_also_when_revoked(keyed_terminal, ada):
    key = ada.new_key(unused_name("used"))
    keyed_terminal.environ["REFLOW_API_KEY"] = key["secret"]
    keyed_terminal.run("api", "/teams")
    keyed_terminal.environ["REFLOW_API_KEY"] = keyed_terminal.key["secret"]

    shown = keyed_terminal.run("keys", "show", key["name"])
    assert shown.code == 0, shown.stderr
    assert f"Name\t{key['name']}\n" in shown.stdout
    assert "Times used\t1\n" in shown.stdout
    assert "Uses\t1 in 24 hours, 1 in 7 days, 1 in 30 days\n" in shown.stdout
    assert "\tGET /api/v1/teams\t200\t" in shown.stdout
    ada.revoke(key)
    for name in (key["name"], key["id"]):
        answer = json.loads(keyed_terminal.run("keys", "show", name, "--json").stdout)
        assert (answer["name"], len(answer["uses"]), bool(answer["revoked_at"])) == (key["name"], 1, True)
        assert answer["usage"]["last_30_days"] == 1


def test_key_of_a_service_account_is_shown_with_its_usage(prepared_terminal, listener):
    program = {
        "name": "GitHub Actions in acme/web",
        "last_used_at": datetime.now(UTC).isoformat(),
        "addresses": ["192.0.2.7"],
        "address_count": 1,
    }
    counts = {"last_24_hours": 2, "last_7_days": 3, "last_30_days": 4}
    usage = {**counts, "program_count": 1, "programs": [program]}
    listener.respond("GET", f"{ROBOTS}/usr_9/keys/key_1/usage", usage)
    words = ("team", "service-accounts", "keys", "show", "robot", "laptop")

    shown = prepared_terminal.run(*words)
    assert shown.code == 0, shown.stderr
    assert "Uses\t2 in 24 hours, 3 in 7 days, 4 in 30 days\n" in shown.stdout
    at = program["last_used_at"]
    assert f"Used by\tGitHub Actions in acme/web, {at}, from 192.0.2.7\n" in shown.stdout
    assert json.loads(prepared_terminal.run("--json", *words).stdout)["usage"] == usage


def test_subscription_cannot_be_set_until_never(prepared_terminal, listener):
    outcome = prepared_terminal.run(
        "support", "subscription", "acme", "active", "--reason", "x", "--until", "never"
    )

    assert outcome.code == 2
    assert "--until never is not a valid end." in outcome.stderr
    assert listener.requests == []


def test_end_of_an_override_is_announced(prepared_terminal, listener):
    """Support that names no end learns that the server chose one."""
    team = {**TEAM, "override": {"active": True, "expires_at": "2027-03-31T12:00:00.000000Z"}}
    listener.respond("PUT", "/support/teams/team_1/subscription", team)

    outcome = prepared_terminal.run("support", "subscription", "acme", "active", "--reason", "x")

    assert outcome.stderr == "The subscription of Acme is active until 2027-03-31 12:00 UTC.\n"


@pytest.mark.parametrize("words", [("teams",), ("subscription", "acme", "active", "--reason", "x")])
def test_support_says_whom_it_is_for(prepared_terminal, listener, words):
    listener.respond("GET", "/support/teams", {"code": "not_found", "status": 404, "title": "Not found"}, 404)

    outcome = prepared_terminal.run("support", *words)

    assert outcome.code == 6
    assert outcome.stderr == "reflow: This is for support staff only. Your own teams: reflow team list.\n"


def test_other_refusal_of_the_support_list_is_passed_on(prepared_terminal, listener):
    listener.respond("GET", "/support/teams", {"code": "insufficient_rights", "status": 403}, 403)

    assert prepared_terminal.run("support", "teams").code == 5


def test_removal_needs_a_confirmation(prepared_terminal):
    assert prepared_terminal.run("team", "members", "remove", "Ada Park").code == 2


@pytest.mark.parametrize(
    ("words", "near"),
    [(("whoam",), "whoami"), (("keys", "lst"), "list"), (("team", "service-account"), "service-accounts")],
)
def test_misspelled_command_gets_a_suggestion(terminal, words, near):
    outcome = terminal.run(*words)

    assert outcome.code == 2
    assert f"Did you mean {near}?" in outcome.stderr


@pytest.mark.parametrize("words", [("-h",), ("help",), ("keys", "create", "-h"), ("help", "keys", "create")])
def test_help_has_three_names(terminal, words):
    outcome = terminal.run(*words)

    assert outcome.code == 0
    assert (
        outcome.stdout
        == terminal.run(*(word for word in words if word not in ("-h", "help")), "--help").stdout
    )
