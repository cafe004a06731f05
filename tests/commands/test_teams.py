"""`flask teams create`: a team with its first Admin."""

import pytest

from reflow_accounts.database import db, now
from reflow_accounts.teams.models import Membership, Rights, Team
from reflow_accounts.teams.service import find_team
from tests.helpers import rows

pytestmark = pytest.mark.postgresql_later


def test_team_is_made_with_its_owner_as_admin(app, cast, flask):
    code, words = flask("teams", "create", " New  Team ", "--owner", "NINA@solo.example")
    with app.app_context():
        team = find_team("New Team")
        membership = db.session.get_one(Membership, (cast.nina.number, team.id))
        assert (code, words) == (0, f"New Team was created ({team.public_id}). Nina Roy is its Admin.\n")
        assert membership.rights == Rights.ADMIN
    assert rows.audit_events(app)[-1] == ("team.created", "Operator", "New Team")


def test_owner_sees_it_in_the_activity(cast, client, flask):
    flask("teams", "create", "New Team", "--owner", cast.nina.email)
    cast.nina.sign_in(client)
    assert "Team created" in client.page("/account/activity").text


@pytest.mark.parametrize(
    ("name", "owner", "sentence"),
    [
        (" ", "ada@acme.example", "Enter a team name"),
        ("x" * 121, "ada@acme.example", "Use at most 120 characters"),
        ("New", "nobody@acme.example", "No user has the email address or id nobody@acme.example"),
        ("New", "ben@acme.example", "Ben Cole is disabled"),
    ],
)
def test_bad_arguments_create_nothing(app, cast, flask, name, owner, sentence):
    cast.ben.change(disabled_at=now())
    before = rows.count(app, Team)
    code, words = flask("teams", "create", name, "--owner", owner)
    assert code == 1
    assert sentence in words
    assert rows.count(app, Team) == before


def test_program_owns_no_team(cast, flask):
    assert "is a service account" in flask("teams", "create", "New", "--owner", cast.ci.id)[1]
    assert flask("teams", "create", "New")[0] == 2
