"""`reflow team` at the real server: teams, members, invitations, and which team is meant."""

import json

import pytest

from reflow_accounts.teams.models import Rights
from tests import factories
from tests.cli.account import unused_name
from tests.helpers import rows

pytestmark = pytest.mark.postgresql_later


def rows_of(outcome):
    assert outcome.code == 0, outcome.stderr
    return [line.split("\t") for line in outcome.stdout.splitlines()]


def address():
    return f"{unused_name()}@example.com"


def test_list_shows_teams_with_rights_and_subscription(admin, members):
    other = members.other_team(Rights.VIEW)
    other.unsubscribe()

    assert rows_of(admin.run("team", "list")) == [
        [members.team.id, members.team.name, "admin", "active"],
        [other.id, other.name, "view", "inactive"],
    ]
    answer = json.loads(admin.run("team", "list", "--json").stdout)
    assert [item["id"] for item in answer["items"]] == [members.team.id, other.id]
    assert answer["next_cursor"] is None


def test_list_shows_members_with_rights_and_last_activity(admin, members):
    lines = rows_of(admin.run("team", "members"))

    assert [line[:4] for line in lines] == [
        [members.admin.id, "Ann", members.admin.email, "admin"],
        [members.editor.id, "Eve", members.editor.email, "edit"],
        [members.viewer.id, "Vic", members.viewer.email, "view"],
    ]
    assert lines[0][4].startswith("20")
    assert lines[1][4] == "Never"
    items = json.loads(admin.run("--json", "team", "members").stdout)["items"]
    assert [item["email"] for item in items] == [line[2] for line in lines]


def test_members_below_admin_see_them_too(terminal_for, members):
    assert len(rows_of(terminal_for(members.viewer).run("team", "members"))) == 3


def test_tables_are_drawn_on_a_terminal(admin, members):
    for words, heading in ((("members",), "Last active"), (("list",), "Subscription")):
        outcome = admin.run_interactively("team", *words)
        assert outcome.code == 0
        assert heading in outcome.stdout
        assert "\t" not in outcome.stdout


def test_several_people_are_invited(admin, members):
    first, second = address(), address()

    outcome = admin.run("team", "invite", first, second.upper(), "--rights", "edit")

    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout == ""
    assert f"{first} was invited (edit).\n{second} was invited (edit).\n" in outcome.stderr
    pending = rows_of(admin.run("team", "invitations", "list"))
    assert [line[1:4] for line in pending] == [[second, "edit", "open"], [first, "edit", "open"]]


def test_default_rights_are_view(admin):
    answer = json.loads(admin.run("team", "invite", address(), "--json").stdout)
    assert [item["rights"] for item in answer["items"]] == ["view"]


def test_invalid_addresses_are_named_and_nobody_is_invited(admin, members):
    valid = address()

    outcome = admin.run("team", "invite", valid, "nonsense", members.editor.email)

    assert outcome.code == 1
    assert outcome.stderr.startswith("reflow: No invitation was sent.\n  nonsense: ")
    assert valid not in outcome.stderr
    outcome_again = admin.run("team", "invite", valid, members.editor.email)
    assert f"  {members.editor.email} is a member already" in outcome_again.stderr
    invitations = admin.run("team", "invitations", "list")
    assert (invitations.code, invitations.stdout) == (0, "")
    assert "No invitation is pending" in invitations.stderr


def test_too_many_addresses_are_explained(admin):
    outcome = admin.run("team", "invite", *(address() for _ in range(51)))
    assert outcome.code == 1
    assert "50" in outcome.stderr


@pytest.mark.parametrize("by", ["email", "id"])
def test_invitation_is_resent_and_cancelled(admin, by):
    name = unused_name()
    invited = json.loads(admin.run("team", "invite", f"{name}@fußball.example", "--json").stdout)["items"][0]
    # Also as browsers and mail programs write the domain.
    named = f"{name.upper()}@xn--fuball-cta.example" if by == "email" else invited["id"]

    outcome_again = admin.run("team", "invitations", "resend", named)
    assert (outcome_again.code, outcome_again.stderr) == (
        0,
        f"The invitation to {invited['email']} was sent again.\n",
    )
    cancelled = admin.run("team", "invitations", "cancel", named)
    assert (cancelled.code, cancelled.stderr) == (0, f"The invitation to {invited['email']} was cancelled.\n")
    assert admin.run("team", "invitations", "list").stdout == ""


@pytest.mark.parametrize("command", ["resend", "cancel"])
def test_missing_invitation_is_not_found(admin, command):
    outcome = admin.run("team", "invitations", command, "nobody@example.com")
    assert outcome.code == 6
    assert "No invitation to nobody@example.com is pending" in outcome.stderr


def test_member_is_removed_by_the_ascii_form_of_an_address(admin, members):
    name = unused_name()
    members.editor.change(email=f"{name}@fußball.example")
    outcome = admin.run("team", "members", "remove", f"{name.upper()}@xn--fuball-cta.example", "--yes")
    assert outcome.code == 0, outcome.stderr
    assert members.editor.id not in admin.run("team", "members", "--json").stdout


@pytest.mark.parametrize("member", ["editor", "viewer", "robot"])
@pytest.mark.parametrize("words", [("invite", "x@example.com"), ("invitations", "list")], ids=" ".join)
def test_refusal_below_admin_is_explained(terminal_for, members, member, words):
    terminal_ = terminal_for(getattr(members, member))
    before = rows.audit_events(members.app)

    outcome = terminal_.run("team", *words)

    assert outcome.code == 5
    assert f"This needs Admin rights to {members.team.name}." in outcome.stderr
    assert rows.audit_events(members.app) == before


@pytest.mark.parametrize("words", [("members",), ("invite", "x@example.com"), ("service-accounts", "list")])
def test_member_of_several_teams_must_name_one(admin, members, words):
    other = members.other_team()

    outcome = admin.run("team", *words)

    assert outcome.code == 2
    assert outcome.stdout == ""
    assert "Say which one with --team:" in outcome.stderr
    for team in (members.team, other):
        assert f"  {team.id}  {team.name}\n" in outcome.stderr


def test_team_is_named_by_name_or_id(admin, members):
    other = members.other_team()
    for words in ((other.name,), (other.id,), (other.name, "list")):
        assert [line[1] for line in rows_of(admin.run("team", "members", "--team", *words))] == [
            "Otto",
            "Ann",
        ]


def test_id_distinguishes_teams_of_one_name(admin, members):
    other = members.other_team(name=members.team.name)

    outcome = admin.run("team", "members", "--team", other.name)

    assert outcome.code == 6
    assert members.team.id in outcome.stderr
    assert other.id in outcome.stderr
    assert len(rows_of(admin.run("team", "members", "--team", other.id))) == 2


def test_team_named_like_the_id_of_another_is_not_taken_for_it(admin, members):
    members.other_team(name=members.team.id)
    assert len(rows_of(admin.run("team", "members", "--team", members.team.id))) == 3


def test_team_of_others_is_not_found(admin, members):
    other_team = factories.team(members.app, unused_name("Strange"), factories.person(members.app))
    for words in (other_team.name, other_team.id, "", "../me"):
        outcome = admin.run("team", "members", "--team", words)
        assert outcome.code == 6
        assert "You belong to no team" in outcome.stderr


def test_user_without_a_team_gets_an_explanation(team_server, terminal):
    person = factories.person(team_server.app)
    terminal.environ["REFLOW_SERVER"] = team_server.url
    outcome = terminal.run(
        "login", "--email", person.email, "--server", team_server.url, stdin=f"{person.password}\n"
    )
    assert outcome.code == 0, outcome.stderr

    assert terminal.run("team", "list").stdout == ""
    outcome = terminal.run("team", "members")
    assert (outcome.code, outcome.stderr) == (6, "reflow: You belong to no team.\n")


def test_key_without_a_subscription_is_not_allowed(admin, members):
    members.team.unsubscribe()
    outcome = admin.run("team", "list")
    assert outcome.code == 5
    assert "subscription" in outcome.stderr
