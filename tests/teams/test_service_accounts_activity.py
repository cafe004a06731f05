"""Uses of service accounts and changes of them, in Activity."""

import pytest

from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.database import db
from tests.helpers.html import parse
from tests.teams.service_account_actions import account_path, create

pytestmark = pytest.mark.postgresql_later


def lines_of(page):
    """Return (event, subject, by) of each line."""
    result = []
    tables = [table for table in page.all("table") if "activity" in table["class"].split()]
    for row in [row for table in tables for row in table.all("tr")[1:]]:
        _, event, subject, *_ = [cell for cell in row.children if not isinstance(cell, str)]
        subject_name, by = subject.all("bdi")
        result.append((event.text, subject_name.text, by.text.removeprefix("by ")))
    return result


def test_uses_are_listed_for_admins_of_the_team(cast, ada, api):
    api(cast.ci.key("deploy").secret).get("/me")
    uses = [line for line in lines_of(ada.page("/account/activity")) if line[0].startswith("API key used")]
    assert [(subject, by.split()[0]) for _, subject, by in uses] == [("deploy", "acme-ci")]


def test_uses_are_visible_to_other_members_on_its_own_page_only(cast, client, api):
    key = cast.ci.key("deploy")
    api(key.secret).get("/me")
    cast.vic.sign_in(client)
    assert not [line for line in lines_of(client.page("/account/activity")) if line[1] == "deploy"]
    page = client.page(f"/account/activity?account={cast.ci.id}")
    assert "Activity of acme-ci" in page.text
    titles = [line[0].partition(" GET")[0] for line in lines_of(page)]
    assert titles == ["API key used"]
    filtered = client.submit(page, "/account/activity", key=key.id, period="24h")
    assert [line[1] for line in lines_of(parse(filtered.text))] == ["deploy"]
    file = client.get(f"/account/activity/export?account={cast.ci.id}").text
    assert "API key used,deploy,acme-ci" in file


@pytest.mark.parametrize("user", ["ben", "vic"])
def test_changes_by_admins_are_visible_to_admins_only(app, cast, ada, user):
    key = cast.ci.key("deploy")
    ada.send(f"{account_path(cast.acme, cast.ci)}/status", disabled="true")
    client = getattr(cast, user).sign_in(app.test_client())
    for query in (f"account={cast.ci.id}", f"account={cast.ci.id}&key={key.id}"):
        assert lines_of(client.page(f"/account/activity?{query}")) == []
        assert client.get(f"/account/activity/export?{query}").text.count("\n") == 1
    titles = [line[0] for line in lines_of(ada.page(f"/account/activity?account={cast.ci.id}"))]
    assert titles == ["Service account disabled", "API key created"]
    of_key = lines_of(ada.page(f"/account/activity?account={cast.ci.id}&key={key.id}"))
    assert [line[:2] for line in of_key] == [("API key created", "deploy")]


def test_page_of_an_account_shows_nothing_else_of_the_team(cast, client, ada):
    create(ada, cast.acme, "other robot")
    page = ada.page(f"/account/activity?account={cast.ci.id}")
    assert "other robot" not in page.text


def test_changes_are_recorded_with_actor_target_and_old_and_new_values(app, cast, ada):
    path = f"{account_path(cast.acme, cast.ci)}/settings"
    ada.submit(ada.page(path), path, name="robot", rights="view")
    lines = [line[:2] for line in lines_of(ada.page("/account/activity"))]
    assert lines[:2] == [
        ("Rights changed", "robot (Edit → View)"),
        ("Service account changed", "acme-ci → robot"),
    ]
    with app.app_context():
        events = db.session.scalars(db.select(AuditEvent).order_by(AuditEvent.id)).all()[-2:]
        changes = {(event.details["old"], event.details["new"]) for event in events}
        assert changes == {("acme-ci", "robot"), ("edit", "view")}
        assert {event.details["whom"] for event in events} == {cast.ci.id}
        assert {event.account_id for event in events} == {cast.ci.number}
        assert {event.team_id for event in events} == {cast.acme.row().id}


def test_keys_of_a_disabled_or_deleted_account_stay_in_the_activity(cast, ada, api):
    api(cast.ci.key("deploy").secret).get("/me")
    account_url = account_path(cast.acme, cast.ci)
    ada.send(f"{account_url}/status", disabled="true")
    assert "deploy" in ada.get(f"/account/activity/export?account={cast.ci.id}").text
    ada.send(f"{account_url}/deletion")
    assert "deploy" in ada.get(f"/account/activity/export?account={cast.ci.id}").text
