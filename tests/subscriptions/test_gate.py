"""API keys work only for users of a team whose subscription is active (contract, 1 and 7)."""

import pytest

from tests.helpers import rows
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later


def test_key_stops_and_works_again_with_the_subscription(cast, api):
    key = cast.ada.key()
    assert api(key.secret).get("/me").status_code == 200
    cast.acme.unsubscribe()
    problem = problem_of(api(key.secret).get("/me"), 403, "subscription_inactive")
    assert "Contact support" in problem["detail"]
    cast.acme.subscribe()
    assert api(key.secret).get("/me").status_code == 200


@pytest.mark.parametrize("who", ["ada", "ben", "vic", "ci"])
def test_subscription_applies_to_all_members(cast, api, who):
    key = getattr(cast, who).key()
    cast.acme.unsubscribe()
    for method, path, body in [
        ("GET", "/keys", None),
        ("POST", "/keys", {"name": "x"}),
        ("GET", "/nothing", None),
    ]:
        problem_of(api(key.secret).send(method, path, body), 403, "subscription_inactive")


def test_other_teams_do_not_notice(cast, api):
    key = cast.charlie.key()
    cast.acme.unsubscribe()
    assert api(key.secret).get("/me").status_code == 200


def test_one_paid_team_is_enough(cast, api):
    from reflow_accounts.teams.models import Rights

    cast.solo.add(cast.ada, Rights.VIEW)
    key = cast.ada.key()
    assert api(key.secret).get("/me").status_code == 200
    cast.acme.unsubscribe()
    problem_of(api(key.secret).get("/me"), 403, "subscription_inactive")
    cast.solo.subscribe()
    assert api(key.secret).get("/me").status_code == 200


def test_key_needs_a_subscription(cast, api):
    nina = api(cast.nina.session())
    problem_of(nina.post("/keys", {"name": "CI"}), 403, "subscription_inactive")
    assert nina.get("/keys").json["items"] == []
    cast.solo.subscribe()
    assert nina.post("/keys", {"name": "CI"}).status_code == 201


def test_key_needs_a_team(cast, api):
    problem_of(api(cast.sam.session()).post("/keys", {"name": "CI"}), 403, "subscription_inactive")


def test_keys_without_subscription_can_be_listed_and_revoked(cast, api):
    key = cast.ada.key("CI")
    cast.acme.unsubscribe()
    ada = api(cast.ada.session())
    assert [item["name"] for item in ada.get("/keys").json["items"]] == ["CI"]
    assert ada.get(f"/keys/{key.id}").status_code == 200
    assert ada.delete(f"/keys/{key.id}").status_code == 204
    cast.acme.subscribe()
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")


def test_revoked_key_says_revoked_whatever_the_subscription(cast, api):
    key = cast.ada.key()
    cast.ada.revoke(key)
    cast.acme.unsubscribe()
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")


def test_page_without_subscription_lists_keys_and_explains(cast, client):
    key = cast.ada.key("CI")
    cast.acme.unsubscribe()
    cast.ada.sign_in(client)
    page = client.page("/account/api-keys")
    assert "CI" in page.text
    assert "Subscription inactive" in page.text
    assert "Contact support" in page.text
    assert client.get("/account/api-keys/new").status_code == 403
    answer = client.send("/account/api-keys", name="new", nonce="n1")
    assert answer.status_code == 403
    assert "Contact support" in answer.text
    assert client.send(f"/account/api-keys/{key.id}/revocation").status_code == 303


def test_changes_are_recorded(app, cast):
    before = len(rows.acts(app))
    cast.acme.unsubscribe()
    cast.acme.unsubscribe()
    cast.acme.subscribe()
    assert rows.acts(app)[before:] == [
        ("subscription.deactivated", "Operator", "Acme"),
        ("subscription.activated", "Operator", "Acme"),
    ]
