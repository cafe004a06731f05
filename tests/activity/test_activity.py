"""Uses and acts in the API and on the Activity tab."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import db, now
from tests.api_keys.usage import log
from tests.helpers.api import problem_of
from tests.helpers.html import parse

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def story(cast, api):
    """Ada's key is made, used, refused and revoked; another key is made."""
    key = cast.ada.key("CI")
    api(key.secret).get("/me")
    cast.acme.unsubscribe()
    api(key.secret).get("/keys")
    cast.acme.subscribe()
    cast.ada.revoke(key)
    cast.ada.key("other")
    return key


@pytest.fixture
def ada(cast, api, story):
    return api(cast.ada.session())


def told(items):
    return [(item["type"], item["title"], item["subject"]) for item in items]


def test_activity_is_newest_first(ada):
    assert told(ada.get("/activity").json["items"]) == [
        ("event", "Signed in", "Unknown device"),
        ("event", "API key created", "other"),
        ("event", "API key revoked", "CI"),
        ("event", "Subscription set to active", "Acme"),
        ("use", "API key refused", "CI"),
        ("event", "Subscription set to inactive", "Acme"),
        ("use", "API key used", "CI"),
        ("event", "API key created", "CI"),
        ("event", "Subscription set to active", "Acme"),
    ]


def test_activity_of_one_key(ada, story):
    items = ada.get(f"/activity?key={story.id}").json["items"]
    assert [title for _, title, _ in told(items)] == [
        "API key revoked",
        "API key refused",
        "API key used",
        "API key created",
    ]


def test_page_size_has_no_effect_on_the_list(ada):
    whole = ada.get("/activity?limit=200").json["items"]
    for limit in (1, 2, 3, 5):
        pages = ada.pages("/activity", limit)
        assert [item for page in pages for item in page] == whole


def test_pages_miss_nothing_when_all_happened_in_one_moment(app, ada):
    from reflow_accounts.api_keys.models import Use
    from reflow_accounts.audit.models import AuditEvent

    at = now()
    with app.app_context():
        for model in (Use, AuditEvent):
            db.session.execute(db.update(model).values(at=at))
        db.session.commit()
    whole = ada.get("/activity?limit=200").json["items"]
    assert len(whole) == 9
    assert [item for page in ada.pages("/activity", 2) for item in page] == whole


def test_bounds_in_time_take_the_first_and_leave_the_last(ada):
    items = ada.get("/activity").json["items"]
    middle = items[4]["at"]
    since = ada.get("/activity", query_string={"since": middle}).json["items"]
    until = ada.get("/activity", query_string={"until": middle}).json["items"]
    assert since == items[:5]
    assert until == items[5:]


def test_entries_have_unique_ids(ada, story):
    items = ada.get("/activity").json["items"]
    assert len({item["id"] for item in items}) == len(items)
    assert all(item["id"].startswith("use_" if item["type"] == "use" else "evt_") for item in items)
    uses = ada.get(f"/keys/{story.id}/uses").json["items"]
    assert [use["id"] for use in uses] == [item["id"] for item in items if item["type"] == "use"]


def test_after_an_entry_come_the_later_ones(ada, story):
    items = ada.get("/activity").json["items"]
    for place, item in enumerate(items):
        assert ada.get(f"/activity?after={item['id']}").json["items"] == items[:place]
        pages = ada.pages(f"/activity?after={item['id']}", 2)
        assert [entry for page in pages for entry in page] == items[:place]
    newer, older = ada.get(f"/keys/{story.id}/uses").json["items"]
    assert ada.get(f"/keys/{story.id}/uses?after={older['id']}").json["items"] == [newer]
    assert ada.get(f"/keys/{story.id}/uses?after={newer['id']}").json["items"] == []
    with_key = ada.get(f"/activity?after={items[-1]['id']}&key={story.id}").json["items"]
    assert [title for _, title, _ in told(with_key)] == [
        "API key revoked",
        "API key refused",
        "API key used",
        "API key created",
    ]


def test_entries_of_one_moment_are_after_one_another(app, ada):
    from reflow_accounts.api_keys.models import Use
    from reflow_accounts.audit.models import AuditEvent

    at = now()
    with app.app_context():
        for model in (Use, AuditEvent):
            db.session.execute(db.update(model).values(at=at))
        db.session.commit()
    items = ada.get("/activity").json["items"]
    for place, item in enumerate(items):
        assert ada.get(f"/activity?after={item['id']}").json["items"] == items[:place]


def test_uses_numbered_against_their_times_are_listed_by_time(app, cast, ada, story):
    number = log.number_of(app, story.id)
    moments = [now() - timedelta(seconds=second) for second in (1, 3, 2)]
    for at in moments:
        log.append(app, number, at)
    log.fold(app)
    for path in ("/activity", f"/keys/{story.id}/uses"):
        items = ada.get(path).json["items"]
        assert [item["at"] for item in items] == sorted((item["at"] for item in items), reverse=True)
        place = next(
            i for i, item in enumerate(items) if item["at"].startswith(f"{moments[2]:%Y-%m-%dT%H:%M:%S.%f}")
        )
        assert ada.get(f"{path}?after={items[place]['id']}").json["items"] == items[:place]


@pytest.mark.parametrize(
    "entry_id", ["", "7", "use_", "use_x", "evt_1x", "use_999999", "evt_999999", "use_9999999999999999999"]
)
def test_unknown_entry_is_no_start(ada, story, entry_id):
    for path in ("/activity", f"/keys/{story.id}/uses"):
        problem = problem_of(ada.get(path, query_string={"after": entry_id}), 404, "not_found")
        assert problem["detail"] == "No entry of this list has the id given as after."


def test_entry_of_somebody_else_is_no_start(cast, api, ada):
    ben = api(cast.ben.session())
    for item in ada.get("/activity").json["items"]:
        if "CI" in item["subject"]:
            problem_of(ben.get(f"/activity?after={item['id']}"), 404, "not_found")


def test_teammates_see_their_own_acts_and_the_teams(cast, api, story):
    items = api(cast.ben.session()).get("/activity").json["items"]
    assert {title for _, title, _ in told(items)} == {
        "Signed in",
        "Subscription set to active",
        "Subscription set to inactive",
    }


def test_strangers_see_nothing(cast, api, story):
    items = api(cast.charlie.session()).get("/activity").json["items"]
    assert {subject for _, _, subject in told(items)} == {"Unknown device", "Globex"}


def test_key_of_somebody_else_is_no_filter(cast, api, story):
    problem_of(api(cast.ben.session()).get(f"/activity?key={story.id}"), 404, "not_found")


def test_tab_shows_the_same_list(cast, client, story):
    cast.ada.sign_in(client)
    text = client.page("/account/activity").text
    for words in ("API key created", "API key used", "API key refused", "API key revoked", "Signed in"):
        assert words in text
    assert "GET /api/v1/me" in text


def test_tab_narrows_to_a_key_and_a_period(app, cast, client, story):
    cast.ada.sign_in(client)
    page = client.page("/account/activity")
    answer = client.submit(page, "/account/activity", key=story.id, period="24h")
    assert "API key revoked" in answer.text
    assert "Signed in" not in parse(answer.text).with_id("activity-panel").text
    from reflow_accounts.audit.models import AuditEvent

    with app.app_context():
        db.session.execute(db.update(AuditEvent).values(at=now() - timedelta(days=2)))
        db.session.commit()
    panel = client.page("/account/activity?period=24h").with_id("activity-panel")
    assert "API key created" not in panel.text
    assert "API key used" in panel.text


def test_24_hours_have_no_chart_of_days(cast, client, story):
    cast.ada.sign_in(client)
    assert "requests in the last 7 days" in client.page("/account/activity?period=7d").text
    assert "requests in the last" not in client.page("/account/activity?period=24h").text


def test_tab_says_that_only_requests_have_an_outcome(cast, client, story):
    cast.ada.sign_in(client)
    words = "Only requests have an outcome; other events are left out."
    assert words in client.page("/account/activity?event=sign-ins&outcome=refused").text
    assert words not in client.page("/account/activity?event=subscription").text


def test_tab_links_to_older_lines(cast, client, api):
    key = cast.ada.key("CI")
    for _ in range(51):
        api(key.secret).get("/me")
    cast.ada.sign_in(client)
    page = client.page("/account/activity")
    [older] = [link for link in page.all("a") if link.text == "Older"]
    assert page.with_id("activity-panel")["data-announce"] == "50 events, and older ones."
    assert "API key created" in client.page(older["href"]).text


@pytest.mark.parametrize("query", ["cursor=x", "key=key_x", "key=%20", "cursor=%F0%9F%92%A9"])
def test_bad_cursor_is_refused(cast, client, query):
    cast.ada.sign_in(client)
    assert client.get(f"/account/activity?{query}").status_code in (404, 422)


def test_unknown_period_shows_everything(cast, client):
    cast.ada.sign_in(client)
    assert "Signed in" in client.page("/account/activity?period=century").text


def test_keys_to_filter_by_are_grouped_by_their_state(cast, client):
    end = now() + timedelta(hours=1)
    cast.ada.key("live"), cast.ada.key("ended", expires_at=end)
    cast.ada.revoke(cast.ada.key("gone"))
    with time_machine.travel(end):
        page = cast.ada.sign_in(client).page("/account/activity")
    groups = {group["label"]: group.text.split()[0] for group in page.all("optgroup")}
    assert groups == {"Live": "live", "Expired": "ended", "Revoked": "gone"}
