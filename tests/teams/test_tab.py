"""The Team tab: members with rights and last activity, and the actions available to each user."""

from datetime import timedelta

import pytest

from reflow_accounts.database import now
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.page_client import HTMX
from tests.teams.team_actions import departure_path, invite, removal_path, rights_path, tab_path

pytestmark = pytest.mark.postgresql_later


def names_on(page):
    return [heading.text for heading in page.all("th") if heading["scope"] == "row"]


def buttons_on(page):
    panel = page.with_id("teams-members")
    return {button["aria-label"] or button.text for button in panel.all("button")}


def test_admin_sees_all_members_with_controls(ada):
    page = ada.page("/account/team")
    panel = page.with_id("teams-members")
    assert names_on(panel) == [
        "Ada Park You ada@acme.example",
        "Ben Cole ben@acme.example",
        "Vic Moss vic@acme.example",
    ]
    assert buttons_on(page) >= {
        "Invite people",
        "Save rights for Ada Park",
        "Save rights for Ben Cole",
        "Save rights for Vic Moss",
        "Remove Ben Cole",
        "Remove Vic Moss",
        "Leave team",
    }
    selected = {
        control["aria-label"]: option.text
        for control in panel.all("select")
        for option in control.all("option")
        if "selected" in option
    }
    assert selected == {
        "Rights for Ada Park": "Admin",
        "Rights for Ben Cole": "Edit",
        "Rights for Vic Moss": "View",
    }


def test_service_accounts_are_not_listed_as_members(ada):
    assert "acme-ci" not in ada.page("/account/team").with_id("teams-members").text


@pytest.mark.parametrize(("user", "rights"), [("ben", "Edit"), ("vic", "View")])
def test_member_below_admin_sees_the_team_and_can_only_leave(cast, client, user, rights):
    page = getattr(cast, user).sign_in(client).page("/account/team")
    assert f"Your rights: {rights}." in page.text
    assert buttons_on(page) == {"Leave team"}
    assert "Rename team" not in page.text
    assert len(names_on(page.with_id("teams-members"))) == 3


def test_only_member_is_told_to_invite(cast, client):
    page = cast.nina.sign_in(client).page("/account/team")
    assert "You are the only member. Invite people to share keys and activity." in page.text
    invite(client, cast.solo, "eve@initech.example")
    assert "You are the only member" not in client.page("/account/team").text


def test_invited_people_are_listed_for_admins_only(app, cast, ada):
    invite(ada, cast.acme, "eve@initech.example")
    page = ada.page("/account/team")
    assert names_on(page.with_id("teams-members"))[-1].startswith("eve@initech.example Invited")
    assert {
        "Resend invitation to eve@initech.example",
        "Cancel invitation to eve@initech.example",
    } <= buttons_on(page)
    ben = cast.ben.sign_in(app.test_client())
    assert "eve@initech.example" not in ben.page("/account/team").text


def test_last_active_is_the_newer_of_sessions_and_uses_of_keys(cast, ada, api):
    def last_active_of(name):
        [row] = [row for row in ada.page("/account/team").all("tr") if row.text.startswith(name)]
        return row.all("td")[1].text

    assert (last_active_of("Ada Park"), last_active_of("Ben Cole")) == ("Just now", "Never")
    cast.ben.session()
    cast.ben.change_sessions(last_active_at=now() - timedelta(hours=3))
    assert last_active_of("Ben Cole") == "3 hours ago"
    api(cast.ben.key().secret).get("/me")
    assert last_active_of("Ben Cole") == "Just now"


def test_statements_do_not_grow_with_the_rows(app, cast, ada):
    def count_statements():
        ada.page("/account/team")
        with rows.collect_statements(app) as statements:
            ada.page("/account/team")
        return statements.count

    invite(ada, cast.acme, "eve@initech.example")
    statements_before = count_statements()
    for number in range(5):
        member = factories.person(app)
        cast.acme.add(member, Rights.VIEW)
        member.key(), member.session()
        invite(ada, cast.acme, f"guest{number}@initech.example")
    assert count_statements() == statements_before


def test_large_team_is_paginated_and_an_action_keeps_the_page(app, cast, ada):
    for _ in range(50):
        cast.acme.add(factories.person(app), Rights.VIEW)
    first = ada.page("/account/team")
    [link] = [link for link in first.all("a") if link.text == "More members"]
    second = ada.page(link["href"])
    assert len(names_on(first.with_id("teams-members"))) == 50
    assert len(names_on(second.with_id("teams-members"))) == 3
    assert not set(names_on(second.with_id("teams-members"))) & set(names_on(first.with_id("teams-members")))
    form = [form for form in second.all("form") if form["action"].endswith("/rights")][-1]
    response = ada.submit(second, form["action"], rights="edit", headers=HTMX)
    assert response.text.count('role="rowheader"') == 3


def test_page_that_lost_its_members_leads_to_the_first_one(ada):
    page = ada.page("/account/team?cursor=c999999999999999999.1")
    assert "There are no more members." in page.with_id("teams-members").text
    [link] = [link for link in page.all("a") if link.text == "Show the first members"]
    assert len(names_on(ada.page(link["href"]).with_id("teams-members"))) == 3


def test_action_keeps_the_page_of_invitations(cast, ada):
    for batch in range(2):
        invite(ada, cast.acme, *[f"guest{number}@batch{batch}.example" for number in range(30)])
    [link] = [link for link in ada.page("/account/team").all("a") if link.text == "More invitations"]
    page = ada.page(link["href"])
    first, second, *_ = [
        form["action"] for form in page.all("form") if form["action"].endswith("/cancellation")
    ]
    assert ada.submit(page, first, headers=HTMX).text.count("Resend invitation to") == 9
    response = ada.submit(page, second)
    assert ada.get(response.headers["Location"]).text.count("Resend invitation to") == 8


def test_bad_cursor_is_refused(ada):
    assert ada.get("/account/team?cursor=x").status_code == 422
    assert ada.get("/account/team?waiting=x").status_code == 422


def test_pages_of_the_team_are_404_for_outsiders(cast, client):
    cast.charlie.sign_in(client)
    for path in (tab_path(cast.acme), removal_path(cast.acme, cast.ben), departure_path(cast.acme)):
        assert client.get(path).status_code == 404
    assert client.send(rights_path(cast.acme, cast.ben), rights="view").status_code == 404


def test_names_are_escaped(app, cast, ada):
    cast.ben.change(full_name='<b>Ben</b> & "Co"')
    text = ada.get("/account/team").text
    assert "<b>Ben</b>" not in text
    assert "&lt;b&gt;Ben&lt;/b&gt;" in text
