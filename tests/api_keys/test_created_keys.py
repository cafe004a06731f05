"""Keys that an API key created: they end no later than it, name it, and can be revoked with it."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.rules import created_keys
from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.database import db, now
from tests.api_keys.usage.use_log import only_on
from tests.helpers import rows
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later

HOUR = timedelta(hours=1)


def rfc3339_of(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture
def ada(cast, api):
    """Ada's session at the API."""
    return api(cast.ada.session())


def create(program, name, **fields):
    response = program.post("/keys", {"name": name} | fields)
    assert response.status_code == 201, response.text
    return response.json


@pytest.fixture
def short_key(ada):
    """A key of Ada's that ends in an hour."""
    return create(ada, "short", expires_at=rfc3339_of(now() + HOUR))


def test_key_names_the_session_or_key_that_created_it(api, ada, short_key):
    assert short_key["created_by"] == {"type": "session", "id": None, "name": None}
    child = create(api(short_key["secret"]), "child")
    assert child["created_by"] == {"type": "key", "id": short_key["id"], "name": "short"}
    assert ada.get(f"/keys/{child['id']}").json["created_by"]["id"] == short_key["id"]


def test_created_key_ends_no_later_than_its_creator(api, short_key):
    program = api(short_key["secret"])
    assert create(program, "child")["expires_at"] == short_key["expires_at"]
    sooner = rfc3339_of(now() + HOUR / 2)
    assert create(program, "sooner", expires_at=sooner)["expires_at"] == sooner
    later = {"name": "later", "expires_at": rfc3339_of(now() + 2 * HOUR)}
    problem = problem_of(program.post("/keys", later), 422, "validation_failed")
    assert problem["errors"][0]["field"] == "expires_at"


def test_service_accounts_key_ends_no_later_than_its_creator(cast, api, short_key):
    path = f"/teams/{cast.acme.id}/service-accounts/{cast.ci.id}/keys"
    key = api(short_key["secret"]).post(path, {"name": "ci"}).json
    assert (key["expires_at"], key["created_by"]["id"]) == (short_key["expires_at"], short_key["id"])


def test_rotation_by_a_key_gives_no_later_end(api, ada, short_key):
    forever = create(ada, "forever")
    new = api(short_key["secret"]).post(f"/keys/{forever['id']}/rotation", {}).json
    assert (new["expires_at"], new["created_by"]["id"]) == (short_key["expires_at"], short_key["id"])


def test_rotation_of_a_service_accounts_key_by_a_key_gives_no_longer_life(cast, api, short_key):
    path = f"/teams/{cast.acme.id}/service-accounts/{cast.ci.id}/keys/{cast.ci.key().id}/rotation"
    new = api(short_key["secret"]).post(path, {}).json
    assert (new["expires_at"], new["created_by"]["id"]) == (short_key["expires_at"], short_key["id"])


def test_key_that_rotates_itself_keeps_its_end_and_creator(api, ada, short_key):
    child = create(api(short_key["secret"]), "child")
    new = api(child["secret"]).post(f"/keys/{child['id']}/rotation", {}).json
    assert (new["expires_at"], new["created_by"]["id"]) == (short_key["expires_at"], short_key["id"])
    forever = create(ada, "forever")
    new = api(forever["secret"]).post(f"/keys/{forever['id']}/rotation", {}).json
    assert (new["expires_at"], new["created_by"]["type"]) == (None, "session")


def test_earlier_end_of_the_creator_applies_to_created_keys(api, ada, short_key):
    child = create(api(short_key["secret"]), "child")
    grandchild = create(api(child["secret"]), "grandchild")
    sooner = rfc3339_of(now() + HOUR / 4)
    assert ada.send("PATCH", f"/keys/{short_key['id']}", {"expires_at": sooner}).status_code == 200
    assert [ada.get(f"/keys/{key['id']}").json["expires_at"] for key in (child, grandchild)] == [sooner] * 2


def test_created_keys_are_revoked_with_their_creator_on_request(api, ada, short_key):
    child = create(api(short_key["secret"]), "child")
    grandchild = create(api(child["secret"]), "grandchild")
    other = create(ada, "other")
    assert ada.send("DELETE", f"/keys/{short_key['id']}?descendants=true").status_code == 204
    names = [key["name"] for key in ada.get("/keys").json["items"]]
    assert names == [other["name"]]
    for key in (short_key, child, grandchild):
        problem_of(api(key["secret"]).get("/me"), 401, "revoked_key")


def test_created_keys_of_a_rotated_key_are_revoked_too(api, ada, short_key):
    create(api(short_key["secret"]), "child")
    new = ada.post(f"/keys/{short_key['id']}/rotation", {}).json
    assert ada.send("DELETE", f"/keys/{new['id']}?descendants=true").status_code == 204
    assert "child" not in [key["name"] for key in ada.get("/keys").json["items"]]


def test_created_keys_are_kept_by_default(api, ada, short_key):
    create(api(short_key["secret"]), "child")
    assert ada.send("DELETE", f"/keys/{short_key['id']}").status_code == 204
    assert [key["name"] for key in ada.get("/keys").json["items"]] == ["child"]


@pytest.mark.parametrize("is_chosen", [True, False])
def test_dialog_offers_to_revoke_created_keys(cast, client, api, ada, short_key, is_chosen):
    create(api(short_key["secret"]), "child")
    cast.ada.sign_in(client)
    table = client.page("/account/api-keys").text
    assert "by the key short" in table
    path = f"/account/api-keys/{short_key['id']}/revocation"
    page = client.page(path)
    assert "This key created 1 other key that still works: child." in page.text
    client.submit(page, path, **({"created": "on"} if is_chosen else {}))
    names = [key["name"] for key in ada.get("/keys").json["items"]]
    assert names == ([] if is_chosen else ["child"])


def test_audit_names_the_creating_key(app, api, short_key):
    create(api(short_key["secret"]), "child")
    with app.app_context():
        query = db.select(AuditEvent.details).where(
            AuditEvent.action == "api_key.created", AuditEvent.subject == "child"
        )
        assert db.session.scalars(query).one()["created_by"] == short_key["id"]


def test_creation_is_rate_limited(api, ada):
    for number in range(60):
        create(ada, f"key {number}")
    response = ada.post("/keys", {"name": "one more"})
    problem_of(response, 429, "rate_limited")
    assert 0 < int(response.headers["Retry-After"]) <= 60


def test_ci_key_counts_towards_the_limit_of_creations(cast, client, api, ada):
    for number in range(60):
        create(ada, f"key {number}")
    cast.ada.sign_in(client)
    path = f"/account/teams/{cast.acme.id}/ci-key"
    response = client.send(path, name="robot", key_name="ci", rights="edit", nonce="once")
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0


@only_on("sqlite")
def test_created_keys_are_found_without_reading_all_keys(app, cast, ada, short_key):
    with app.app_context():
        row = {
            "user_id": cast.ben.row().id,
            "name": "old",
            "folded_name": "old",
            "hint": "abcd",
            "revoked_at": now(),
        }
        db.session.execute(
            insert(ApiKey), [row | {"digest": bytes([n % 256, n // 256])} for n in range(3_000)]
        )
        db.session.commit()
        key = db.session.scalars(db.select(ApiKey).filter_by(public_id=short_key["id"])).one()
        with rows.counting_instructions() as instructions:
            created_keys(key)
    assert len(instructions) < 100
