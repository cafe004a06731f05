"""`/keys`: create, show, list, rename and revoke keys with a program (contract, 7)."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import now
from tests.helpers import rows
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
FIELDS = {
    "id",
    "name",
    "hint",
    "created_at",
    "expires_at",
    "revoked_at",
    "replaced_by",
    "restorable_until",
    "canary",
    "created_by",
    "last_used_at",
    "use_count",
}


@pytest.fixture
def ada(cast, api):
    """Ada's session of the command: it manages keys and is not counted."""
    return api(cast.ada.session())


def test_new_key_is_returned_with_its_secret_once(ada, api):
    response = ada.post("/keys", {"name": "CI"})
    key = response.json
    assert response.status_code == 201
    assert set(key) == FIELDS | {"secret"}
    assert (key["name"], key["use_count"], key["last_used_at"]) == ("CI", 0, None)
    assert key["hint"] == key["secret"][-4:]
    assert re.fullmatch(r"key_[0-9A-Za-z]+", key["id"])
    assert RFC3339.fullmatch(key["created_at"])
    assert response.headers["Location"].endswith(f"/api/v1/keys/{key['id']}")
    assert api(key["secret"]).get("/me").status_code == 200
    assert key["secret"] not in ada.get("/keys").text + ada.get(f"/keys/{key['id']}").text


def test_secret_is_stored_only_as_digest_and_hint(app, ada):
    secret = ada.post("/keys", {"name": "CI"}).json["secret"]
    with app.app_context():
        from reflow_accounts.database import db

        stored = db.session.scalars(db.select(ApiKey)).one()
        values = [str(getattr(stored, column.name)) for column in ApiKey.__table__.columns]
    assert not any(secret[4:20] in value for value in values)
    assert stored.digest != secret.encode()


def test_key_is_made_after_a_pause_of_the_session(ada):
    with time_machine.travel(now() + timedelta(minutes=2)):
        assert ada.post("/keys", {"name": "CI"}).status_code == 201


def test_key_shows_the_number_and_time_of_its_uses(cast, api, ada):
    key = cast.ada.key("CI")
    before = datetime.now(UTC)
    for _ in range(3):
        api(key.secret).get("/me")
    shown = ada.get(f"/keys/{key.id}").json
    assert set(shown) == FIELDS
    assert shown["use_count"] == 3
    assert before <= datetime.fromisoformat(shown["last_used_at"]) <= datetime.now(UTC)


def test_key_shows_the_uses_before_its_own_request(cast, api):
    key = cast.ada.key("CI")
    assert api(key.secret).get(f"/keys/{key.id}").json["use_count"] == 0
    assert api(key.secret).get("/keys").json["items"][0]["use_count"] == 1


def test_key_can_be_renamed(cast, ada):
    key = cast.ada.key("CI")
    response = ada.patch(f"/keys/{key.id}", {"name": "Build"})
    assert (response.status_code, response.json["name"]) == (200, "Build")
    assert [item["name"] for item in ada.get("/keys").json["items"]] == ["Build"]
    assert ada.patch(f"/keys/{key.id}", {"name": "build"}).json["name"] == "build"
    assert ada.patch(f"/keys/{key.id}", {"name": "build"}).status_code == 200


def test_revoked_key_is_refused_by_the_api(cast, api, ada):
    key = cast.ada.key("CI")
    assert ada.delete(f"/keys/{key.id}").status_code == 204
    problem = problem_of(api(key.secret).get("/me"), 401, "revoked_key")
    assert RFC3339.fullmatch(problem["revoked_at"])


def test_key_can_revoke_itself(app, cast, api):
    key = cast.ada.key("CI")
    assert api(key.secret).delete(f"/keys/{key.id}").status_code == 204
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")
    assert [(use.method, use.status) for use in rows.uses_of(app, key.id)] == [("DELETE", 204)]


def test_revoking_twice_is_recorded_once(app, cast, ada):
    key = cast.ada.key("CI")
    assert [ada.delete(f"/keys/{key.id}").status_code for _ in range(3)] == [204] * 3
    assert [action for action, *_ in rows.audit_events(app)].count("api_key.revoked") == 1


def test_revoked_key_is_gone_but_still_listed_as_revoked(cast, ada):
    key = cast.ada.key("CI")
    ada.delete(f"/keys/{key.id}")
    for response in (ada.get(f"/keys/{key.id}"), ada.patch(f"/keys/{key.id}", {"name": "new"})):
        assert RFC3339.fullmatch(problem_of(response, 410, "gone")["revoked_at"])
    assert ada.get("/keys").json["items"] == []
    revoked = ada.get("/keys?state=revoked").json["items"]
    assert [(item["id"], item["revoked_at"] is None) for item in revoked] == [(key.id, False)]
    assert ada.get(f"/keys/{key.id}/uses").status_code == 200


def test_list_shows_live_revoked_or_all_keys_newest_first(cast, ada):
    keys = [cast.ada.key(f"key {number}") for number in range(4)]
    for key in keys[:2]:
        ada.delete(f"/keys/{key.id}")

    def names(state: str) -> list[str]:
        return [item["name"] for item in ada.get(f"/keys?state={state}").json["items"]]

    assert names("live") == ["key 3", "key 2"]
    assert names("revoked") == ["key 1", "key 0"]
    assert names("all") == ["key 3", "key 2", "key 1", "key 0"]
    assert problem_of(ada.get("/keys?state=dead"), 422, "validation_failed")["errors"][0]["field"] == "state"


def test_key_is_refused_once_it_expires(app, cast, api, ada):
    expires = datetime.now(UTC) + timedelta(hours=1)
    key = ada.post("/keys", {"name": "CI", "expires_at": expires.isoformat()}).json
    assert datetime.fromisoformat(key["expires_at"]) == expires
    assert api(key["secret"]).get("/me").status_code == 200
    with app.app_context():
        from reflow_accounts.database import db

        db.session.scalars(db.select(ApiKey)).one().expires_at = datetime.now(UTC)
        db.session.commit()
    assert RFC3339.fullmatch(problem_of(api(key["secret"]).get("/me"), 401, "expired_key")["expired_at"])
    assert len(rows.uses_of(app, key["id"])) == 1


@pytest.mark.parametrize("when", ["2001-01-01T00:00:00Z", "tomorrow", "2030-01-01T00:00:00", 7, "9" * 400])
def test_expiry_must_be_a_time_in_the_future_with_a_zone(ada, when):
    problem = problem_of(ada.post("/keys", {"name": "CI", "expires_at": when}), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == ["expires_at"]


def test_service_account_lists_its_own_keys_but_creates_none(cast, api):
    key = cast.ci.key("deploy")
    problem_of(api(key.secret).post("/keys", {"name": "second"}), 403, "insufficient_rights")
    assert [item["name"] for item in api(key.secret).get("/keys").json["items"]] == ["deploy"]
