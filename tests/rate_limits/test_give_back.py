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
def counted(app):
    """`counted()`: how many guesses are counted now, of every act, account and address; no created keys."""

    def count():
        with app.app_context():
            return db.session.scalar(
                db.select(db.func.coalesce(db.func.sum(LimitCount.count), 0)).where(
                    LimitCount.key.not_like("%successes%"), LimitCount.key.not_like("%/create-key/%")
                )
            )

    return count


@pytest.mark.parametrize("kind", ["code", "recovery code"])
def test_right_code_of_the_command_uses_nothing_up(cast, api, clock, counted, kind):
    phone = turn_on(cast.ada)
    words = {"email": cast.ada.email, "password": cast.ada.password}
    for number in range(3):
        otp = phone.code() if kind == "code" else phone.recovery_codes[number]
        assert api().post("/sessions", words | {"otp": otp}).status_code == 201
        clock.shift(STEP_SECONDS)
    assert counted() == 0
    problem_of(api().post("/sessions", words | {"otp": "000000"}), 401, "missing_credentials")
    # Of the account, by minutes and by the hour, and of the address.
    assert counted() == 3


def test_used_code_stays_used_after_its_count_is_given_back(cast, api, clock):
    phone = turn_on(cast.ada)
    words = {"email": cast.ada.email, "password": cast.ada.password, "otp": phone.code()}
    secret = api().post("/sessions", words).json["secret"]
    assert api(secret).get("/me").status_code == 200
    problem_of(api().post("/sessions", words), 401, "missing_credentials")


def change(client, current, new):
    page = client.page("/account/security")
    return client.submit(page, PASSWORD, current_password=current, new_password=new)


def test_right_current_password_uses_nothing_up(cast, client, counted):
    cast.ada.sign_in(client)
    assert change(client, cast.ada.password, NEW).status_code == 303
    assert counted() == 0
    assert change(client, cast.ada.password, NEW).status_code == 422
    assert counted() == 1


def test_bad_new_password_is_no_guess_of_the_current_one(cast, client, counted):
    cast.ada.sign_in(client)
    assert change(client, cast.ada.password, "short").status_code == 422
    assert counted() == 0


def delete(client, password):
    return client.submit(client.page(DELETION), DELETION, password=password)


def test_deleting_an_account_with_the_right_password_uses_nothing_up(cast, client, counted):
    cast.ben.sign_in(client)
    assert delete(client, "wrong").status_code == 422
    assert counted() == 1
    assert delete(client, cast.ben.password).status_code == 303
    assert counted() == 1


def test_team_that_needs_its_admin_costs_no_try(cast, client, counted):
    cast.acme.give(cast.ben, Rights.ADMIN)
    cast.ada.sign_in(client)
    page = client.page(DELETION)
    cast.acme.give(cast.ben, Rights.EDIT)
    assert client.submit(page, DELETION, password=cast.ada.password).status_code == 409
    assert counted() == 0


def ask_for_key(client):
    return parse(client.submit(client.page(f"{KEYS}/new"), KEYS, name="CI").text)


def test_codes_that_prove_who_it_is_are_counted_by_the_hour_too(cast, client, clock):
    phone = turn_on(cast.ada)
    enter_second_factor(client, cast.ada, phone)
    cast.ada.change_sessions(proven_at=None)
    page = ask_for_key(client)
    for _ in range(2):
        for _ in range(10):
            assert client.submit(page, KEYS, proof_code="000000").status_code == 422
        clock.shift(timedelta(minutes=5))
    answer = client.submit(page, KEYS, proof_code=phone.code())
    assert answer.status_code == 429
    assert "Try again in 50 minutes" in answer.text
    # The password is a proof of its own.
    assert client.submit(page, KEYS, proof_password=cast.ada.password).status_code == 200


def test_right_code_that_proves_who_it_is_uses_nothing_up(cast, client, clock, counted):
    phone = turn_on(cast.ada)
    enter_second_factor(client, cast.ada, phone)
    cast.ada.change_sessions(proven_at=None)
    clock.shift(STEP_SECONDS)
    assert client.submit(ask_for_key(client), KEYS, proof_code=phone.code()).status_code == 200
    assert counted() == 0


def enter_second_factor(client, person, phone):
    client.send("/login", email=person.email, password=person.password)
    assert client.send("/login/code", code=phone.code()).status_code == 303


def test_challenges_of_an_address_have_a_limit_and_the_page_says_so(app, cast, client):
    authenticator = add(cast.ada.sign_in(client))
    stranger = app.test_client()
    options = stranger.send(SIGN_IN_OPTIONS).json
    for _ in range(CHALLENGES - 1):
        assert stranger.send(SIGN_IN_OPTIONS).status_code == 200
    answer = stranger.send(SIGN_IN_OPTIONS)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 300
    # What the script sends when it got no challenge.
    answer = stranger.send(SIGN_IN, credential="")
    assert answer.status_code == 429
    assert "Too many attempts. Try again in 5 minutes." in answer.text
    assert 0 < int(answer.headers["Retry-After"]) <= 300
    elsewhere = {"environ_base": {"REMOTE_ADDR": "198.51.100.7"}}
    token = {"csrf_token": stranger.csrf_token()}
    assert stranger.post(SIGN_IN_OPTIONS, data=token, **elsewhere).status_code == 200
    # Who has a challenge signs in.
    assert stranger.send(SIGN_IN, credential=authenticator.get(options)).status_code == 303


def test_signing_in_with_a_passkey_uses_nothing_up(app, cast, client, counted):
    authenticator = add(cast.ada.sign_in(client))
    for _ in range(3):
        assert sign_in(app.test_client(), authenticator).status_code == 303
    assert counted() == 0
    assert app.test_client().send(SIGN_IN, credential="{}").status_code == 422
    assert counted() == 0
