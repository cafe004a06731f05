"""Nobody learns from the time of an answer whether an address has an account (OWASP ASVS 5.0, 6.3.8)."""

import time
from itertools import combinations, count
from statistics import median

import pytest
from flask import Flask

from reflow_accounts.auth.passwords import PasswordHasher
from reflow_accounts.database import now
from tests.cast import Cast
from tests.helpers.live_server import SECRET_KEY

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.alone]

NEVER_CHOSEN = "a kettle on the moon"
ROUNDS = 60
# Without a hash an answer takes a fraction of the time, and what else the machine does weighs more.
ROUNDS_WITHOUT_HASH = 400
ROUNDS_OF_BCRYPT = 12
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


def times(app: Flask, path: str, status: int, cases: Cases, rounds: int) -> dict[str, list[float]]:
    """Send every case once in each round, each round in another order; a case's `{}` is the number of the request."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    order = list(cases)
    for _ in range(rounds):
        for name in order:
            number = next(_numbers)
            address = f"10.0.{number // 250}.{number % 250 + 1}"
            filled = {field: value.format(number) for field, value in cases[name].items()}
            found[name].append(seconds(app, path, status, address, **filled))
        order.append(order.pop(0))
    return found


def expect_alike(app: Flask, path: str, status: int, cases: Cases, rounds: int = ROUNDS) -> None:
    """Compare each case with each other, within rounds: what else the machine does falls on both alike.

    The median of many such ratios leaves out the moments in which it fell on one.
    """
    seconds(app, path, status, "10.1.0.1", **next(iter(cases.values())))
    found = times(app, path, status, cases, rounds)
    for one, other in combinations(cases, 2):
        ratio = median(a / b for a, b in zip(found[one], found[other], strict=True))
        assert 1 / (1 + TOLERANCE) < ratio < 1 + TOLERANCE, (
            f"{one} takes {ratio:.3f} times as long as {other}"
        )


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
