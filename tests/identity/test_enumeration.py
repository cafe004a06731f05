"""Nobody learns from the time of an answer whether an address has an account (OWASP ASVS 5.0, 6.3.8)."""

import time
from itertools import count
from statistics import median

import pytest
from flask import Flask

from reflow_accounts.extensions import now
from reflow_accounts.identity.passwords import PasswordHasher
from tests.cast import Cast
from tests.helpers.live_server import SECRET_KEY

pytestmark = pytest.mark.slow

NEVER_CHOSEN = "a kettle on the moon"
ROUNDS = 25
ROUNDS_WITHOUT_HASH = 151
# What a busy machine does to one measurement it does not do to three; a difference of ours is in each.
ATTEMPTS = 3
ROUNDS_OF_BCRYPT = 12
# Medians of interleaved rounds: what else the machine does falls on all alike.
TOLERANCE = 0.10

Cases = dict[str, dict[str, str]]
_numbers = count(1)


@pytest.fixture
def costly(app: Flask, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The application with passwords that cost what they cost in production, and without limits of tries."""
    hasher = PasswordHasher([SECRET_KEY], ROUNDS_OF_BCRYPT)
    monkeypatch.setitem(app.extensions, "password_hasher", hasher)
    monkeypatch.setitem(app.extensions, "limiter", None)
    cast.ada.change(password_hash=hasher.hash(cast.ada.password))
    cast.ben.change(password_hash=hasher.hash(cast.ben.password), disabled_at=now())
    # As if somebody had given the service account an address by hand.
    cast.ci.change(email="ci@acme.example", password_hash=hasher.hash(NEVER_CHOSEN))
    return app


def seconds(app: Flask, path: str, status: int, address: str, **fields: str) -> float:
    """Send one form from a browser and an address of its own, and return how long the answer took."""
    client = app.test_client()
    data = fields | {"csrf_token": client.csrf_token()}
    began = time.perf_counter()
    answer = client.post(path, data=data, environ_base={"REMOTE_ADDR": address})
    passed = time.perf_counter() - began
    assert answer.status_code == status, answer.text
    return passed


def medians(app: Flask, path: str, status: int, cases: Cases, rounds: int) -> dict[str, float]:
    """Send every case in turn, round after round; a case's `{}` is the number of the request."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, fields in cases.items():
            number = next(_numbers)
            address = f"10.0.{number // 250}.{number % 250 + 1}"
            filled = {field: value.format(number) for field, value in fields.items()}
            times[name].append(seconds(app, path, status, address, **filled))
    return {name: median(found) for name, found in times.items()}


def expect_alike(app: Flask, path: str, status: int, cases: Cases, rounds: int = ROUNDS) -> None:
    for _ in range(ATTEMPTS):
        found = medians(app, path, status, cases, rounds)
        if max(found.values()) < min(found.values()) * (1 + TOLERANCE):
            return
    pytest.fail(str({name: f"{value * 1000:.1f} ms" for name, value in found.items()}))


def test_logging_in_takes_as_long_for_everybody_who_may_not(costly: Flask, cast: Cast) -> None:
    cases = {
        "unknown": {
            "email": "nobody{}@acme.example",
            "password": NEVER_CHOSEN,
        },
        "wrong password": {"email": cast.ada.email, "password": NEVER_CHOSEN},
        "disabled": {"email": cast.ben.email, "password": cast.ben.password},
        "service account": {"email": "ci@acme.example", "password": NEVER_CHOSEN},
    }
    expect_alike(costly, "/login", 422, cases)


def test_signing_up_takes_as_long_for_an_address_that_is_taken(costly: Flask, cast: Cast) -> None:
    words = {"full_name": "Eve Lund", "team_name": "Initech", "password": NEVER_CHOSEN}
    cases = {
        "new": words | {"email": "eve{}@initech.example"},
        "taken": words | {"email": cast.ada.email},
    }
    expect_alike(costly, "/signup", 200, cases)


def test_forgetting_takes_as_long_for_an_address_that_nobody_has(costly: Flask, cast: Cast) -> None:
    cases = {"known": {"email": cast.ada.email}, "unknown": {"email": "nobody{}@acme.example"}}
    expect_alike(costly, "/forgot-password", 200, cases, ROUNDS_WITHOUT_HASH)
