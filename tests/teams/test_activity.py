"""Activity of a team: Admins see all events, others only those that concern themselves or all members."""

import pytest
from sqlalchemy import select

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.database import db
from reflow_accounts.teams.models import Rights, Team
from reflow_accounts.teams.service import add_member
from tests.helpers.page_client import PageClient
from tests.teams.team_actions import change_rights, invitations_to, invite, remove

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def team_history(app, cast):
    """Ada invites and cancels, gives Ben rights, renames, and removes Vic; the subscription ends."""
    ada: PageClient = cast.ada.sign_in(app.test_client())
    invite(ada, cast.acme, "eve@initech.example")
    [invitation] = invitations_to(cast.acme)
    base = f"/account/teams/{cast.acme.id}"
    for action in ("sending", "cancellation"):
        ada.send(f"{base}/invitations/{invitation.public_id}/{action}")
    change_rights(ada, cast.acme, cast.ben, "view")
    ada.send(f"{base}/name", name="Acme Labs")
    remove(ada, cast.acme, cast.vic)
    cast.acme.unsubscribe()
    return ada


def events_of(api, person):
    items = api(person.session()).get("/activity?limit=200").json["items"]
    return [(item["title"], item["subject"], item["by"]) for item in items if item["title"] != "Signed in"]


ALL = [
    ("Subscription set to inactive", "Acme Labs", "Operator"),
    ("Member removed", "Vic Moss (View)", "Ada Park"),
    ("Team renamed", "Acme → Acme Labs", "Ada Park"),
    ("Rights changed", "Ben Cole (Edit → View)", "Ada Park"),
    ("Invitation cancelled", "eve@initech.example (View)", "Ada Park"),
    ("Invitation sent again", "eve@initech.example (View)", "Ada Park"),
    ("Member invited", "eve@initech.example (View)", "Ada Park"),
    ("Subscription set to active", "Acme", "Operator"),
]
OF_ALL_MEMBERS = [ALL[0], ALL[2], ALL[7]]


def test_admin_sees_every_event_of_the_team(cast, api, team_history):
    assert events_of(api, cast.ada) == ALL
    page = team_history.page("/account/activity").with_id("activity-panel")
    assert "Ben Cole (Edit → View)" in page.text


def test_another_admin_sees_every_event_too(cast, api, team_history):
    cast.acme.give(cast.ben, Rights.ADMIN)
    assert events_of(api, cast.ben) == ALL


def test_member_sees_events_that_concern_all_members_or_the_member(cast, api, team_history):
    assert events_of(api, cast.ben) == [ALL[0], ALL[2], ALL[3], ALL[7]]


def test_removed_member_sees_only_the_removal(cast, api, team_history):
    assert events_of(api, cast.vic) == [ALL[1]]


def test_former_admin_still_sees_own_events(cast, api, team_history):
    cast.acme.give(cast.ben, Rights.ADMIN)
    cast.acme.give(cast.ada, Rights.VIEW)
    assert events_of(api, cast.ada) == ALL


def test_outsider_sees_no_events_of_the_team(cast, api, team_history):
    assert events_of(api, cast.charlie) == [("Subscription set to active", "Globex", "Operator")]


def test_network_address_of_an_admin_is_hidden_from_others(app, cast, team_history):
    ben = cast.ben.sign_in(app.test_client())
    file = ben.get("/account/activity/export").text
    [line] = [line for line in file.splitlines() if "Rights changed" in line]
    assert line.endswith(",,")
    assert "127.0.0.1" not in line


def test_member_of_very_many_teams_sees_events_of_each(app, cast, api):
    with app.app_context():
        db.session.add_all([Team(name=f"Team {number:03}") for number in range(150)])
        db.session.flush()
        teams = db.session.scalars(select(Team).where(Team.name.startswith("Team ")).order_by(Team.id)).all()
        for team in teams:
            add_member(team, cast.vic.row(), Rights.VIEW)
            record(Action.TEAM_RENAMED, by=cast.ada.row(), team=team, subject=team.name)
            record(Action.MEMBER_INVITED, by=cast.ada.row(), team=team, subject="hidden")
            db.session.flush()
        db.session.commit()
        names = [team.name for team in teams]
    seen = events_of(api, cast.vic)
    assert [subject for title, subject, _ in seen if title == "Team renamed"] == names[::-1]
    assert "hidden" not in [subject for _, subject, _ in seen]
