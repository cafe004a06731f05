"""The chart and the list of the Activity tab equal the log, by days of the user's time zone."""

import csv
import io
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from reflow_accounts.activity import pages
from reflow_accounts.api_keys.models import Use
from reflow_accounts.api_keys.usage import daily_counts
from reflow_accounts.database import db
from tests.api_keys.usage import use_log

pytestmark = pytest.mark.postgresql_later

PAGE = "/account/activity"
# Clocks changed on 26 October in Berlin and on 2 November in New York.
NOW = datetime(2025, 11, 10, 14, 30, tzinfo=UTC)
OUTCOMES = {"accepted": 200, "not_found": 404, "subscription_inactive": 403}


@pytest.fixture
def frozen_in_november(monkeypatch):
    for module in (pages, daily_counts):
        monkeypatch.setattr(module, "now", lambda: NOW)


def add_uses_of_90_days(app, keys: list[int], number: int) -> list[tuple[int, datetime, bool]]:
    """Add uses of 90 days, half of them rolled up; return key, time and whether it was accepted."""
    rng = random.Random(5)
    times = sorted(NOW - timedelta(seconds=rng.randrange(90 * 86_400)) for _ in range(number))
    common = {"method": "GET", "path": "/x", "address": "192.0.2.1", "user_agent": "tests"}
    rows = []
    for at in times:
        outcome = rng.choice([*OUTCOMES, "accepted", "accepted"])
        facts = {"key_id": rng.choice(keys), "at": at, "outcome": outcome, "status": OUTCOMES[outcome]}
        rows.append(common | facts)
    with app.app_context():
        for half in (rows[: number // 2], rows[number // 2 :]):
            use_log.roll_up(app)
            for first in range(0, len(half), 10_000):
                db.session.execute(insert(Use), half[first : first + 10_000])
            db.session.commit()
    return [(row["key_id"], row["at"], row["outcome"] == "accepted") for row in rows]


def expected_days(uses, zone: str, days: int) -> dict[str, tuple[int, int]]:
    last = NOW.astimezone(ZoneInfo(zone)).date()
    dates = [last - timedelta(days=number) for number in range(days)]
    counts: Counter[tuple[date, bool]] = Counter(
        (at.astimezone(ZoneInfo(zone)).date(), accepted) for _, at, accepted in uses
    )
    return {f"{day.day} {day:%b %Y}": (counts[day, True], counts[day, False]) for day in dates}


def table_of(page) -> dict[str, tuple[int, int]]:
    """Return the numbers of the table below the chart."""
    [table] = [table for table in page.all("table") if table["class"] == "numbers"]
    rows = [[cell.text for cell in row.all("th", "td")] for row in table.all("tr")[1:]]
    return {day: tuple(int(number.replace(",", "")) for number in numbers) for day, *numbers in rows}


def total_of(page) -> int:
    [caption] = page.all("figcaption")
    return int(caption.all("strong")[0].text.replace(",", ""))


@pytest.mark.parametrize("number", [1500, pytest.param(200_000, marks=[pytest.mark.slow, pytest.mark.alone])])
def test_chart_numbers_equal_the_log(app, cast, client, frozen_in_november, number):
    keys = [cast.ada.key("one"), cast.ada.key("two")]
    ids = [use_log.key_number(app, key.id) for key in keys]
    uses = add_uses_of_90_days(app, ids, number)
    cast.ada.sign_in(client)
    for zone in ("Europe/Berlin", "America/New_York", "Asia/Kathmandu"):
        cast.ada.change(time_zone=zone)
        page = client.page(PAGE)
        assert table_of(page) == expected_days(uses, zone, 30)
        assert len([bar for bar in page.all("rect") if bar["class"] == "bar-ok"]) == 30
        assert total_of(page) == sum(map(sum, expected_days(uses, zone, 30).values()))
    uses_of_one_key = [use for use in uses if use[0] == ids[0]]
    assert table_of(client.page(f"{PAGE}?key={keys[0].id}&period=7d")) == expected_days(
        uses_of_one_key, "Asia/Kathmandu", 7
    )
    refused = client.page(f"{PAGE}?period=30d&outcome=refused")
    assert table_of(refused) == {
        day: (0, refused_count)
        for day, (_, refused_count) in expected_days(uses, "Asia/Kathmandu", 30).items()
    }
    lines = csv.DictReader(io.StringIO(client.get(f"{PAGE}/export?period=30d&outcome=refused").text))
    outcomes = [line["Outcome"] for line in lines]
    assert len(outcomes) == total_of(refused)
    assert set(outcomes) == {"not_found", "subscription_inactive"}


def test_chart_is_described_in_words(app, cast, client, frozen_in_november):
    key = use_log.key_number(app, cast.ada.key().id)
    for days, outcome in ((20, "accepted"), (2, "accepted"), (2, "not_found"), (2, "accepted")):
        use = {
            "key_id": key,
            "at": NOW - timedelta(days=days),
            "outcome": outcome,
            "status": OUTCOMES[outcome],
        }
        use |= {"method": "GET", "path": "/", "address": "", "user_agent": ""}
        with app.app_context():
            db.session.execute(insert(Use), [use])
            db.session.commit()
    cast.ada.sign_in(client)
    page = client.page(PAGE)
    assert page.with_id("chart-title").text == "Requests per day, 12 October to 10 November 2025"
    assert page.with_id("chart-words").text == (
        "Rising: 1 request in the first half of the days, 3 in the second. Most on 8 November: 3. "
        "Refused on 1 day, most on 8 November: 1 of 3."
    )


@pytest.fixture
def titles(client):
    """Return the titles of the listed events for a query."""

    def titles_for(query: str) -> list[str]:
        page = client.page(f"{PAGE}?{query}")
        return [cell.elements[0].text for cell in page.all("th") if cell["scope"] == "row" and cell["role"]]

    return titles_for


def test_list_is_filtered_by_outcome_and_event(cast, client, api, titles):
    key = cast.ada.key("CI")
    api(key.secret).get("/me")
    api(key.secret).get("/nothing")
    cast.acme.unsubscribe()
    api(key.secret).get("/me")
    cast.ada.sign_in(client)
    refused = ["API key refused", "API key used"]
    assert titles("outcome=refused") == refused
    assert titles("outcome=accepted") == ["API key used"]
    assert titles("event=requests") == [*refused, "API key used"]
    assert titles("event=keys") == ["API key created"]
    assert titles("event=sign-ins") == ["Signed in"]
    assert titles("event=keys&outcome=refused") == []
    assert titles("event=subscription&outcome=")[0] == "Subscription set to inactive"
    assert titles("event=nonsense&outcome=nonsense") == titles("")
    session = api(cast.ada.session())
    assert len(session.get("/activity?outcome=refused").json["items"]) == 2
    assert {item["type"] for item in session.get("/activity?event=keys").json["items"]} == {"event"}
    assert session.get("/activity?outcome=odd").status_code == 422


def test_filter_is_kept_in_the_form_and_on_the_next_page(app, cast, client):
    key = cast.ada.key("CI")
    use_log.append_many(app, use_log.key_number(app, key.id), 60)
    cast.ada.sign_in(client)
    query = f"key={key.id}&period=7d&outcome=accepted&event=requests"
    page = client.page(f"{PAGE}?{query}")
    chosen = [option["value"] for option in page.all("option") if "selected" in option]
    assert chosen == [key.id, "7d", "accepted", "requests"]
    [older] = [link["href"] for link in page.all("a") if link.text == "Older"]
    for part in query.split("&"):
        assert part in older
    assert len([row for row in client.page(older).all("tr") if row["role"] == "row"]) == 1 + 10
