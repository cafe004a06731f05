"""Correct passwords and codes do not count; passkey challenges have their own limit."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import db
from reflow_accounts.rate_limits.models import LimitCount
from reflow_accounts.teams.models import Rights
from tests.helpers.api import problem_of
from tests.helpers.authenticator_app import STEP_SECONDS, turn_on
from tests.helpers.html import parse
from tests.helpers.passkeys import SIGN_IN, SIGN_IN_OPTIONS, add, sign_in

pytestmark = pytest.mark.postgresql_later

PASSWORD, DELETION, KEYS = "/account/security/password", "/account/profile/deletion", "/account/api-keys"
NEW = "a kettle on the moon"
CHALLENGES = 30


@pytest.fixture
def clock():
    with time_machine.travel("2026-11-24T12:00:10Z", tick=False) as clock:
        yield clock


@pytest.fixture
def counted_guesses(app):
    """`counted_guesses()`: the sum of all counters of guesses."""

    def count():
        with app.app_context():
            return db.session.scalar(
                db.select(db.func.coalesce(db.func.sum(LimitCount.count), 0)).where(
                    LimitCount.key.not_like("%successes%"), LimitCount.key.not_like("%/create-key/%")
                )
            )

    return count


@pytest.mark.parametrize("kind", ["code", "recovery code"])
def test_right_code_of_the_command_is_not_counted(cast, api, clock, counted_guesses, kind):
    authenticator = turn_on(cast.ada)
    credentials = {"email": cast.ada.email, "password": cast.ada.password}
    for number in range(3):
        otp = authenticator.code() if kind == "code" else authenticator.recovery_codes[number]
        assert api().post("/sessions", credentials | {"otp": otp}).status_code == 201
        clock.shift(STEP_SECONDS)
    assert counted_guesses() == 0
    problem_of(api().post("/sessions", credentials | {"otp": "000000"}), 401, "missing_credentials")
    # Counted for the account, by minutes and by the hour, and for the address.
    assert counted_guesses() == 3


def test_used_code_stays_used_after_its_count_is_given_back(cast, api, clock):
    authenticator = turn_on(cast.ada)
    credentials = {"email": cast.ada.email, "password": cast.ada.password, "otp": authenticator.code()}
    secret = api().post("/sessions", credentials).json["secret"]
    assert api(secret).get("/me").status_code == 200
    problem_of(api().post("/sessions", credentials), 401, "missing_credentials")


def change(client, current, new):
    page = client.page("/account/security")
    return client.submit(page, PASSWORD, current_password=current, new_password=new)


def test_right_current_password_is_not_counted(cast, client, counted_guesses):
    cast.ada.sign_in(client)
    assert change(client, cast.ada.password, NEW).status_code == 303
    assert counted_guesses() == 0
    assert change(client, cast.ada.password, NEW).status_code == 422
    assert counted_guesses() == 1


def test_invalid_new_password_is_not_counted(cast, client, counted_guesses):
    cast.ada.sign_in(client)
    assert change(client, cast.ada.password, "short").status_code == 422
    assert counted_guesses() == 0


def delete(client, password):
    return client.submit(client.page(DELETION), DELETION, password=password)


def test_right_password_of_a_deletion_is_not_counted(cast, client, counted_guesses):
    cast.ben.sign_in(client)
    assert delete(client, "wrong").status_code == 422
    assert counted_guesses() == 1
    assert delete(client, cast.ben.password).status_code == 303
    assert counted_guesses() == 1


def test_refused_deletion_of_the_last_admin_is_not_counted(cast, client, counted_guesses):
    cast.acme.give(cast.ben, Rights.ADMIN)
    cast.ada.sign_in(client)
    page = client.page(DELETION)
    cast.acme.give(cast.ben, Rights.EDIT)
    assert client.submit(page, DELETION, password=cast.ada.password).status_code == 409
    assert counted_guesses() == 0


def submit_new_key(client):
    return parse(client.submit(client.page(f"{KEYS}/new"), KEYS, name="CI").text)


def test_codes_of_proofs_are_also_limited_by_the_hour(cast, client, clock):
    authenticator = turn_on(cast.ada)
    enter_second_factor(client, cast.ada, authenticator)
    cast.ada.change_sessions(proven_at=None)
    page = submit_new_key(client)
    for _ in range(2):
        for _ in range(10):
            assert client.submit(page, KEYS, proof_code="000000").status_code == 422
        clock.shift(timedelta(minutes=5))
    response = client.submit(page, KEYS, proof_code=authenticator.code())
    assert response.status_code == 429
    assert "Try again in 50 minutes" in response.text
    # The password has a limit of its own.
    assert client.submit(page, KEYS, proof_password=cast.ada.password).status_code == 200


def test_right_code_of_a_proof_is_not_counted(cast, client, clock, counted_guesses):
    authenticator = turn_on(cast.ada)
    enter_second_factor(client, cast.ada, authenticator)
    cast.ada.change_sessions(proven_at=None)
    clock.shift(STEP_SECONDS)
    assert client.submit(submit_new_key(client), KEYS, proof_code=authenticator.code()).status_code == 200
    assert counted_guesses() == 0


def enter_second_factor(client, person, authenticator):
    client.send("/login", email=person.email, password=person.password)
    assert client.send("/login/code", code=authenticator.code()).status_code == 303


def test_challenges_of_an_address_are_limited_with_a_message(app, cast, client):
    authenticator = add(cast.ada.sign_in(client))
    other_browser = app.test_client()
    options = other_browser.send(SIGN_IN_OPTIONS).json
    for _ in range(CHALLENGES - 1):
        assert other_browser.send(SIGN_IN_OPTIONS).status_code == 200
    response = other_browser.send(SIGN_IN_OPTIONS)
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 300
    # The script sends an empty credential when it got no challenge.
    response = other_browser.send(SIGN_IN, credential="")
    assert response.status_code == 429
    assert "Too many attempts. Try again in 5 minutes." in response.text
    assert 0 < int(response.headers["Retry-After"]) <= 300
    elsewhere = {"environ_base": {"REMOTE_ADDR": "198.51.100.7"}}
    token = {"csrf_token": other_browser.csrf_token()}
    assert other_browser.post(SIGN_IN_OPTIONS, data=token, **elsewhere).status_code == 200
    # An earlier challenge can still be used.
    assert other_browser.send(SIGN_IN, credential=authenticator.get(options)).status_code == 303


def test_sign_in_with_a_passkey_is_not_counted(app, cast, client, counted_guesses):
    authenticator = add(cast.ada.sign_in(client))
    for _ in range(3):
        assert sign_in(app.test_client(), authenticator).status_code == 303
    assert counted_guesses() == 0
    assert app.test_client().send(SIGN_IN, credential="{}").status_code == 422
    assert counted_guesses() == 0
