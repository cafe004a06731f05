"""The list of the console: filter by state, and what needs attention first."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import insert, select

from reflow_accounts.database import db, now
from reflow_accounts.subscriptions.models import LicenceState
from reflow_accounts.teams.models import Membership, Rights, Team
from reflow_accounts.users.models import User
from tests.helpers import rows
from tests.subscriptions.facts import buy


@pytest.fixture
def listed_teams(cast, client):
    """`listed_teams("active")`: the teams that the console lists with this filter, in order."""
    cast.sam.sign_in(client)

    def teams_for(state=""):
        page = client.page("/support", query_string={"state": state})
        return [link.text for link in page.all("a") if link["class"] == "name"]

    return teams_for


def test_list_is_filtered_by_state(cast, listed_teams):
    buy(cast.solo, LicenceState.ENDED)
    assert "Solo" in listed_teams("inactive")
    assert "Solo" not in listed_teams("active")
    assert "Acme" in listed_teams("active")
    assert listed_teams("nonsense") == listed_teams()


def test_teams_that_need_attention_come_first(cast, client, listed_teams):
    with time_machine.travel(now() - timedelta(minutes=61)):
        buy(cast.solo, LicenceState.PENDING)
    buy(cast.acme, key="l-acme")
    # Acme and its override agree now, and the override ends in years.
    assert "Acme" not in listed_teams("attention")
    assert "Solo" in listed_teams("attention")
    assert listed_teams()[-1] == "Acme"
    assert "The purchase waits for AWS" in client.page("/support").text


def test_download_is_filtered_like_the_list(app, cast, client):
    buy(cast.solo, LicenceState.ENDED)
    cast.sam.sign_in(client)
    response = client.get("/support/export?state=inactive")
    heading, *lines = response.text.splitlines()
    assert heading.startswith("Team,Team ID,Subscription,AWS says,AWS account")
    assert f"Solo,{cast.solo.id},inactive,ended,123456789012,,0," in lines
    assert not [line for line in lines if line.startswith("Acme")]
    assert rows.audit_events(app)[-1] == ("support.searched", "Sam Hale", "every team")


def test_list_shows_the_last_request_of_any_member(cast, client, api):
    assert api(cast.vic.key().secret).get("/me").status_code == 200
    cast.sam.sign_in(client)
    heading, *lines = client.get("/support/export?q=acme").text.splitlines()
    assert heading.endswith("Last request")
    before = lines[0].rpartition(",")[2]
    with time_machine.travel(now() + timedelta(hours=1)):
        assert api(cast.ben.key().secret).get("/me").status_code == 200
    after = client.get("/support/export?q=acme").text.splitlines()[1].rpartition(",")[2]
    with time_machine.travel(now() + timedelta(hours=2)):
        assert api(cast.vic.key().secret).get("/me").status_code == 200
    latest = client.get("/support/export?q=acme").text.splitlines()[1].rpartition(",")[2]
    assert before
    assert before < after < latest


def test_list_counts_the_keys_that_are_not_revoked(cast, client):
    cast.sam.sign_in(client)
    before = int(client.get("/support/export?q=acme").text.splitlines()[1].split(",")[-2])
    cast.ben.key()
    cast.vic.revoke(cast.vic.key())
    lines = client.get("/support/export?q=acme").text.splitlines()
    assert int(lines[1].split(",")[-2]) == before + 1


@pytest.mark.slow
def test_list_of_more_members_than_a_statement_has_parameters(app, cast, client):
    number = 70_000
    with app.app_context():
        users = [{"full_name": "Member", "kind": "service_account"} for _ in range(number)]
        db.session.execute(insert(User), users)
        newest = select(User.id).order_by(User.id.desc()).limit(number)
        teams = [{"name": f"Team {n}"} for n in range(number // 100)]
        db.session.execute(insert(Team), teams)
        ids = list(db.session.scalars(select(Team.id).order_by(Team.id.desc()).limit(len(teams))))
        members = [
            {"user_id": user, "team_id": ids[n % len(ids)], "rights": Rights.VIEW}
            for n, user in enumerate(db.session.scalars(newest))
        ]
        db.session.execute(insert(Membership), members)
        db.session.commit()
    cast.sam.sign_in(client)
    assert len(client.get("/support/export").text.splitlines()) > len(ids)
