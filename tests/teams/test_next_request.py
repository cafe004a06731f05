"""What is taken away is gone on the very next request, in pages and for programs that hold a credential already."""

import pytest

from reflow_accounts.teams.models import Rights
from tests.helpers.api import problem_of
from tests.helpers.html import parse
from tests.teams.acts import DIALOG, PANEL, ROW, give, remove, rights_path, tab
from tests.teams.service_account_acts import page_of, section, wizard

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def ada(app, cast):
    return cast.ada.sign_in(app.test_client())


@pytest.fixture
def ben(app, cast):
    """Ben's browser, signed in before anything happens."""
    return cast.ben.sign_in(app.test_client())


def teams_of(program):
    return {team["name"]: team["rights"] for team in program.get("/me").json["teams"]}


def test_who_is_removed_is_out_of_every_page_and_of_the_api(cast, ada, ben, api):
    cast.globex.add(cast.ben, Rights.VIEW)
    key, session = api(cast.ben.key().secret), api(cast.ben.session())
    assert ben.get(tab(cast.acme)).status_code == 200
    remove(ada, cast.acme, cast.ben)
    for path in (
        tab(cast.acme),
        section(cast.acme),
        f"/account/activity?team={cast.acme.id}",
        f"/account/activity?account={cast.ci.id}",
        f"/account/activity/export?account={cast.ci.id}",
        f"/account/teams/{cast.acme.id}/departure",
    ):
        assert ben.get(path).status_code == 404, path
    for program in (key, session):
        assert teams_of(program) == {"Globex": "view"}
        for rest in ("", "/members", "/service-accounts"):
            problem_of(program.get(f"/teams/{cast.acme.id}{rest}"), 404, "not_found")


def test_key_of_who_is_removed_stays_theirs_and_opens_no_paid_team_any_more(cast, ada, api):
    key = cast.ben.key("laptop")
    assert api(key.secret).get("/keys").status_code == 200
    remove(ada, cast.acme, cast.ben)
    refusal = problem_of(api(key.secret).get("/keys"), 403, "subscription_inactive")
    assert "is in no team" in refusal["detail"]
    refusal = problem_of(api(cast.ben.session()).post("/keys", {"name": "new"}), 403, "subscription_inactive")
    assert refusal["detail"] == "API keys need a team, and you are in none. Ask an Admin to invite you."
    cast.globex.add(cast.ben, Rights.VIEW)
    assert [item["name"] for item in api(key.secret).get("/keys").json["items"]] == ["laptop"]


def test_who_is_lowered_manages_nothing_any_more(cast, ada, ben, api):
    cast.acme.give(cast.ben, Rights.ADMIN)
    program = api(cast.ben.key().secret)
    pages = (
        f"/account/teams/{cast.acme.id}/invitations/new",
        wizard(cast.acme),
        page_of(cast.acme, cast.ci),
        f"/account/teams/{cast.acme.id}/members/{cast.vic.id}/removal",
    )
    for path in pages:
        assert ben.get(path).status_code == 200, path
    give(ada, cast.acme, cast.ben, "edit")
    for path in pages:
        assert ben.get(path).status_code == 403, path
    body = {"emails": ["eve@initech.example"], "rights": "view"}
    answer = program.post(f"/teams/{cast.acme.id}/invitations", json=body)
    problem_of(answer, 403, "insufficient_rights")
    assert teams_of(program) == {"Acme": "edit"}


@pytest.mark.parametrize("headers", [ROW, DIALOG, PANEL])
def test_page_of_who_was_lowered_says_so_and_reloads(cast, ada, ben, headers):
    cast.acme.give(cast.ben, Rights.ADMIN)
    give(ada, cast.acme, cast.ben, "edit")
    team = f"/account/teams/{cast.acme.id}"
    for answer in (
        ben.send(rights_path(cast.acme, cast.vic), rights="edit", headers=headers),
        ben.send(f"{team}/invitations/inv_x/sending", headers=headers),
        ben.send(f"{page_of(cast.acme, cast.ci)}/standing", disabled="true", headers=headers),
        ben.get(f"{team}/invitations/new", headers=headers),
    ):
        assert answer.status_code == 403
        dialog = parse(answer.text)
        assert "This page is out of date" in dialog.text
        assert "This needs Admin rights to Acme." in dialog.text
        assert "Reload the page" in [button.text for button in dialog.all("button")]


def test_keys_of_a_service_account_follow_its_rights_and_its_end(cast, ada, api):
    program, place = api(cast.ci.key().secret), page_of(cast.acme, cast.ci)
    assert teams_of(program) == {"Acme": "edit"}
    ada.submit(ada.page(f"{place}/settings"), f"{place}/settings", rights="view")
    assert teams_of(program) == {"Acme": "view"}
    ada.send(f"{place}/standing", disabled="true")
    assert program.get("/me").status_code == 401
    ada.send(f"{place}/standing", disabled="false")
    assert teams_of(program) == {"Acme": "view"}
    ada.send(f"{place}/deletion")
    problem_of(program.get("/me"), 401, "revoked_key")


def test_revoked_key_of_a_service_account_opens_nothing_and_the_others_go_on(cast, ada, api):
    one, other = cast.ci.key("one"), cast.ci.key("other")
    assert api(one.secret).get("/me").status_code == 200
    ada.send(f"{page_of(cast.acme, cast.ci)}/keys/{one.id}/revocation")
    problem_of(api(one.secret).get("/me"), 401, "revoked_key")
    assert api(other.secret).get("/me").status_code == 200


def test_when_the_subscription_ends_every_key_of_the_team_is_refused(cast, ada, api):
    keys = [cast.ada.key(), cast.ci.key()]
    cast.acme.unsubscribe()
    for key in keys:
        problem_of(api(key.secret).get("/me"), 403, "subscription_inactive")
    assert "Subscription inactive" in ada.page("/account/team").text
    cast.acme.subscribe()
    assert [api(key.secret).get("/me").status_code for key in keys] == [200, 200]
