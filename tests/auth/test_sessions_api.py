"""`/sessions`: signing the command in and out."""

from datetime import datetime, timedelta

import pytest

from reflow_accounts.auth.models import UserSession
from reflow_accounts.contract import is_well_formed
from reflow_accounts.database import now
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.authenticator_app import turn_on
from tests.helpers.passkeys import add_by_hand

pytestmark = pytest.mark.postgresql_later


def words(person, **changes):
    return {"email": person.email, "password": person.password} | changes


def test_password_gives_a_secret_that_opens_the_api(cast, api):
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


def test_refused_password_is_not_repeated(cast, api):
    answer = api().post("/sessions", words(cast.ada, password="my-other-password"))
    assert "my-other-password" not in answer.text


def test_session_is_dead_after_signing_out(cast, api):
    session = api(cast.ada.session())
    assert session.delete("/sessions/current").status_code == 204
    problem_of(session.get("/me"), 401, "unknown_key")
    problem_of(session.delete("/sessions/current"), 401, "unknown_key")


def test_key_is_not_a_session(cast, api):
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


class TestSecondFactor:
    """With the second factor on the password alone gives no session."""

    @pytest.fixture
    def phone(self, cast, clock):
        return turn_on(cast.ada)

    def test_without_a_code_one_is_asked_for_after_the_password_alone(self, app, cast, api, phone):
        problem = problem_of(api().post("/sessions", words(cast.ada)), 401, "missing_credentials")
        assert problem["otp_required"] is True
        assert "as otp" in problem["detail"]
        problem = problem_of(
            api().post("/sessions", words(cast.ada, password="x", otp=phone.code())),
            401,
            "missing_credentials",
        )
        assert "otp_required" not in problem
        assert rows.count(app, UserSession) == 0

    def test_the_code_gives_a_session_once(self, cast, api, phone):
        code = phone.code()
        assert api().post("/sessions", words(cast.ada, otp=code)).status_code == 201
        problem = problem_of(api().post("/sessions", words(cast.ada, otp=code)), 401, "missing_credentials")
        assert "authentication code is not correct" in problem["detail"]
        assert code not in problem["detail"]

    def test_a_recovery_code_gives_a_session_once(self, cast, api, phone):
        code = phone.recovery_codes[0]
        assert api().post("/sessions", words(cast.ada, otp=code)).status_code == 201
        problem_of(api().post("/sessions", words(cast.ada, otp=code)), 401, "missing_credentials")

    @pytest.mark.parametrize("otp", ["000000", "１２３４５６", " ", "x" * 100])
    def test_a_wrong_code_gives_none(self, cast, api, phone, otp):
        problem_of(api().post("/sessions", words(cast.ada, otp=otp)), 401, "missing_credentials")

    @pytest.mark.parametrize("otp", [None, "", 123456, [], "x" * 10_000, "\0"])
    def test_a_code_that_cannot_be_is_named(self, cast, api, phone, otp):
        problem = problem_of(api().post("/sessions", words(cast.ada, otp=otp)), 422, "validation_failed")
        assert [error["field"] for error in problem["errors"]] == ["otp"]

    def test_a_code_that_nobody_asked_for_does_no_harm(self, cast, api):
        assert api().post("/sessions", words(cast.ben, otp="000000")).status_code == 201

    def test_staff_with_a_passkey_alone_are_told_what_to_do(self, cast, api):
        add_by_hand(cast.sam)
        problem = problem_of(api().post("/sessions", words(cast.sam)), 403, "insufficient_rights")
        assert "authenticator app" in problem["detail"]
