"""The pages of service accounts, for members below Admin and for outsiders."""

import pytest

from tests.helpers import rows
from tests.teams.service_account_actions import names_in

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
FORMS = [
    ("/service-accounts", {"name": "robot", "rights": "edit"}),
    ("/service-accounts/{id}/settings", {"name": "robot", "rights": "view"}),
    ("/service-accounts/{id}/status", {"disabled": "true"}),
    ("/service-accounts/{id}/deletion", {}),
    ("/service-accounts/{id}/keys", {"name": "more", "nonce": "one"}),
    ("/service-accounts/{id}/keys/{key}/revocation", {}),
    ("/ci-key", {"name": "robot", "rights": "edit", "key_name": "ci", "nonce": "one"}),
]
REFUSED_USERS = [("ben", 403), ("vic", 403), ("charlie", 404), ("nina", 404), ("sam", 404)]
HTMX = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}


@pytest.mark.parametrize(("user", "status"), REFUSED_USERS)
@pytest.mark.parametrize("headers", [None, HTMX])
def test_pages_are_for_admins_only(cast, client, user, status, headers):
    key = cast.ci.key("deploy")
    getattr(cast, user).sign_in(client)
    for page in PAGES:
        path = f"/account/teams/{cast.acme.id}" + page.format(id=cast.ci.id, key=key.id)
        response = client.get(path, headers=headers)
        assert response.status_code == status, path
        assert "deploy" not in response.text and "acme-ci" not in response.text


@pytest.mark.parametrize(("user", "status"), REFUSED_USERS)
@pytest.mark.parametrize("headers", [None, HTMX])
def test_forms_are_for_admins_only(app, cast, client, api, user, status, headers):
    key = cast.ci.key("deploy")
    getattr(cast, user).sign_in(client)
    before = [suffix for suffix in rows.audit_events(app) if suffix[0] != "session.created"]
    for suffix, fields in FORMS:
        path = f"/account/teams/{cast.acme.id}" + suffix.format(id=cast.ci.id, key=key.id)
        assert client.send(path, headers=headers, **fields).status_code == status, path
    assert [suffix for suffix in rows.audit_events(app) if suffix[0] != "session.created"] == before
    assert names_in(cast.acme) == ["acme-ci"]
    assert api(key.secret).get("/me").json["teams"][0]["rights"] == "edit"


@pytest.mark.parametrize("user", ["charlie", "nina", "sam"])
def test_section_and_activity_are_404_for_outsiders(cast, client, user):
    getattr(cast, user).sign_in(client)
    assert client.get(f"/account/teams/{cast.acme.id}/service-accounts").status_code == 404
    assert client.get(f"/account/activity?account={cast.ci.id}").status_code == 404
    assert client.get(f"/account/activity/export?account={cast.ci.id}").status_code == 404


def test_demoted_admin_cannot_use_an_open_form(cast, client):
    cast.acme.add(cast.charlie, "admin")
    cast.charlie.sign_in(client)
    path = f"/account/teams/{cast.acme.id}/service-accounts"
    form = client.page(f"{path}/new")
    cast.acme.give(cast.charlie, "edit")
    assert client.submit(form, path, name="robot").status_code == 403
    assert names_in(cast.acme) == ["acme-ci"]


@pytest.mark.parametrize("kind", ["act of a person", "another team's account"])
def test_activity_of_other_accounts_is_404(cast, ada, kind):
    other = cast.ben if kind == "act of a person" else cast.charlie
    assert ada.get(f"/account/activity?account={other.id}").status_code == 404
