"""`/sessions`: signing the command in and out."""

from datetime import datetime, timedelta

import pytest

from reflow_accounts.auth import passwords
from reflow_accounts.auth.models import UserSession
from reflow_accounts.auth.passwords import PasswordHasher
from reflow_accounts.contract import is_well_formed
from reflow_accounts.database import now
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.authenticator_app import turn_on
from tests.helpers.passkeys import add_by_hand

pytestmark = pytest.mark.postgresql_later


def credentials(person, **changes):
    return {"email": person.email, "password": person.password} | changes


def test_session_is_created_with_a_password(cast, api):
    response = api().post("/sessions", credentials(cast.ada))
    session = response.json
    assert response.status_code == 201
    assert set(session) == {"id", "secret", "created_at", "expires_at", "user"}
    assert session["secret"].startswith("rfs_")
    assert is_well_formed(session["secret"])
    assert session["user"]["id"] == cast.ada.id
    lifetime = datetime.fromisoformat(session["expires_at"]) - datetime.fromisoformat(session["created_at"])
    assert abs(lifetime - timedelta(days=30)) < timedelta(seconds=5)
    assert api(session["secret"]).get("/me").json["authenticated_by"]["id"] == session["id"]


def test_refusals_are_the_same(cast, api):
    cast.ben.change(disabled_at=now())
    attempts = [
        credentials(cast.ada, password="wrong"),
        credentials(cast.ada, email="nobody@acme.example"),
        credentials(cast.ben),
        {"email": "acme-ci", "password": "x"},
    ]
    problems = [
        problem_of(api().post("/sessions", attempt), 401, "missing_credentials") for attempt in attempts
    ]
    assert all(problem == problems[0] for problem in problems)


@pytest.mark.parametrize("field", ["email", "password"])
@pytest.mark.parametrize("value", [None, "", 5, [], {}, "x" * 2000, "\0"])
def test_invalid_fields_are_named(cast, api, field, value):
    problem = problem_of(
        api().post("/sessions", credentials(cast.ada, **{field: value})), 422, "validation_failed"
    )
    assert [error["field"] for error in problem["errors"]] == [field]


def test_refused_password_is_not_in_the_response(cast, api):
    response = api().post("/sessions", credentials(cast.ada, password="my-other-password"))
    assert "my-other-password" not in response.text


def test_session_is_invalid_after_sign_out(cast, api):
    session = api(cast.ada.session())
    assert session.delete("/sessions/current").status_code == 204
    problem_of(session.get("/me"), 401, "unknown_key")
    problem_of(session.delete("/sessions/current"), 401, "unknown_key")


def test_key_is_not_a_session(cast, api):
    key = api(cast.ada.key().secret)
    assert "DELETE /keys" in problem_of(key.delete("/sessions/current"), 403, "insufficient_rights")["detail"]
    assert key.get("/me").status_code == 200


def test_sign_in_and_sign_out_are_in_the_activity(cast, api):
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
    """Log-in of a user with a second factor."""

    @pytest.fixture
    def authenticator(self, cast, clock):
        return turn_on(cast.ada)

    def test_missing_code_is_requested_after_the_right_password(self, app, cast, api, authenticator):
        problem = problem_of(api().post("/sessions", credentials(cast.ada)), 401, "missing_credentials")
        assert problem["otp_required"] is True
        assert "as otp" in problem["detail"]
        problem = problem_of(
            api().post("/sessions", credentials(cast.ada, password="x", otp=authenticator.code())),
            401,
            "missing_credentials",
        )
        assert "otp_required" not in problem
        assert rows.count(app, UserSession) == 0

    def test_code_gives_a_session_once(self, cast, api, authenticator):
        code = authenticator.code()
        assert api().post("/sessions", credentials(cast.ada, otp=code)).status_code == 201
        problem = problem_of(
            api().post("/sessions", credentials(cast.ada, otp=code)), 401, "missing_credentials"
        )
        assert "authentication code is not correct" in problem["detail"]
        assert code not in problem["detail"]

    def test_recovery_code_gives_a_session_once(self, cast, api, authenticator):
        code = authenticator.recovery_codes[0]
        assert api().post("/sessions", credentials(cast.ada, otp=code)).status_code == 201
        problem_of(api().post("/sessions", credentials(cast.ada, otp=code)), 401, "missing_credentials")

    def test_code_gives_a_session_after_the_secret_key_was_replaced(self, app, cast, api, authenticator):
        current = app.extensions["password_hasher"]
        with app.app_context():
            old = cast.ada.row().password_hash
        try:
            passwords.init_app(app, PasswordHasher(["n" * 32, app.secret_key], 4))
            response = api().post("/sessions", credentials(cast.ada, otp=authenticator.code()))
            with app.app_context():
                assert (response.status_code, cast.ada.row().password_hash != old) == (201, True)
        finally:
            passwords.init_app(app, current)

    @pytest.mark.parametrize("otp", ["000000", "１２３４５６", " ", "x" * 100])
    def test_wrong_code_gives_no_session(self, cast, api, authenticator, otp):
        problem_of(api().post("/sessions", credentials(cast.ada, otp=otp)), 401, "missing_credentials")

    @pytest.mark.parametrize("otp", [None, "", 123456, [], "x" * 10_000, "\0"])
    def test_invalid_code_is_named(self, cast, api, authenticator, otp):
        problem = problem_of(
            api().post("/sessions", credentials(cast.ada, otp=otp)), 422, "validation_failed"
        )
        assert [error["field"] for error in problem["errors"]] == ["otp"]

    def test_unneeded_code_is_ignored(self, cast, api):
        assert api().post("/sessions", credentials(cast.ben, otp="000000")).status_code == 201

    def test_staff_with_only_a_passkey_are_told_what_to_do(self, cast, api):
        add_by_hand(cast.sam)
        problem = problem_of(api().post("/sessions", credentials(cast.sam)), 403, "insufficient_rights")
        assert "authenticator app" in problem["detail"]
