"""The current team: the only one, the chosen one, or the one in the address; none is ever guessed."""

import pytest

from reflow_accounts.teams.models import Rights

pytestmark = pytest.mark.postgresql_later

TABS = ["/account/profile", "/account/security", "/account/api-keys", "/account/team", "/account/activity"]


@pytest.fixture
def ben(cast, client):
    """Ben, who is in Acme and Solo."""
    cast.solo.add(cast.ben, Rights.ADMIN)
    return cast.ben.sign_in(client)


def beside_the_heading(page):
    [head] = [element for element in page.all("div") if element["class"] == "pagehead"]
    return head.text.removeprefix("Account").strip()


@pytest.mark.parametrize("path", TABS)
def test_only_team_stands_beside_the_heading_of_every_tab(cast, client, path):
    cast.nina.sign_in(client)
    assert beside_the_heading(client.page(path)) == "Solo Subscription inactive"


@pytest.mark.parametrize("path", TABS)
def test_with_several_and_no_choice_the_heading_says_so_and_leads_to_the_choice(ben, path):
    page = ben.page(path)
    assert beside_the_heading(page) == "You are in 2 teams. Choose a team"
    [way] = [link for link in page.all("a") if link.text == "Choose a team"]
    assert "Choose a team" in ben.page(way["href"]).all("h2")[0].text


def test_team_tab_itself_asks_when_nothing_was_chosen(cast, ben):
    page = ben.page("/account/team")
    assert "You are in 2 teams. Pages show the one that you choose." in page.text
    assert {button["value"] for button in page.all("button") if button["name"] == "team"} == {
        cast.acme.id,
        cast.solo.id,
    }


def test_choice_is_remembered_and_can_be_changed(cast, ben):
    for group, words in ((cast.solo, "Solo Subscription inactive"), (cast.acme, "Acme Subscription active")):
        answer = ben.send("/account/team/choice", team=group.id)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account/team")
        for path in TABS:
            assert beside_the_heading(ben.page(path)) == f"{words} Switch team"
    ben.send("/logout")
    cast.ben.sign_in(ben)
    assert beside_the_heading(ben.page("/account/profile")).startswith("Acme")


def test_address_shows_another_team_without_remembering_it(cast, ben):
    ben.send("/account/team/choice", team=cast.acme.id)
    page = ben.page(f"/account/team?team={cast.solo.id}")
    assert beside_the_heading(page) == "Solo Subscription inactive Switch team"
    assert "Nina Roy" in page.text
    assert "Your rights: Admin." in page.text
    assert beside_the_heading(ben.page("/account/team")).startswith("Acme")
    assert beside_the_heading(ben.page(f"/account/profile?team={cast.solo.id}")).startswith("Solo")


def test_act_names_its_team_whatever_was_chosen_in_another_tab(cast, ben):
    ben.send("/account/team/choice", team=cast.acme.id)
    answer = ben.send(f"/account/teams/{cast.solo.id}/name", name="Solo Two")
    assert answer.headers["Location"] == f"/account/team?team={cast.solo.id}"
    page = ben.page(f"/account/teams/{cast.solo.id}/name")
    assert beside_the_heading(page).startswith("Solo Two")


def test_activity_tells_of_the_current_team_alone_or_of_the_one_in_the_address(cast, ben):
    cast.solo.subscribe()
    assert teams_told(ben.page("/account/activity")) == set()
    assert "Choose a team to see what happened in it." in ben.page("/account/activity").text
    for group in (cast.acme, cast.solo):
        assert teams_told(ben.page(f"/account/activity?team={group.id}")) == {group.name}
    ben.send("/account/team/choice", team=cast.solo.id)
    assert teams_told(ben.page("/account/activity")) == {"Solo"}
    assert "Acme" not in ben.get("/account/activity/export").text
    assert "Acme" in ben.get(f"/account/activity/export?team={cast.acme.id}").text
    for path in ("/account/activity", "/account/activity/export"):
        assert ben.get(f"{path}?team={cast.globex.id}").status_code == 404


def teams_told(page):
    """Return the teams of whose subscription a line tells."""
    rows = [row for body in page.all("tbody") for row in body.all("tr") if "Subscription set" in row.text]
    return {name for name in ("Acme", "Solo", "Globex") for row in rows if name in row.text}


@pytest.mark.parametrize("way", ["GET", "POST"])
def test_somebody_elses_team_is_neither_shown_nor_chosen(cast, ben, way):
    for wanted in (cast.globex.id, "team_0000000000000000", "x"):
        if way == "GET":
            assert ben.get(f"/account/team?team={wanted}").status_code == 404
        else:
            assert ben.send("/account/team/choice", team=wanted).status_code == 404
    assert beside_the_heading(ben.page(f"/account/profile?team={cast.globex.id}")).startswith("You are in 2")


def test_after_the_choice_one_is_back_on_the_tab_where_one_was(cast, ben):
    for before, after in (
        ("/account/api-keys?name=x", "/account/api-keys"),
        ("//evil.example/account", "/account/team"),
        ("/account/teams/team_x/departure", "/account/team"),
        ("/support", "/account/team"),
        ("", "/account/team"),
    ):
        answer = ben.send("/account/team/choice", team=cast.acme.id, next=before)
        assert answer.headers["Location"] == after
    dialog = {
        "HX-Request": "true",
        "HX-Target": "div#modal",
        "HX-Current-URL": "http://localhost/account/activity?key=x",
    }
    page = ben.page("/account/team/choice", headers=dialog)
    [hidden] = [item for item in page.all("input") if item["name"] == "next"]
    assert hidden["value"] == "/account/activity"


def test_choice_leads_to_the_tab_that_asked_for_it(ben):
    """Without scripts the link "Switch team" loads a page, and Subscription asks by a redirect."""
    asked = ben.get("/account/subscription", headers={"Referer": "http://localhost/account/profile"})
    for path, before, after in (
        (asked.headers["Location"], "/account/profile", "/account/subscription"),
        ("/account/team", "/account/profile", "/account/team"),
        ("/account/team/choice", "/account/activity?key=x", "/account/activity"),
        ("/account/team/choice?next=//evil.example/account", "/account/activity", "/account/team"),
    ):
        page = ben.page(path, headers={"Referer": f"http://localhost{before}"})
        [hidden] = [item for item in page.all("input") if item["name"] == "next"]
        assert hidden["value"] == after


def test_choice_marks_the_chosen_team_also_on_a_page_of_another(cast, ben):
    ben.send("/account/team/choice", team=cast.acme.id)
    page = ben.page(
        "/account/team/choice", headers={"Referer": f"http://localhost/account/team?team={cast.solo.id}"}
    )
    assert "Acme Your rights: Edit · your choice Solo Your rights: Admin" in page.text


@pytest.mark.parametrize("path", ["/account/team", "/account/team/choice"])
def test_who_has_no_team_gets_a_kind_page(cast, client, path):
    page = cast.sam.sign_in(client).page(path)
    assert "You are not in a team" in page.text
    assert "Ask an Admin of your team to invite sam@support.example." in page.text
    assert beside_the_heading(page) == ""


def test_choice_does_not_outlive_the_membership(cast, ben):
    ben.send("/account/team/choice", team=cast.acme.id)
    ben.send(f"/account/teams/{cast.acme.id}/departure")
    assert beside_the_heading(ben.page("/account/profile")) == "Solo Subscription inactive"


def test_tab_and_the_menu_have_their_place(cast, ben):
    page = ben.page("/account/profile")
    [tabs] = [nav for nav in page.all("nav") if nav["aria-label"] == "Account"]
    names = [link.text for link in tabs.all("a")]
    assert names.index("Team") == names.index("API Keys") + 1
    menu = page.with_id("account-menu")
    assert [link.text for link in menu.all("a")][:3] == ["Account", "API Keys", "Team"]
