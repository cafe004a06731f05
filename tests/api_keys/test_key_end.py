"""The expiry of a key can be set and moved to an earlier time, never to a later one."""

from datetime import UTC, datetime, timedelta

import pytest

from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.database import db
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.at_once import at_once

pytestmark = pytest.mark.postgresql_later

HOUR = timedelta(hours=1)


def in_hours(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def test_expiry_is_set_and_then_moved_to_an_earlier_time(keys, api):
    ada, path, key = keys
    for hours in (24, 1):
        response = ada.patch(path, {"expires_at": (end := in_hours(hours))})
        assert response.status_code == 200, response.text
        assert datetime.fromisoformat(response.json["expires_at"]) == datetime.fromisoformat(end)
        assert response.json["name"] == "CI"
    assert api(key.secret).get("/me").status_code == 200


def test_expiry_is_never_moved_to_a_later_time(keys):
    ada, path, _ = keys
    end = ada.patch(path, {"expires_at": in_hours(1)}).json["expires_at"]
    problem = problem_of(ada.patch(path, {"expires_at": in_hours(2)}), 422, "validation_failed")
    assert problem["errors"][0]["field"] == "expires_at"
    assert ada.get(path).json["expires_at"] == end
    # The same end again is no change.
    assert ada.patch(path, {"expires_at": end}).json["expires_at"] == end


@pytest.mark.parametrize("when", ["2001-01-01T00:00:00Z", "tomorrow", "2030-01-01T00:00:00", None, 7])
def test_expiry_must_be_a_future_time_with_a_zone(keys, when):
    ada, path, _ = keys
    problem = problem_of(ada.patch(path, {"expires_at": when}), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == ["expires_at"]
    assert ada.get(path).json["expires_at"] is None


def test_name_and_expiry_are_changed_together_or_not_at_all(keys):
    ada, path, _ = keys
    problem_of(ada.patch(path, {"name": "old", "expires_at": in_hours(-1)}), 422, "validation_failed")
    assert ada.get(path).json["name"] == "CI"
    changed = ada.patch(path, {"name": "old", "expires_at": in_hours(1)}).json
    assert changed["name"] == "old"
    assert changed["expires_at"]
    assert ada.patch(path, {}).json == changed


def test_change_is_recorded_once(app, keys):
    ada, path, key = keys
    end = in_hours(1)
    for _ in range(2):
        ada.patch(path, {"name": "old", "expires_at": end})
    actions = [action for action, _, subject in rows.audit_events(app) if subject == "old"]
    assert actions == ["api_key.renamed", "api_key.end_set"]
    with app.app_context():
        [event] = db.session.scalars(db.select(AuditEvent).where(AuditEvent.action == "api_key.end_set"))
        assert event.details["key"] == key.id
        assert datetime.fromisoformat(event.details["expires_at"]) == datetime.fromisoformat(end)


def test_earliest_of_concurrent_expiries_holds(keys, cast, api):
    _, path, _ = keys
    ends = [in_hours(hours) for hours in (1, 2, 3, 4)]
    programs = [api(cast.ada.session()) for _ in ends]

    at_once(
        [
            lambda program=program, expires=expires: program.patch(path, {"expires_at": expires})
            for program, expires in zip(programs, ends, strict=True)
        ]
    )

    expires_at = datetime.fromisoformat(programs[0].get(path).json["expires_at"])
    assert expires_at == datetime.fromisoformat(ends[0])


def test_expiry_of_a_revoked_key_cannot_be_set(keys):
    ada, path, _ = keys
    ada.delete(path)
    problem_of(ada.patch(path, {"expires_at": in_hours(1)}), 410, "gone")


def test_expiry_is_shown_in_the_table(cast, client):
    cast.ada.key("CI", expires_at=datetime(2031, 10, 3, 12, tzinfo=UTC))
    page = cast.ada.sign_in(client).page("/account/api-keys")
    assert "Expires 3 Oct 2031" in page.text
