"""The end of a key: set when it has none, brought forward, never put off."""

from datetime import UTC, datetime, timedelta

import pytest

from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.database import db
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.at_once import at_once

pytestmark = pytest.mark.postgresql_later

HOUR = timedelta(hours=1)


def soon(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def test_key_is_given_an_end_and_then_an_earlier_one(keys, api):
    ada, path, key = keys
    for hours in (24, 1):
        answer = ada.patch(path, {"expires_at": (end := soon(hours))})
        assert answer.status_code == 200, answer.text
        assert datetime.fromisoformat(answer.json["expires_at"]) == datetime.fromisoformat(end)
        assert answer.json["name"] == "CI"
    assert api(key.secret).get("/me").status_code == 200


def test_end_is_never_put_off(keys):
    ada, path, _ = keys
    end = ada.patch(path, {"expires_at": soon(1)}).json["expires_at"]
    problem = problem_of(ada.patch(path, {"expires_at": soon(2)}), 422, "validation_failed")
    assert problem["errors"][0]["field"] == "expires_at"
    assert ada.get(path).json["expires_at"] == end
    # The same end again is no change.
    assert ada.patch(path, {"expires_at": end}).json["expires_at"] == end


@pytest.mark.parametrize("when", ["2001-01-01T00:00:00Z", "tomorrow", "2030-01-01T00:00:00", None, 7])
def test_end_is_a_time_in_the_future_with_a_zone(keys, when):
    ada, path, _ = keys
    problem = problem_of(ada.patch(path, {"expires_at": when}), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == ["expires_at"]
    assert ada.get(path).json["expires_at"] is None


def test_name_and_an_end_are_changed_together_or_not_at_all(keys):
    ada, path, _ = keys
    problem_of(ada.patch(path, {"name": "old", "expires_at": soon(-1)}), 422, "validation_failed")
    assert ada.get(path).json["name"] == "CI"
    changed = ada.patch(path, {"name": "old", "expires_at": soon(1)}).json
    assert changed["name"] == "old"
    assert changed["expires_at"]
    assert ada.patch(path, {}).json == changed


def test_each_change_is_written_down_once(app, keys):
    ada, path, key = keys
    end = soon(1)
    for _ in range(2):
        ada.patch(path, {"name": "old", "expires_at": end})
    told = [action for action, _, subject in rows.acts(app) if subject == "old"]
    assert told == ["api_key.renamed", "api_key.end_set"]
    with app.app_context():
        [act] = db.session.scalars(db.select(AuditEvent).where(AuditEvent.action == "api_key.end_set"))
        assert act.details["key"] == key.id
        assert datetime.fromisoformat(act.details["expires_at"]) == datetime.fromisoformat(end)


def test_of_two_ends_set_at_once_the_earlier_one_holds(keys, cast, api):
    _, path, _ = keys
    ends = [soon(hours) for hours in (1, 2, 3, 4)]
    programs = [api(cast.ada.session()) for _ in ends]

    at_once([lambda p=p, e=e: p.patch(path, {"expires_at": e}) for p, e in zip(programs, ends, strict=True)])

    held = datetime.fromisoformat(programs[0].get(path).json["expires_at"])
    assert held == datetime.fromisoformat(ends[0])


def test_revoked_key_is_given_no_end(keys):
    ada, path, _ = keys
    ada.delete(path)
    problem_of(ada.patch(path, {"expires_at": soon(1)}), 410, "gone")


def test_end_is_shown_in_the_table(cast, client):
    cast.ada.key("CI", expires_at=datetime(2031, 10, 3, 12, tzinfo=UTC))
    page = cast.ada.sign_in(client).page("/account/api-keys")
    assert "Expires 3 Oct 2031" in page.text
