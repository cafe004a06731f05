"""`/sessions`: signing the command in and out."""

from datetime import datetime, timedelta

import pytest

from reflow_accounts.contract import is_well_formed
from reflow_accounts.extensions import now
from tests.helpers.api import problem_of


def words(person, **changes):
    return {"email": person.email, "password": person.password} | changes


def test_a_password_gives_a_secret_that_opens_the_api(cast, api):
    answer = api().post("/sessions", words(cast.ada))
    session = answer.json
    assert answer.status_code == 201
    assert set(session) == {"id", "secret", "created_at", "expires_at", "user"}
    assert session["secret"].startswith("rfs_")
    assert is_well_formed(session["secret"])
    assert session["user"]["id"] == cast.ada.id
    lasts = datetime.fromisoformat(session["expires_at"]) - datetime.fromisoformat(session["created_at"])
    assert abs(lasts - timedelta(days=30)) < timedelta(seconds=5)
    assert api(session["secret"]).get("/me").json["authenticated_by"]["id"] == session["id"]


def test_everybody_who_may_not_reads_the_same(cast, api):
    cast.ben.change(disabled_at=now())
    attempts = [
        words(cast.ada, password="wrong"),
        words(cast.ada, email="nobody@acme.example"),
        words(cast.ben),
        {"email": "acme-ci", "password": "x"},
    ]
    problems = [
        problem_of(api().post("/sessions", attempt), 401, "missing_credentials") for attempt in attempts
    ]
    assert all(problem == problems[0] for problem in problems)


@pytest.mark.parametrize("field", ["email", "password"])
@pytest.mark.parametrize("value", [None, "", 5, [], {}, "x" * 2000, "\0"])
def test_words_that_cannot_be_are_named(cast, api, field, value):
    problem = problem_of(api().post("/sessions", words(cast.ada, **{field: value})), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == [field]


def test_a_refused_password_is_not_repeated(cast, api):
    answer = api().post("/sessions", words(cast.ada, password="my-other-password"))
    assert "my-other-password" not in answer.text


def test_a_session_is_dead_after_signing_out(cast, api):
    session = api(cast.ada.session())
    assert session.delete("/sessions/current").status_code == 204
    problem_of(session.get("/me"), 401, "unknown_key")
    problem_of(session.delete("/sessions/current"), 401, "unknown_key")


def test_a_key_is_not_a_session(cast, api):
    key = api(cast.ada.key().secret)
    assert "DELETE /keys" in problem_of(key.delete("/sessions/current"), 403, "insufficient_rights")["detail"]
    assert key.get("/me").status_code == 200


def test_signing_in_and_out_is_in_the_activity(cast, api):
    session = api(cast.ada.session())
    session.delete("/sessions/current")
    items = api(cast.ada.session()).get("/activity").json["items"]
    assert [item["action"] for item in items] == [
        "session.created",
        "session.ended",
        "session.created",
        "subscription.activated",
    ]
