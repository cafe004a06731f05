"""Rotation by the API: a new key takes the place of the old one, which ends after an overlap."""

from datetime import UTC, datetime, timedelta

import flask_migrate
import pytest
import time_machine

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import db
from reflow_accounts.errors import Unavailable
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.at_once import at_once

pytestmark = pytest.mark.postgresql_later

HOUR = timedelta(hours=1)


def expiry_of(response) -> datetime:
    return datetime.fromisoformat(response.json["expires_at"])


def test_rotated_key_has_a_successor_of_the_same_name(keys, api):
    ada, path, old = keys
    before = datetime.now(UTC)
    response = ada.post(f"{path}/rotation", {})
    assert response.status_code == 201, response.text
    new = response.json
    assert (new["name"], new["expires_at"], new["replaced_by"]) == ("CI", None, None)
    assert new["id"] != old.id
    assert response.headers["Location"].endswith(path.removesuffix(old.id) + new["id"])
    assert "no-store" in response.headers["Cache-Control"]
    for secret in (old.secret, new["secret"]):
        assert api(secret).get("/me").status_code == 200
    current = ada.get(path)
    assert current.json["replaced_by"] == new["id"]
    assert before + HOUR <= expiry_of(current) <= datetime.now(UTC) + HOUR


def test_old_key_works_until_exactly_its_end(keys, api):
    ada, path, old = keys
    ada.post(f"{path}/rotation", {"overlap": 60.0})
    end = expiry_of(ada.get(path))
    with time_machine.travel(end - timedelta(microseconds=1), tick=False):
        assert api(old.secret).get("/me").status_code == 200
    with time_machine.travel(end, tick=False):
        problem_of(api(old.secret).get("/me"), 401, "expired_key")


def test_overlap_of_zero_ends_the_old_key_at_once(keys, api):
    ada, path, old = keys
    new = ada.post(f"{path}/rotation", {"overlap": 0}).json
    problem_of(api(old.secret).get("/me"), 401, "expired_key")
    assert api(new["secret"]).get("/me").status_code == 200


def test_overlap_never_exceeds_the_end_of_the_old_key(keys):
    ada, path, _ = keys
    end = datetime.now(UTC) + HOUR
    ada.patch(path, {"expires_at": end.isoformat()})
    new = ada.post(f"{path}/rotation", {"overlap": 604_800})
    assert expiry_of(new) == expiry_of(ada.get(path)) == end


@pytest.mark.parametrize("overlap", [-1, 604_801, 1.5, "60", True, None, 10**400, 1e300])
def test_bad_overlap_is_refused(keys, overlap):
    ada, path, _ = keys
    problem = problem_of(ada.post(f"{path}/rotation", {"overlap": overlap}), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == ["overlap"]
    assert ada.get(path).json["replaced_by"] is None


def test_key_is_rotated_once(app, keys):
    ada, path, _ = keys
    new = ada.post(f"{path}/rotation", {"nonce": "a"}).json
    for nonce, words in (("a", "already rotated"), ("b", "already replaced by")):
        problem = problem_of(ada.post(f"{path}/rotation", {"nonce": nonce}), 409, "conflict")
        assert words in problem["detail"]
        assert problem["replaced_by"] == new["id"]
    assert rows.count(app, ApiKey) == 2


def test_nonce_of_another_rotation_is_refused_and_changes_nothing(app, cast, api):
    ada, first, second = api(cast.ada.session()), cast.ada.key("a"), cast.ada.key("b")
    ada.post(f"/keys/{first.id}/rotation", {"nonce": "n"})
    problem_of(ada.post(f"/keys/{second.id}/rotation", {"nonce": "n"}), 409, "conflict")
    current = ada.get(f"/keys/{second.id}").json
    assert (current["replaced_by"], current["expires_at"]) == (None, None)
    assert ada.post(f"/keys/{second.id}/rotation", {}).status_code == 201


def test_concurrent_rotations_create_one_key(app, cast, api, keys):
    _, path, _ = keys
    sessions = [api(cast.ada.session()) for _ in range(4)]
    responses = at_once(
        [lambda session=session: session.post(f"{path}/rotation", {}) for session in sessions]
    )
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409]
    assert rows.count(app, ApiKey) == 2


def test_failed_rotation_changes_nothing(app, keys, monkeypatch):
    ada, path, _ = keys

    def fail(*args, **kwargs):
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr("reflow_accounts.api_keys.lifecycle.record_action", fail)
        problem_of(ada.post(f"{path}/rotation", {}), 503, "unavailable")
    current = ada.get(path).json
    assert (current["replaced_by"], current["expires_at"]) == (None, None)
    assert rows.count(app, ApiKey) == 1


def test_revoked_or_expired_key_is_not_rotated(cast, api, keys):
    ada, path, _ = keys
    ada.patch(path, {"expires_at": (end := datetime.now(UTC) + HOUR).isoformat()})
    with time_machine.travel(end, tick=False):
        assert "expired" in problem_of(ada.post(f"{path}/rotation", {}), 409, "conflict")["detail"]
    ada.delete(path)
    assert problem_of(ada.post(f"{path}/rotation", {}), 410, "gone")["revoked_at"]


def test_outsider_cannot_rotate(cast, api, keys):
    _, path, _ = keys
    problem_of(api(cast.charlie.session()).post(f"{path}/rotation", {}), 404, "not_found")


def test_service_account_cannot_rotate_keys(cast, api):
    key = cast.ci.key()
    problem_of(api(key.secret).post(f"/keys/{key.id}/rotation", {}), 403, "insufficient_rights")


def test_inactive_subscription_stops_rotation(cast, keys):
    ada, path, _ = keys
    cast.acme.unsubscribe()
    problem_of(ada.post(f"{path}/rotation", {}), 403, "subscription_inactive")


def test_successor_of_a_key_that_rotates_itself_keeps_its_end(app, cast, api):
    end = datetime.now(UTC) + timedelta(days=30)
    old = cast.ada.key("CI", expires_at=end)
    new = api(old.secret).post(f"/keys/{old.id}/rotation", {"overlap": 0})
    assert new.status_code == 201
    assert expiry_of(new) == end
    assert len(rows.uses_of(app, old.id)) == 1
    assert len(rows.uses_of(app, new.json["id"])) == 0


def test_old_keys_point_to_the_newest_after_two_rotations(cast, api):
    ada, first = api(cast.ada.session()), cast.ada.key("CI")
    second = ada.post(f"/keys/{first.id}/rotation", {}).json
    third = ada.post(f"/keys/{second['id']}/rotation", {}).json
    replaced = {item["id"]: item["replaced_by"] for item in ada.get("/keys").json["items"]}
    assert replaced == {first.id: third["id"], second["id"]: third["id"], third["id"]: None}


def test_name_stays_taken_while_either_key_is_live(cast, api):
    ada, old = api(cast.ada.session()), cast.ada.key("CI")
    new = ada.post(f"/keys/{old.id}/rotation", {}).json
    problem_of(ada.post("/keys", {"name": "ci"}), 422, "validation_failed")
    ada.delete(f"/keys/{new['id']}")
    problem_of(ada.post("/keys", {"name": "ci"}), 422, "validation_failed")
    ada.delete(f"/keys/{old.id}")
    assert ada.post("/keys", {"name": "ci"}).status_code == 201


def test_rotation_is_in_the_audit_log_once(app, keys):
    ada, path, _ = keys
    ada.post(f"{path}/rotation", {"nonce": "a"})
    ada.post(f"{path}/rotation", {"nonce": "a"})
    assert [action for action, *_ in rows.audit_events(app)].count("api_key.rotated") == 1


def test_replaced_key_survives_a_migration_down_and_up(app, cast, api):
    ada, old = api(cast.ada.session()), cast.ada.key("CI")
    new = ada.post(f"/keys/{old.id}/rotation", {}).json
    with app.app_context():
        db.session.remove()
        flask_migrate.downgrade(revision="0006")
        flask_migrate.upgrade()
        names = db.session.scalars(db.select(ApiKey.name)).all()
        db.session.remove()
    assert names == ["CI", "CI"]
    for secret in (old.secret, new["secret"]):
        assert api(secret).get("/me").status_code == 200
