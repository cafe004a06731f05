"""The current team: the only one, the chosen one, or the one in the URL; never a guess."""

import pytest

from reflow_accounts.teams.models import Rights

pytestmark = pytest.mark.postgresql_later

TABS = ["/account/profile", "/account/security", "/account/api-keys", "/account/team", "/account/activity"]


@pytest.fixture
def ben(cast, client):
    """Ben, who is in Acme and Solo."""
    cast.solo.add(cast.ben, Rights.ADMIN)
    return cast.ben.sign_in(client)


def text_beside_heading(page):
    [head] = [element for element in page.all("div") if element["class"] == "pagehead"]
    return head.text.removeprefix("Account").strip()


@pytest.mark.parametrize("path", TABS)
def test_only_team_is_shown_beside_the_heading_of_every_tab(cast, client, path):
    cast.nina.sign_in(client)
    assert text_beside_heading(client.page(path)) == "Solo Subscription inactive"


@pytest.mark.parametrize("path", TABS)
def test_heading_links_to_the_choice_when_no_team_is_chosen(ben, path):
    page = ben.page(path)
    assert text_beside_heading(page) == "You are in 2 teams. Choose a team"
    [link] = [link for link in page.all("a") if link.text == "Choose a team"]
    assert "Choose a team" in ben.page(link["href"]).all("h2")[0].text


def test_team_tab_asks_when_no_team_is_chosen(cast, ben):
    page = ben.page("/account/team")
    assert "You are in 2 teams. Pages show the one that you choose." in page.text
    assert {button["value"] for button in page.all("button") if button["name"] == "team"} == {
        cast.acme.id,
        cast.solo.id,
    }


def test_choice_is_remembered_and_can_be_changed(cast, ben):
    for group, sentence in (
        (cast.solo, "Solo Subscription inactive"),
        (cast.acme, "Acme Subscription active"),
    ):
        response = ben.send("/account/team/choice", team=group.id)
        assert (response.status_code, response.headers["Location"]) == (303, "/account/team")
        for path in TABS:
            assert text_beside_heading(ben.page(path)) == f"{sentence} Switch team"
    ben.send("/logout")
    cast.ben.sign_in(ben)
    assert text_beside_heading(ben.page("/account/profile")).startswith("Acme")


def test_team_in_the_url_is_shown_without_changing_the_choice(cast, ben):
    ben.send("/account/team/choice", team=cast.acme.id)
    page = ben.page(f"/account/team?team={cast.solo.id}")
    assert text_beside_heading(page) == "Solo Subscription inactive Switch team"
    assert "Nina Roy" in page.text
    assert "Your rights: Admin." in page.text
    assert text_beside_heading(ben.page("/account/team")).startswith("Acme")
    assert text_beside_heading(ben.page(f"/account/profile?team={cast.solo.id}")).startswith("Solo")


def test_form_changes_its_own_team_regardless_of_the_choice(cast, ben):
    ben.send("/account/team/choice", team=cast.acme.id)
    response = ben.send(f"/account/teams/{cast.solo.id}/name", name="Solo Two")
    assert response.headers["Location"] == f"/account/team?team={cast.solo.id}"
    page = ben.page(f"/account/teams/{cast.solo.id}/name")
    assert text_beside_heading(page).startswith("Solo Two")


def test_activity_shows_only_the_current_team(cast, ben):
    cast.solo.subscribe()
    assert teams_in_activity(ben.page("/account/activity")) == set()
    assert "Choose a team to see what happened in it." in ben.page("/account/activity").text
    for group in (cast.acme, cast.solo):
        assert teams_in_activity(ben.page(f"/account/activity?team={group.id}")) == {group.name}
    ben.send("/account/team/choice", team=cast.solo.id)
    assert teams_in_activity(ben.page("/account/activity")) == {"Solo"}
    assert "Acme" not in ben.get("/account/activity/export").text
    assert "Acme" in ben.get(f"/account/activity/export?team={cast.acme.id}").text
    for path in ("/account/activity", "/account/activity/export"):
        assert ben.get(f"{path}?team={cast.globex.id}").status_code == 404


def teams_in_activity(page):
    """Return the teams whose subscription is in a line."""
    rows = [row for body in page.all("tbody") for row in body.all("tr") if "Subscription set" in row.text]
    return {name for name in ("Acme", "Solo", "Globex") for row in rows if name in row.text}


@pytest.mark.parametrize("link", ["GET", "POST"])
def test_team_of_others_is_neither_shown_nor_chosen(cast, ben, link):
    for team_id in (cast.globex.id, "team_0000000000000000", "x"):
        if link == "GET":
            assert ben.get(f"/account/team?team={team_id}").status_code == 404
        else:
            assert ben.send("/account/team/choice", team=team_id).status_code == 404
    assert text_beside_heading(ben.page(f"/account/profile?team={cast.globex.id}")).startswith("You are in 2")


def test_choice_returns_to_the_previous_tab(cast, ben):
    for from_path, expected in (
        ("/account/api-keys?name=x", "/account/api-keys"),
        ("//evil.example/account", "/account/team"),
        ("/account/teams/team_x/departure", "/account/team"),
        ("/support", "/account/team"),
        ("", "/account/team"),
    ):
        response = ben.send("/account/team/choice", team=cast.acme.id, next=from_path)
        assert response.headers["Location"] == expected
    dialog = {
        "HX-Request": "true",
        "HX-Target": "div#modal",
        "HX-Current-URL": "http://localhost/account/activity?key=x",
    }
    page = ben.page("/account/team/choice", headers=dialog)
    [hidden] = [item for item in page.all("input") if item["name"] == "next"]
    assert hidden["value"] == "/account/activity"


def test_choice_leads_to_the_tab_that_required_it(ben):
    """Without scripts, the link "Switch team" loads a page, and Subscription redirects to it."""
    redirect = ben.get("/account/subscription", headers={"Referer": "http://localhost/account/profile"})
    for path, from_path, expected in (
        (redirect.headers["Location"], "/account/profile", "/account/subscription"),
        ("/account/team", "/account/profile", "/account/team"),
        ("/account/team/choice", "/account/activity?key=x", "/account/activity"),
        ("/account/team/choice?next=//evil.example/account", "/account/activity", "/account/team"),
    ):
        page = ben.page(path, headers={"Referer": f"http://localhost{from_path}"})
        [hidden] = [item for item in page.all("input") if item["name"] == "next"]
        assert hidden["value"] == expected


def test_choice_marks_the_chosen_team_on_pages_of_other_teams(cast, ben):
    ben.send("/account/team/choice", team=cast.acme.id)
    page = ben.page(
        "/account/team/choice", headers={"Referer": f"http://localhost/account/team?team={cast.solo.id}"}
    )
    assert "Acme Your rights: Edit · your choice Solo Your rights: Admin" in page.text


@pytest.mark.parametrize("path", ["/account/team", "/account/team/choice"])
def test_page_explains_how_to_join_a_team(cast, client, path):
    page = cast.sam.sign_in(client).page(path)
    assert "You are not in a team" in page.text
    assert "Ask an Admin of your team to invite sam@support.example." in page.text
    assert text_beside_heading(page) == ""


def test_choice_ends_with_the_membership(cast, ben):
    ben.send("/account/team/choice", team=cast.acme.id)
    ben.send(f"/account/teams/{cast.acme.id}/departure")
    assert text_beside_heading(ben.page("/account/profile")) == "Solo Subscription inactive"


def test_tab_and_menu_are_ordered(cast, ben):
    page = ben.page("/account/profile")
    [tabs] = [nav for nav in page.all("nav") if nav["aria-label"] == "Account"]
    names = [link.text for link in tabs.all("a")]
    assert names.index("Team") == names.index("API Keys") + 1
    menu = page.with_id("account-menu")
    assert [link.text for link in menu.all("a")][:3] == ["Account", "API Keys", "Team"]
