"""Response times do not reveal whether an address has an account (OWASP ASVS 5.0, 6.3.8)."""

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

WRONG_PASSWORD = "a kettle on the moon"  # pragma: allowlist secret
ROUNDS = 60
# A response without a hash is so short that other load on the machine has more influence.
ROUNDS_WITHOUT_HASH = 400
ROUNDS_OF_BCRYPT = 12
TOLERANCE = 0.10

Cases = dict[str, dict[str, str]]
_numbers = count(1)


@pytest.fixture
def costly_app(app: Flask, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The application with the hashing cost of production, and without rate limits."""
    hasher = PasswordHasher([SECRET_KEY], ROUNDS_OF_BCRYPT)
    monkeypatch.setitem(app.extensions, "password_hasher", hasher)
    monkeypatch.setitem(app.extensions, "limiter", None)
    cast.ada.change(password_hash=hasher.hash(cast.ada.password))
    cast.ben.change(password_hash=hasher.hash(cast.ben.password), disabled_at=now())
    # As if an address had been added to the service account by hand.
    cast.ci.change(email="ci@acme.example", password_hash=hasher.hash(WRONG_PASSWORD))
    return app


def time_request(app: Flask, path: str, status: int, address: str, **fields: str) -> float:
    """Send a form from a new browser and the given address; return the response time."""
    client = app.test_client()
    data = fields | {"csrf_token": client.csrf_token()}
    started_at = time.perf_counter()
    response = client.post(path, data=data, environ_base={"REMOTE_ADDR": address})
    duration = time.perf_counter() - started_at
    assert response.status_code == status, response.text
    return duration


def time_cases(app: Flask, path: str, status: int, cases: Cases, rounds: int) -> dict[str, list[float]]:
    """Send every case once per round, in changing order; `{}` in a field is the number of the request."""
    durations: dict[str, list[float]] = {name: [] for name in cases}
    order = list(cases)
    for _ in range(rounds):
        for name in order:
            number = next(_numbers)
            address = f"10.0.{number // 250}.{number % 250 + 1}"
            fields = {field: value.format(number) for field, value in cases[name].items()}
            durations[name].append(time_request(app, path, status, address, **fields))
        order.append(order.pop(0))
    return durations


def assert_similar_times(app: Flask, path: str, status: int, cases: Cases, rounds: int = ROUNDS) -> None:
    """Compare the cases pairwise within rounds, so that load on the machine affects both.

    The median of the ratios ignores the rounds in which it affected one.
    """
    time_request(app, path, status, "10.1.0.1", **next(iter(cases.values())))
    durations = time_cases(app, path, status, cases, rounds)
    for first, second in combinations(cases, 2):
        ratio = median(a / b for a, b in zip(durations[first], durations[second], strict=True))
        assert 1 / (1 + TOLERANCE) < ratio < 1 + TOLERANCE, (
            f"{first} takes {ratio:.3f} times as long as {second}"
        )


def test_log_in_takes_equally_long_for_all_refusals(costly_app: Flask, cast: Cast) -> None:
    cases = {
        "unknown": {
            "email": "nobody{}@acme.example",
            "password": WRONG_PASSWORD,
        },
        "wrong password": {"email": cast.ada.email, "password": WRONG_PASSWORD},
        "disabled": {"email": cast.ben.email, "password": cast.ben.password},
        "service account": {"email": "ci@acme.example", "password": WRONG_PASSWORD},
    }
    assert_similar_times(costly_app, "/login", 422, cases)


def test_sign_up_takes_equally_long_for_a_taken_address(costly_app: Flask, cast: Cast) -> None:
    common = {"full_name": "Eve Lund", "team_name": "Initech", "password": WRONG_PASSWORD}
    cases = {
        "new": common | {"email": "eve{}@initech.example"},
        "taken": common | {"email": cast.ada.email},
    }
    assert_similar_times(costly_app, "/signup", 200, cases)


def test_password_reset_takes_equally_long_for_an_unknown_address(costly_app: Flask, cast: Cast) -> None:
    cases = {"known": {"email": cast.ada.email}, "unknown": {"email": "nobody{}@acme.example"}}
    assert_similar_times(costly_app, "/forgot-password", 200, cases, ROUNDS_WITHOUT_HASH)
