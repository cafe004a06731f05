"""Uses and events in the API and on the Activity tab."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import db, now
from tests.api_keys.usage import use_log
from tests.helpers.api import problem_of
from tests.helpers.html import parse

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def history(cast, api):
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
def ada(cast, api, history):
    return api(cast.ada.session())


def entries_of(items):
    return [(item["type"], item["title"], item["subject"]) for item in items]


def test_activity_is_newest_first(ada):
    assert entries_of(ada.get("/activity").json["items"]) == [
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


def test_activity_is_filtered_by_key(ada, history):
    items = ada.get(f"/activity?key={history.id}").json["items"]
    assert [title for _, title, _ in entries_of(items)] == [
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


def test_pages_are_complete_when_all_entries_have_one_time(app, ada):
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


def test_since_is_inclusive_and_until_is_exclusive(ada):
    items = ada.get("/activity").json["items"]
    middle = items[4]["at"]
    since = ada.get("/activity", query_string={"since": middle}).json["items"]
    until = ada.get("/activity", query_string={"until": middle}).json["items"]
    assert since == items[:5]
    assert until == items[5:]


def test_entries_have_unique_ids(ada, history):
    items = ada.get("/activity").json["items"]
    assert len({item["id"] for item in items}) == len(items)
    assert all(item["id"].startswith("use_" if item["type"] == "use" else "evt_") for item in items)
    uses = ada.get(f"/keys/{history.id}/uses").json["items"]
    assert [use["id"] for use in uses] == [item["id"] for item in items if item["type"] == "use"]


def test_after_lists_only_later_entries(ada, history):
    items = ada.get("/activity").json["items"]
    for index, item in enumerate(items):
        assert ada.get(f"/activity?after={item['id']}").json["items"] == items[:index]
        pages = ada.pages(f"/activity?after={item['id']}", 2)
        assert [entry for page in pages for entry in page] == items[:index]
    newer, older = ada.get(f"/keys/{history.id}/uses").json["items"]
    assert ada.get(f"/keys/{history.id}/uses?after={older['id']}").json["items"] == [newer]
    assert ada.get(f"/keys/{history.id}/uses?after={newer['id']}").json["items"] == []
    with_key = ada.get(f"/activity?after={items[-1]['id']}&key={history.id}").json["items"]
    assert [title for _, title, _ in entries_of(with_key)] == [
        "API key revoked",
        "API key refused",
        "API key used",
        "API key created",
    ]


def test_after_orders_entries_of_the_same_time(app, ada):
    from reflow_accounts.api_keys.models import Use
    from reflow_accounts.audit.models import AuditEvent

    at = now()
    with app.app_context():
        for model in (Use, AuditEvent):
            db.session.execute(db.update(model).values(at=at))
        db.session.commit()
    items = ada.get("/activity").json["items"]
    for index, item in enumerate(items):
        assert ada.get(f"/activity?after={item['id']}").json["items"] == items[:index]


def test_uses_numbered_against_their_times_are_listed_by_time(app, cast, ada, history):
    number = use_log.key_number(app, history.id)
    moments = [now() - timedelta(seconds=second) for second in (1, 3, 2)]
    for at in moments:
        use_log.append(app, number, at)
    use_log.roll_up(app)
    for path in ("/activity", f"/keys/{history.id}/uses"):
        items = ada.get(path).json["items"]
        assert [item["at"] for item in items] == sorted((item["at"] for item in items), reverse=True)
        index = next(
            i for i, item in enumerate(items) if item["at"].startswith(f"{moments[2]:%Y-%m-%dT%H:%M:%S.%f}")
        )
        assert ada.get(f"{path}?after={items[index]['id']}").json["items"] == items[:index]


@pytest.mark.parametrize(
    "entry_id", ["", "7", "use_", "use_x", "evt_1x", "use_999999", "evt_999999", "use_9999999999999999999"]
)
def test_after_an_unknown_entry_is_404(ada, history, entry_id):
    for path in ("/activity", f"/keys/{history.id}/uses"):
        problem = problem_of(ada.get(path, query_string={"after": entry_id}), 404, "not_found")
        assert problem["detail"] == "No entry of this list has the id given as after."


def test_after_an_entry_of_another_user_is_404(cast, api, ada):
    ben = api(cast.ben.session())
    for item in ada.get("/activity").json["items"]:
        if "CI" in item["subject"]:
            problem_of(ben.get(f"/activity?after={item['id']}"), 404, "not_found")


def test_teammates_see_their_own_acts_and_the_teams(cast, api, history):
    items = api(cast.ben.session()).get("/activity").json["items"]
    assert {title for _, title, _ in entries_of(items)} == {
        "Signed in",
        "Subscription set to active",
        "Subscription set to inactive",
    }


def test_outsiders_see_no_activity_of_the_team(cast, api, history):
    items = api(cast.charlie.session()).get("/activity").json["items"]
    assert {subject for _, _, subject in entries_of(items)} == {"Unknown device", "Globex"}


def test_filter_by_a_key_of_another_user_is_404(cast, api, history):
    problem_of(api(cast.ben.session()).get(f"/activity?key={history.id}"), 404, "not_found")


def test_tab_shows_the_same_list(cast, client, history):
    cast.ada.sign_in(client)
    text = client.page("/account/activity").text
    for words in ("API key created", "API key used", "API key refused", "API key revoked", "Signed in"):
        assert words in text
    assert "GET /api/v1/me" in text


def test_tab_filters_by_key_and_period(app, cast, client, history):
    cast.ada.sign_in(client)
    page = client.page("/account/activity")
    response = client.submit(page, "/account/activity", key=history.id, period="24h")
    assert "API key revoked" in response.text
    assert "Signed in" not in parse(response.text).with_id("activity-panel").text
    from reflow_accounts.audit.models import AuditEvent

    with app.app_context():
        db.session.execute(db.update(AuditEvent).values(at=now() - timedelta(days=2)))
        db.session.commit()
    panel = client.page("/account/activity?period=24h").with_id("activity-panel")
    assert "API key created" not in panel.text
    assert "API key used" in panel.text


def test_period_of_24_hours_has_no_chart(cast, client, history):
    cast.ada.sign_in(client)
    assert "requests in the last 7 days" in client.page("/account/activity?period=7d").text
    assert "requests in the last" not in client.page("/account/activity?period=24h").text


def test_tab_says_that_only_requests_have_an_outcome(cast, client, history):
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


def test_older_page_whose_lines_were_deleted_leads_to_the_newest(cast, client):
    cast.ada.sign_in(client)
    page = client.page("/account/activity?cursor=c1.1.1")
    assert "Nothing has happened yet." not in page.text
    [link] = [link for link in page.all("a") if link.text == "Show the newest lines"]
    assert "Signed in" in client.page(link["href"]).text


@pytest.mark.parametrize("query", ["cursor=x", "key=key_x", "key=%20", "cursor=%F0%9F%92%A9"])
def test_bad_cursor_is_refused(cast, client, query):
    cast.ada.sign_in(client)
    assert client.get(f"/account/activity?{query}").status_code in (404, 422)


def test_unknown_period_is_ignored(cast, client):
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
