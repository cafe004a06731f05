"""API keys work only for users of a team whose subscription is active (contract, 1 and 7)."""

import pytest

from tests.helpers import rows
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later


def test_key_follows_the_subscription(cast, api):
    key = cast.ada.key()
    assert api(key.secret).get("/me").status_code == 200
    cast.acme.unsubscribe()
    problem = problem_of(api(key.secret).get("/me"), 403, "subscription_inactive")
    assert "Contact support" in problem["detail"]
    cast.acme.subscribe()
    assert api(key.secret).get("/me").status_code == 200


@pytest.mark.parametrize("user", ["ada", "ben", "vic", "ci"])
def test_subscription_applies_to_all_members(cast, api, user):
    key = getattr(cast, user).key()
    cast.acme.unsubscribe()
    for method, path, body in [
        ("GET", "/keys", None),
        ("POST", "/keys", {"name": "x"}),
        ("GET", "/nothing", None),
    ]:
        problem_of(api(key.secret).send(method, path, body), 403, "subscription_inactive")


def test_other_teams_are_not_affected(cast, api):
    key = cast.charlie.key()
    cast.acme.unsubscribe()
    assert api(key.secret).get("/me").status_code == 200


def test_one_active_team_is_enough(cast, api):
    from reflow_accounts.teams.models import Rights

    cast.solo.add(cast.ada, Rights.VIEW)
    key = cast.ada.key()
    assert api(key.secret).get("/me").status_code == 200
    cast.acme.unsubscribe()
    problem_of(api(key.secret).get("/me"), 403, "subscription_inactive")
    cast.solo.subscribe()
    assert api(key.secret).get("/me").status_code == 200


def test_key_creation_needs_a_subscription(cast, api):
    nina = api(cast.nina.session())
    problem_of(nina.post("/keys", {"name": "CI"}), 403, "subscription_inactive")
    assert nina.get("/keys").json["items"] == []
    cast.solo.subscribe()
    assert nina.post("/keys", {"name": "CI"}).status_code == 201


def test_key_creation_needs_a_team(cast, api):
    problem_of(api(cast.sam.session()).post("/keys", {"name": "CI"}), 403, "subscription_inactive")


def test_inactive_subscription_allows_listing_and_revoking_keys(cast, api):
    key = cast.ada.key("CI")
    cast.acme.unsubscribe()
    ada = api(cast.ada.session())
    assert [item["name"] for item in ada.get("/keys").json["items"]] == ["CI"]
    assert ada.get(f"/keys/{key.id}").status_code == 200
    assert ada.delete(f"/keys/{key.id}").status_code == 204
    cast.acme.subscribe()
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")


def test_revoked_key_is_refused_as_revoked(cast, api):
    key = cast.ada.key()
    cast.ada.revoke(key)
    cast.acme.unsubscribe()
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")


def test_page_lists_keys_and_explains_an_inactive_subscription(cast, client):
    key = cast.ada.key("CI")
    cast.acme.unsubscribe()
    cast.ada.sign_in(client)
    page = client.page("/account/api-keys")
    assert "CI" in page.text
    assert "Subscription inactive" in page.text
    assert "Contact support" in page.text
    assert client.get("/account/api-keys/new").status_code == 403
    response = client.send("/account/api-keys", name="new", nonce="n1")
    assert response.status_code == 403
    assert "Contact support" in response.text
    assert client.send(f"/account/api-keys/{key.id}/revocation").status_code == 303


def test_changes_are_recorded(app, cast):
    before = len(rows.audit_events(app))
    cast.acme.unsubscribe()
    cast.acme.unsubscribe()
    cast.acme.subscribe()
    assert rows.audit_events(app)[before:] == [
        ("subscription.deactivated", "Operator", "Acme"),
        ("subscription.activated", "Operator", "Acme"),
    ]
