"""Changes of rights apply to the next request, on pages and for programs with existing credentials."""

import pytest

from reflow_accounts.teams.models import Rights
from tests.helpers.api import problem_of
from tests.helpers.html import parse
from tests.teams.service_account_actions import account_path, ci_key_path, section_path
from tests.teams.team_actions import DIALOG, PANEL, ROW_SWAP, change_rights, remove, rights_path, tab_path

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def ada(app, cast):
    return cast.ada.sign_in(app.test_client())


@pytest.fixture
def ben(app, cast):
    """Ben's browser, signed in before the changes."""
    return cast.ben.sign_in(app.test_client())


def teams_of(program):
    return {team["name"]: team["rights"] for team in program.get("/me").json["teams"]}


def test_removed_member_loses_access_to_pages_and_api(cast, ada, ben, api):
    cast.globex.add(cast.ben, Rights.VIEW)
    key, session = api(cast.ben.key().secret), api(cast.ben.session())
    assert ben.get(tab_path(cast.acme)).status_code == 200
    remove(ada, cast.acme, cast.ben)
    for path in (
        tab_path(cast.acme),
        section_path(cast.acme),
        f"/account/activity?team={cast.acme.id}",
        f"/account/activity?account={cast.ci.id}",
        f"/account/activity/export?account={cast.ci.id}",
        f"/account/teams/{cast.acme.id}/departure",
    ):
        assert ben.get(path).status_code == 404, path
    for program in (key, session):
        assert teams_of(program) == {"Globex": "view"}
        for suffix in ("", "/members", "/service-accounts"):
            problem_of(program.get(f"/teams/{cast.acme.id}{suffix}"), 404, "not_found")


def test_key_of_a_removed_member_is_kept_and_does_not_open_the_team(cast, ada, api):
    key = cast.ben.key("laptop")
    assert api(key.secret).get("/keys").status_code == 200
    remove(ada, cast.acme, cast.ben)
    refusal = problem_of(api(key.secret).get("/keys"), 403, "subscription_inactive")
    assert "is in no team" in refusal["detail"]
    refusal = problem_of(api(cast.ben.session()).post("/keys", {"name": "new"}), 403, "subscription_inactive")
    assert refusal["detail"] == "API keys need a team, and you are in none. Ask an Admin to invite you."
    cast.globex.add(cast.ben, Rights.VIEW)
    assert [item["name"] for item in api(key.secret).get("/keys").json["items"]] == ["laptop"]


def test_demoted_admin_cannot_manage(cast, ada, ben, api):
    cast.acme.give(cast.ben, Rights.ADMIN)
    program = api(cast.ben.key().secret)
    pages = (
        f"/account/teams/{cast.acme.id}/invitations/new",
        ci_key_path(cast.acme),
        account_path(cast.acme, cast.ci),
        f"/account/teams/{cast.acme.id}/members/{cast.vic.id}/removal",
    )
    for path in pages:
        assert ben.get(path).status_code == 200, path
    change_rights(ada, cast.acme, cast.ben, "edit")
    for path in pages:
        assert ben.get(path).status_code == 403, path
    body = {"emails": ["eve@initech.example"], "rights": "view"}
    response = program.post(f"/teams/{cast.acme.id}/invitations", json=body)
    problem_of(response, 403, "insufficient_rights")
    assert teams_of(program) == {"Acme": "edit"}


@pytest.mark.parametrize("headers", [ROW_SWAP, DIALOG, PANEL])
def test_page_of_a_demoted_admin_says_so_and_reloads(cast, ada, ben, headers):
    cast.acme.give(cast.ben, Rights.ADMIN)
    change_rights(ada, cast.acme, cast.ben, "edit")
    team = f"/account/teams/{cast.acme.id}"
    for response in (
        ben.send(rights_path(cast.acme, cast.vic), rights="edit", headers=headers),
        ben.send(f"{team}/invitations/inv_x/sending", headers=headers),
        ben.send(f"{account_path(cast.acme, cast.ci)}/status", disabled="true", headers=headers),
        ben.get(f"{team}/invitations/new", headers=headers),
    ):
        assert response.status_code == 403
        dialog = parse(response.text)
        assert "This page is out of date" in dialog.text
        assert "This needs Admin rights to Acme." in dialog.text
        assert "Reload the page" in [button.text for button in dialog.all("button")]


def test_service_account_keys_follow_the_rights_and_state_of_the_account(cast, ada, api):
    program, account_url = api(cast.ci.key().secret), account_path(cast.acme, cast.ci)
    assert teams_of(program) == {"Acme": "edit"}
    ada.submit(ada.page(f"{account_url}/settings"), f"{account_url}/settings", rights="view")
    assert teams_of(program) == {"Acme": "view"}
    ada.send(f"{account_url}/status", disabled="true")
    assert program.get("/me").status_code == 401
    ada.send(f"{account_url}/status", disabled="false")
    assert teams_of(program) == {"Acme": "view"}
    ada.send(f"{account_url}/deletion")
    problem_of(program.get("/me"), 401, "revoked_key")


def test_revoking_one_key_of_a_service_account_affects_no_other(cast, ada, api):
    revoked, other = cast.ci.key("one"), cast.ci.key("other")
    assert api(revoked.secret).get("/me").status_code == 200
    ada.send(f"{account_path(cast.acme, cast.ci)}/keys/{revoked.id}/revocation")
    problem_of(api(revoked.secret).get("/me"), 401, "revoked_key")
    assert api(other.secret).get("/me").status_code == 200


def test_ended_subscription_refuses_every_key_of_the_team(cast, ada, api):
    keys = [cast.ada.key(), cast.ci.key()]
    cast.acme.unsubscribe()
    for key in keys:
        problem_of(api(key.secret).get("/me"), 403, "subscription_inactive")
    assert "Subscription inactive" in ada.page("/account/team").text
    cast.acme.subscribe()
    assert [api(key.secret).get("/me").status_code for key in keys] == [200, 200]
