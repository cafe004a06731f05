"""The pages for who is no Admin, and for who is not in the team."""

import pytest

from tests.helpers import rows
from tests.teams.service_account_acts import names_in

pytestmark = pytest.mark.postgresql_later

PAGES = [
    "/service-accounts/new",
    "/service-accounts/{id}",
    "/service-accounts/{id}/settings",
    "/service-accounts/{id}/deletion",
    "/service-accounts/{id}/keys/new",
    "/service-accounts/{id}/keys/{key}/revocation",
    "/ci-key",
]
ACTS = [
    ("/service-accounts", {"name": "robot", "rights": "edit"}),
    ("/service-accounts/{id}/settings", {"name": "robot", "rights": "view"}),
    ("/service-accounts/{id}/standing", {"disabled": "true"}),
    ("/service-accounts/{id}/deletion", {}),
    ("/service-accounts/{id}/keys", {"name": "more", "nonce": "one"}),
    ("/service-accounts/{id}/keys/{key}/revocation", {}),
    ("/ci-key", {"name": "robot", "rights": "edit", "key_name": "ci", "nonce": "one"}),
]
WHO = [("ben", 403), ("vic", 403), ("charlie", 404), ("nina", 404), ("sam", 404)]
HTMX = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}


@pytest.mark.parametrize(("who", "status"), WHO)
@pytest.mark.parametrize("headers", [None, HTMX])
def test_only_admins_are_asked(cast, client, who, status, headers):
    key = cast.ci.key("deploy")
    getattr(cast, who).sign_in(client)
    for page in PAGES:
        path = f"/account/teams/{cast.acme.id}" + page.format(id=cast.ci.id, key=key.id)
        answer = client.get(path, headers=headers)
        assert answer.status_code == status, path
        assert "deploy" not in answer.text and "acme-ci" not in answer.text


@pytest.mark.parametrize(("who", "status"), WHO)
@pytest.mark.parametrize("headers", [None, HTMX])
def test_only_admins_act(app, cast, client, api, who, status, headers):
    key = cast.ci.key("deploy")
    getattr(cast, who).sign_in(client)
    before = [act for act in rows.acts(app) if act[0] != "session.created"]
    for act, fields in ACTS:
        path = f"/account/teams/{cast.acme.id}" + act.format(id=cast.ci.id, key=key.id)
        assert client.send(path, headers=headers, **fields).status_code == status, path
    assert [act for act in rows.acts(app) if act[0] != "session.created"] == before
    assert names_in(cast.acme) == ["acme-ci"]
    assert api(key.secret).get("/me").json["teams"][0]["rights"] == "edit"


@pytest.mark.parametrize("who", ["charlie", "nina", "sam"])
def test_to_outsiders_section_and_activity_are_not_there(cast, client, who):
    getattr(cast, who).sign_in(client)
    assert client.get(f"/account/teams/{cast.acme.id}/service-accounts").status_code == 404
    assert client.get(f"/account/activity?account={cast.ci.id}").status_code == 404
    assert client.get(f"/account/activity/export?account={cast.ci.id}").status_code == 404


def test_who_is_lowered_or_leaves_can_no_longer_act_with_an_open_page(cast, client):
    cast.acme.add(cast.charlie, "admin")
    cast.charlie.sign_in(client)
    path = f"/account/teams/{cast.acme.id}/service-accounts"
    form = client.page(f"{path}/new")
    cast.acme.give(cast.charlie, "edit")
    assert client.submit(form, path, name="robot").status_code == 403
    assert names_in(cast.acme) == ["acme-ci"]


@pytest.mark.parametrize("kind", ["act of a person", "another team's account"])
def test_activity_is_shown_of_service_accounts_of_ones_teams_alone(cast, ada, kind):
    other = cast.ben if kind == "act of a person" else cast.charlie
    assert ada.get(f"/account/activity?account={other.id}").status_code == 404
