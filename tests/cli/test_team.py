"""`reflow team` at the real server: teams, members, invitations, and which team is meant."""

import json

import pytest

from reflow_accounts.teams.models import Rights
from tests import factories
from tests.cli.account import unused_name
from tests.helpers import rows

pytestmark = pytest.mark.postgresql_later


def cells(outcome):
    assert outcome.code == 0, outcome.stderr
    return [line.split("\t") for line in outcome.stdout.splitlines()]


def address():
    return f"{unused_name()}@example.com"


def test_list_shows_teams_with_rights_and_subscription(admin, crew):
    other = crew.other_team(Rights.VIEW)
    other.unsubscribe()

    assert cells(admin.run("team", "list")) == [
        [crew.team.id, crew.team.name, "admin", "active"],
        [other.id, other.name, "view", "inactive"],
    ]
    answer = json.loads(admin.run("team", "list", "--json").stdout)
    assert [item["id"] for item in answer["items"]] == [crew.team.id, other.id]
    assert answer["next_cursor"] is None


def test_list_shows_members_with_rights_and_last_activity(admin, crew):
    found = cells(admin.run("team", "members"))

    assert [line[:4] for line in found] == [
        [crew.admin.id, "Ann", crew.admin.email, "admin"],
        [crew.editor.id, "Eve", crew.editor.email, "edit"],
        [crew.viewer.id, "Vic", crew.viewer.email, "view"],
    ]
    assert found[0][4].startswith("20")
    assert found[1][4] == "Never"
    items = json.loads(admin.run("--json", "team", "members").stdout)["items"]
    assert [item["email"] for item in items] == [line[2] for line in found]


def test_members_below_admin_see_them_too(seat, crew):
    assert len(cells(seat(crew.viewer).run("team", "members"))) == 3


def test_tables_are_drawn_on_a_terminal(admin, crew):
    for words, heading in ((("members",), "Last active"), (("list",), "Subscription")):
        outcome = admin.run_at_a_screen("team", *words)
        assert outcome.code == 0
        assert heading in outcome.stdout
        assert "\t" not in outcome.stdout


def test_several_people_are_invited_at_once(admin, crew):
    first, second = address(), address()

    outcome = admin.run("team", "invite", first, second.upper(), "--rights", "edit")

    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout == ""
    assert f"{first} was invited (edit).\n{second} was invited (edit).\n" in outcome.stderr
    pending = cells(admin.run("team", "invitations", "list"))
    assert [line[1:4] for line in pending] == [[second, "edit", "open"], [first, "edit", "open"]]


def test_default_rights_are_view(admin):
    answer = json.loads(admin.run("team", "invite", address(), "--json").stdout)
    assert [item["rights"] for item in answer["items"]] == ["view"]


def test_bad_addresses_are_named_and_nobody_is_invited(admin, crew):
    good = address()

    outcome = admin.run("team", "invite", good, "nonsense", crew.editor.email)

    assert outcome.code == 1
    assert outcome.stderr.startswith("reflow: No invitation was sent.\n  nonsense: ")
    assert good not in outcome.stderr
    again = admin.run("team", "invite", good, crew.editor.email)
    assert f"  {crew.editor.email} is a member already" in again.stderr
    listed = admin.run("team", "invitations", "list")
    assert (listed.code, listed.stdout) == (0, "")
    assert "No invitation is pending" in listed.stderr


def test_too_many_addresses_are_explained(admin):
    outcome = admin.run("team", "invite", *(address() for _ in range(51)))
    assert outcome.code == 1
    assert "50" in outcome.stderr


@pytest.mark.parametrize("by", ["email", "id"])
def test_invitation_is_sent_again_and_cancelled(admin, by):
    name = unused_name()
    invited = json.loads(admin.run("team", "invite", f"{name}@fußball.example", "--json").stdout)["items"][0]
    # Also as browsers and mail programs write the domain.
    named = f"{name.upper()}@xn--fuball-cta.example" if by == "email" else invited["id"]

    again = admin.run("team", "invitations", "resend", named)
    assert (again.code, again.stderr) == (0, f"The invitation to {invited['email']} was sent again.\n")
    gone = admin.run("team", "invitations", "cancel", named)
    assert (gone.code, gone.stderr) == (0, f"The invitation to {invited['email']} was cancelled.\n")
    assert admin.run("team", "invitations", "list").stdout == ""


@pytest.mark.parametrize("act", ["resend", "cancel"])
def test_missing_invitation_is_not_found(admin, act):
    outcome = admin.run("team", "invitations", act, "nobody@example.com")
    assert outcome.code == 6
    assert "No invitation to nobody@example.com is pending" in outcome.stderr


@pytest.mark.parametrize("who", ["editor", "viewer", "robot"])
@pytest.mark.parametrize("words", [("invite", "x@example.com"), ("invitations", "list")], ids=" ".join)
def test_refusal_below_admin_is_explained(seat, crew, who, words):
    place = seat(getattr(crew, who))
    before = rows.audit_events(crew.app)

    outcome = place.run("team", *words)

    assert outcome.code == 5
    assert f"This needs Admin rights to {crew.team.name}." in outcome.stderr
    assert rows.audit_events(crew.app) == before


@pytest.mark.parametrize("words", [("members",), ("invite", "x@example.com"), ("service-accounts", "list")])
def test_member_of_several_teams_must_name_one(admin, crew, words):
    other = crew.other_team()

    outcome = admin.run("team", *words)

    assert outcome.code == 2
    assert outcome.stdout == ""
    assert "Say which one with --team:" in outcome.stderr
    for team in (crew.team, other):
        assert f"  {team.id}  {team.name}\n" in outcome.stderr


def test_team_is_named_by_name_or_id(admin, crew):
    other = crew.other_team()
    for words in (other.name, other.id):
        assert [line[1] for line in cells(admin.run("team", "members", "--team", words))] == ["Otto", "Ann"]


def test_id_distinguishes_teams_of_one_name(admin, crew):
    other = crew.other_team(name=crew.team.name)

    outcome = admin.run("team", "members", "--team", other.name)

    assert outcome.code == 6
    assert crew.team.id in outcome.stderr
    assert other.id in outcome.stderr
    assert len(cells(admin.run("team", "members", "--team", other.id))) == 2


def test_team_named_like_the_id_of_another_is_not_taken_for_it(admin, crew):
    crew.other_team(name=crew.team.id)
    assert len(cells(admin.run("team", "members", "--team", crew.team.id))) == 3


def test_strangers_team_is_not_found(admin, crew):
    strange = factories.team(crew.app, unused_name("Strange"), factories.person(crew.app))
    for words in (strange.name, strange.id, "", "../me"):
        outcome = admin.run("team", "members", "--team", words)
        assert outcome.code == 6
        assert "You belong to no team" in outcome.stderr


def test_user_without_a_team_is_told(house, terminal):
    alone = factories.person(house.app)
    terminal.environ["REFLOW_SERVER"] = house.url
    outcome = terminal.run(
        "login", "--email", alone.email, "--server", house.url, stdin=f"{alone.password}\n"
    )
    assert outcome.code == 0, outcome.stderr

    assert terminal.run("team", "list").stdout == ""
    outcome = terminal.run("team", "members")
    assert (outcome.code, outcome.stderr) == (6, "reflow: You belong to no team.\n")


def test_key_without_a_subscription_is_not_allowed(admin, crew):
    crew.team.unsubscribe()
    outcome = admin.run("team", "list")
    assert outcome.code == 5
    assert "subscription" in outcome.stderr
