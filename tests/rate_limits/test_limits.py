"""Rate limits at the log-in page and at `/sessions` (OWASP ASVS 5.0, 6.1.1 and 6.3.1)."""

from datetime import timedelta

import pytest
import time_machine
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from reflow_accounts.database import now
from reflow_accounts.errors import RateLimited, Unavailable
from reflow_accounts.rate_limits import service
from reflow_accounts.rate_limits.counters import limiter
from reflow_accounts.rate_limits.models import LimitCount
from tests.helpers import rows
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later

ALLOWED = 10
FIVE_MINUTES = timedelta(minutes=5)
TOO_MANY = "Too many attempts. Try again in 5 minutes or reset your password."
WRONG_PASSWORD = "not the password"  # pragma: allowlist secret


def from_address(address):
    return {"environ_base": {"REMOTE_ADDR": address}}


def log_in(client, email, password=WRONG_PASSWORD, address="192.0.2.1", **options):
    fields = {"email": email, "password": password, "csrf_token": client.csrf_token()}
    return client.post("/login", data=fields, **from_address(address), **options)


def use_up(client, email, addresses="192.0.2.{}"):
    for number in range(ALLOWED):
        assert log_in(client, email, address=addresses.format(number)).status_code == 422


@pytest.fixture
def limits(app):
    """The functions of the service, outside of requests."""
    with app.app_context():
        yield service


def test_eleventh_attempt_for_an_account_is_limited_at_any_address(cast, client):
    use_up(client, cast.ada.email)
    response = log_in(client, cast.ada.email, cast.ada.password, "198.51.100.7")
    assert response.status_code == 429
    assert TOO_MANY in response.text
    assert "Error: Log in" in response.text
    assert 0 < int(response.headers["Retry-After"]) <= 300
    assert log_in(client, cast.ben.email, cast.ben.password).status_code == 303


def test_eleventh_attempt_from_an_address_is_limited_for_any_account(cast, client):
    for number in range(ALLOWED):
        assert log_in(client, f"person{number}@acme.example").status_code == 422
    assert log_in(client, cast.ada.email, cast.ada.password).status_code == 429
    assert log_in(client, cast.ada.email, cast.ada.password, "198.51.100.7").status_code == 303


def test_limit_ends_after_five_minutes(cast, client):
    with time_machine.travel(now(), tick=False) as clock:
        use_up(client, cast.ada.email)
        clock.shift(FIVE_MINUTES - timedelta(seconds=1))
        response = log_in(client, cast.ada.email, cast.ada.password)
        assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
        assert "Try again in 1 minute or" in response.text
        clock.shift(timedelta(seconds=1))
        assert log_in(client, cast.ada.email, cast.ada.password).status_code == 303


def test_refused_attempts_do_not_extend_the_limit(cast, client):
    with time_machine.travel(now(), tick=False) as clock:
        use_up(client, cast.ada.email)
        for _ in range(4):
            clock.shift(timedelta(minutes=1))
            assert log_in(client, cast.ada.email, address="198.51.100.7").status_code == 429
        clock.shift(timedelta(minutes=1))
        assert log_in(client, cast.ada.email, cast.ada.password, "198.51.100.7").status_code == 303


def test_right_passwords_are_not_counted(app, cast, client):
    for _ in range(2 * ALLOWED):
        assert log_in(client, cast.ada.email, cast.ada.password).status_code == 303
    use_up(client, cast.ada.email, "192.0.2.1")


def test_address_without_an_account_is_limited_the_same(cast, client):
    results = []
    for email in (cast.ada.email, "nobody@acme.example"):
        responses = [log_in(client, email, address=f"{len(results)}.0.0.{n}") for n in range(ALLOWED + 2)]
        results.append([(response.status_code, sorted(dict(response.headers))) for response in responses])
    assert results[0] == results[1]
    assert [status for status, _ in results[0]] == [422] * ALLOWED + [429, 429]


@pytest.mark.parametrize("email", ["ADA@acme.example", " ada@acme.example ", "ada@ａcme.example"])
def test_spellings_of_an_address_are_counted_together(cast, client, email):
    use_up(client, cast.ada.email)
    assert log_in(client, email, address="198.51.100.7").status_code == 429


def test_signed_in_users_are_not_limited(cast, app, client):
    cast.ada.sign_in(client)
    other_browser = app.test_client()
    use_up(other_browser, cast.ada.email)
    assert log_in(other_browser, cast.ada.email).status_code == 429
    assert client.page("/account/profile")
    assert client.send("/account/profile", full_name="Ada", appearance="dark").status_code == 303


def test_command_shares_the_limit_of_the_page(cast, client, api):
    credentials = {"email": cast.ada.email, "password": cast.ada.password}
    use_up(client, cast.ada.email)
    response = api().post("/sessions", credentials, **from_address("198.51.100.7"))
    problem = problem_of(response, 429, "rate_limited")
    assert problem["detail"] == "Too many attempts. Try again in 5 minutes."
    assert 0 < int(response.headers["Retry-After"]) <= 300
    for _ in range(ALLOWED):
        assert (
            api().post("/sessions", credentials | {"email": "x@y.example", "password": "x"}).status_code
            == 401
        )
    problem_of(api().post("/sessions", credentials | {"email": cast.ben.email}), 429, "rate_limited")


def test_right_password_of_the_command_is_not_counted(cast, api):
    credentials = {"email": cast.ada.email, "password": cast.ada.password}
    for _ in range(2 * ALLOWED):
        assert api().post("/sessions", credentials).status_code == 201


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP"]
)
def test_forged_header_does_not_change_the_address(client, header):
    for number in range(ALLOWED):
        value = f"for=203.0.113.{number}" if header == "Forwarded" else f"203.0.113.{number}"
        assert log_in(client, f"p{number}@a.example", headers={header: value}).status_code == 422
    assert log_in(client, "p@a.example", headers={header: "203.0.113.99"}).status_code == 429


def test_ipv6_client_is_counted_by_its_64_bits(client):
    for number in range(ALLOWED):
        email = f"p{number}@a.example"
        assert log_in(client, email, address=f"2001:db8:0:1::{number:x}").status_code == 422
    assert log_in(client, "p@a.example", address="2001:db8:0:1:ffff::1").status_code == 429
    assert log_in(client, "p@a.example", address="2001:db8:0:2::1").status_code == 422


def test_ipv4_address_inside_ipv6_is_the_same(client):
    for number in range(ALLOWED):
        assert log_in(client, f"p{number}@a.example", address="::ffff:192.0.2.1").status_code == 422
    assert log_in(client, "p@a.example", address="192.0.2.1").status_code == 429


@pytest.mark.parametrize("action", ["second-factor", "step-up-code"])
def test_second_factor_is_limited_to_twenty_attempts_an_hour(limits, action):
    with time_machine.travel(now(), tick=False) as clock:
        for _ in range(2):
            for _ in range(ALLOWED):
                limits.hit(action, account="usr_ada")
            clock.shift(FIVE_MINUTES)
        with pytest.raises(RateLimited, match="in 50 minutes"):
            limits.hit(action, account="usr_ada")
        clock.shift(timedelta(minutes=50))
        limits.hit(action, account="usr_ada")


@pytest.mark.parametrize(
    "action", ["sign-in", "sign-up", "forgot", "second-factor", "step-up", "step-up-code", "device-code"]
)
def test_actions_are_counted_separately(limits, action):
    for _ in range(ALLOWED):
        limits.hit(action, account="a", address="192.0.2.1")
    with pytest.raises(RateLimited):
        limits.hit(action, account="a")
    with pytest.raises(RateLimited):
        limits.hit(action, address="192.0.2.1")
    for other in {"sign-in", "step-up", "forgot"} - {action}:
        limits.hit(other, account="a", address="192.0.2.1")


def test_address_cannot_use_up_the_limits_of_many_accounts(limits):
    for _ in range(ALLOWED):
        limits.hit("sign-in", address="192.0.2.1")
    for _ in range(ALLOWED):
        with pytest.raises(RateLimited):
            limits.hit("sign-in", account="ada", address="192.0.2.1")
    limits.hit("sign-in", account="ada", address="192.0.2.2")


@pytest.mark.parametrize("times", [1, 5])
def test_giving_back_does_not_raise_the_limit(limits, times):
    for _ in range(times):
        limits.give_back("sign-in", account="ada")
    for _ in range(ALLOWED):
        limits.hit("sign-in", account="ada")
    with pytest.raises(RateLimited):
        limits.hit("sign-in", account="ada")


def test_attempt_that_could_not_be_checked_does_not_count(limits):
    for _ in range(ALLOWED + 1):
        with pytest.raises(Unavailable), limits.attempt("sign-in", account="ada"):
            raise Unavailable
    for _ in range(ALLOWED):
        with limits.attempt("sign-in", account="ada"):
            pass
    with pytest.raises(RateLimited), limits.attempt("sign-in", account="ada"):
        pass


@pytest.mark.parametrize("counters", ["of our database", "of the library"])
def test_late_give_back_allows_no_more_than_ten(app, limits, monkeypatch, counters):
    """The library's counters can be negative, in memory and in Redis."""
    if counters == "of the library":
        monkeypatch.setitem(
            app.extensions, "limiter", FixedWindowRateLimiter(storage_from_string("memory://"))
        )
    with time_machine.travel(now(), tick=False) as clock:
        limits.hit("sign-in", account="ada")
        clock.shift(FIVE_MINUTES)
        limits.give_back("sign-in", account="ada")
        for _ in range(ALLOWED):
            limits.hit("sign-in", account="ada")
        with pytest.raises(RateLimited):
            limits.hit("sign-in", account="ada")


def test_database_counters_are_never_negative(app, limits):
    with time_machine.travel(now(), tick=False) as clock:
        storage = limiter().storage
        # A missing counter, a counter of zero, and one whose window has ended.
        assert [storage.incr("key", 300, -1) for _ in range(2)] == [0, 0]
        assert storage.incr("key", 300) == 1
        clock.shift(FIVE_MINUTES)
        assert storage.get("key") == 0
        assert [storage.incr("key", 300, amount) for amount in (-1, 1)] == [0, 1]


def test_retry_after_is_at_least_a_second(limits):
    with time_machine.travel(now().replace(microsecond=0), tick=False) as clock:
        for _ in range(ALLOWED):
            limits.hit("sign-in", account="ada")
        clock.shift(FIVE_MINUTES - timedelta(milliseconds=300))
        with pytest.raises(RateLimited) as refused:
            limits.hit("sign-in", account="ada")
        assert refused.value.retry_after == 1


def test_expired_counters_are_pruned(app, limits):
    with time_machine.travel(now(), tick=False) as clock:
        limits.hit("sign-in", account="old", address="192.0.2.1")
        clock.shift(FIVE_MINUTES)
        limits.hit("sign-in", account="new")
        assert limits.prune() == 2
        assert rows.count(app, LimitCount) == 1
        assert limits.prune() == 0


def test_counters_contain_no_typed_addresses(app, client):
    from reflow_accounts.database import db

    log_in(client, "somebody@acme.example")
    with app.app_context():
        keys = list(db.session.scalars(db.select(LimitCount.key)))
    assert len(keys) == 2
    assert not any("somebody" in key or "acme" in key for key in keys)


@pytest.mark.parametrize("email", ["x" * 10_000, "\ud800", "\u2028", "", "a@b\r\nc"])
def test_unusual_accounts_are_counted_too(limits, email):
    limits.hit("sign-in", account=email, address="not an address")


def test_attempt_must_be_counted_before_the_request_writes(app, cast, limits):
    from reflow_accounts.database import db

    if db.engine.dialect.name != "sqlite":
        pytest.skip("only SQLite has one writer")
    cast.ada.row().full_name = "Ada"
    db.session.flush()
    with pytest.raises(RuntimeError, match="before the request writes"):
        limits.hit("sign-in", account="ada")
    db.session.rollback()
