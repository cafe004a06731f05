"""When a new key expires: the choice in each form, days of the user's time zone, the warning in the last 14 days."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.contract import KEY_EXPIRES_HEADER
from reflow_accounts.database import db, now
from tests.api_auth.both_paths import ME, BothPaths
from tests.helpers import rows
from tests.helpers.html import parse

KEYS, NEW = "/account/api-keys", "/account/api-keys/new"
pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def ada(cast, client):
    cast.ada.change(time_zone="America/Los_Angeles")
    return cast.ada.sign_in(client)


def expiry_of_the_only_key(app):
    with app.app_context():
        return db.session.scalars(db.select(ApiKey.expires_at)).one()


def test_key_never_expires_by_default(app, ada):
    page = ada.page(NEW)
    [choice] = [item for item in page.all("select") if item["name"] == "expires"]
    assert [option.text for option in choice.all("option")] == [
        "Never",
        "In 30 days",
        "In 90 days",
        "In 365 days",
        "On a date",
    ]
    assert "It never expires." in parse(ada.submit(page, KEYS, name="CI").text).text
    assert expiry_of_the_only_key(app) is None


def test_key_expires_after_the_chosen_number_of_days(app, ada):
    ada.submit(ada.page(NEW), KEYS, name="CI", expires="90")
    assert abs(expiry_of_the_only_key(app) - now() - timedelta(days=90)) < timedelta(minutes=1)
    assert "Expires soon" not in ada.page(KEYS).text


@time_machine.travel("2027-03-10T20:00:00Z", tick=True)
def test_last_day_ends_in_the_time_zone_of_the_user(app, cast, ada):
    """The clocks of Los Angeles go forward on 14 March."""
    cast.ada.sign_in(ada)
    response = ada.submit(ada.page(NEW), KEYS, name="CI", expires="date", expires_on="2027-03-14")
    assert "It expires 2027-03-15 06:59:59 UTC" in parse(response.text).text
    assert expiry_of_the_only_key(app) == datetime(2027, 3, 15, 6, 59, 59, tzinfo=UTC)
    text = ada.page(KEYS).text
    assert "Expires 14 Mar 2027" in text
    assert "Expires soon" in text


@pytest.mark.parametrize("day", ["2027-03-10", "2027-03-09"])
@time_machine.travel("2027-03-11T04:00:00Z", tick=True)
def test_today_is_accepted_as_last_day_and_yesterday_is_not(app, cast, ada, day):
    """It is the evening of 10 March in Los Angeles."""
    cast.ada.sign_in(ada)
    response = ada.submit(ada.page(NEW), KEYS, name="CI", expires="date", expires_on=day)
    if day == "2027-03-10":
        assert expiry_of_the_only_key(app) == datetime(2027, 3, 11, 7, 59, 59, tzinfo=UTC)
    else:
        assert response.status_code == 422
        assert "Choose today or a later date" in parse(response.text).text


@pytest.mark.parametrize(
    ("choice", "day", "field", "sentence"),
    [
        ("date", "", "expires_on", "Enter the last day on which the key works"),
        ("date", "31.3.2027", "expires_on", "Enter a date such as 2027-03-31"),
        ("date", "9999-12-31", "expires_on", "Choose a date before the end of 9998"),
        ("never", "2031-01-01", "expires", "Choose “On a date” to use the date below, or clear it"),
        ("7", "", "expires", "Choose when the key expires"),
    ],
)
def test_invalid_expiry_is_explained_at_its_field(app, ada, choice, day, field, sentence):
    response = ada.submit(ada.page(NEW), KEYS, name="CI", expires=choice, expires_on=day)
    assert response.status_code == 422
    page = parse(response.text)
    assert sentence in page.with_id(f"{field}-error").text
    [date] = [item for item in page.all("input") if item["name"] == "expires_on"]
    assert date["value"] == day
    assert rows.count(app, ApiKey) == 0
    assert ada.submit(page, KEYS, expires="30", expires_on="").status_code == 200


def test_expiry_is_offered_for_service_accounts_and_ci_keys(app, cast, ada):
    account = f"/account/teams/{cast.acme.id}/service-accounts/{cast.ci.id}"
    wizard = f"/account/teams/{cast.acme.id}/ci-key"
    ada.submit(ada.page(f"{account}/keys/new"), f"{account}/keys", name="deploy", expires="30")
    assert ada.submit(ada.page(wizard), wizard, expires="date").status_code == 422
    response = ada.submit(ada.page(wizard), wizard, expires="30")
    assert "It expires " in parse(response.text).text
    with app.app_context():
        ends = db.session.scalars(db.select(ApiKey.expires_at)).all()
    assert len(ends) == 2
    assert all(abs(end - now() - timedelta(days=30)) < timedelta(minutes=1) for end in ends)


def test_responses_warn_in_the_last_14_days_on_both_paths(app, cast):
    """The header is also in refusals, except in those of the key itself."""
    key = cast.ada.key(expires_at=datetime(2031, 10, 3, 12, tzinfo=UTC))
    both_paths = BothPaths(app)
    try:
        for days, is_warned in ((14.1, False), (13.9, True)):
            with time_machine.travel(datetime(2031, 10, 3, 12, tzinfo=UTC) - timedelta(days=days)):
                cast.acme.subscribe()
                response = both_paths.same(ME, key.secret, in_flask=0)
                missing = both_paths.same("/api/v1/nothing", key.secret)
            expected = "2031-10-03T12:00:00Z" if is_warned else None
            assert [checked.header(KEY_EXPIRES_HEADER) for checked in (response, missing)] == [expected] * 2
        with time_machine.travel(datetime(2031, 10, 3, 12, tzinfo=UTC)):
            assert both_paths.same(ME, key.secret).status == 401
    finally:
        both_paths.close()


def test_table_shows_the_time_of_an_expiry_within_a_day(cast, ada):
    end = now() + timedelta(hours=1)
    cast.ada.key("soon", expires_at=end)
    cast.ada.key("later", expires_at=datetime(2036, 3, 31, 12, tzinfo=UTC))
    text = ada.page(KEYS).text
    assert f"Expires {end:%Y-%m-%d %H:%M:%S} UTC" in text
    assert "Expires 31 Mar 2036" in text


def test_last_day_of_the_calendar_is_shown_in_a_time_zone_that_has_passed_it(cast, ada):
    cast.ada.change(time_zone="Pacific/Auckland")
    cast.ada.key(expires_at=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert "Expires 31 Dec 9999" in ada.page(KEYS).text
