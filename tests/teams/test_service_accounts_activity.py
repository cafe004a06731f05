"""What service accounts did, and what was done to them, in Activity."""

import pytest

from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.database import db
from tests.helpers.html import parse
from tests.teams.service_account_acts import create, page_of

pytestmark = pytest.mark.postgresql_later


def lines(page):
    """Return (event, subject, by) of each line."""
    found = []
    tables = [table for table in page.all("table") if "activity" in table["class"].split()]
    for row in [row for table in tables for row in table.all("tr")[1:]]:
        _, event, subject, *_ = [cell for cell in row.children if not isinstance(cell, str)]
        about, by = subject.all("bdi")
        found.append((event.text, about.text, by.text.removeprefix("by ")))
    return found


def test_its_uses_stand_against_it_and_are_seen_by_the_teams_admins(cast, ada, api):
    api(cast.ci.key("deploy").secret).get("/me")
    own = [line for line in lines(ada.page("/account/activity")) if line[0].startswith("API key used")]
    assert [(subject, by.split()[0]) for _, subject, by in own] == [("deploy", "acme-ci")]


def test_other_members_see_them_on_its_own_page_alone(cast, client, api):
    key = cast.ci.key("deploy")
    api(key.secret).get("/me")
    cast.vic.sign_in(client)
    assert not [line for line in lines(client.page("/account/activity")) if line[1] == "deploy"]
    page = client.page(f"/account/activity?account={cast.ci.id}")
    assert "Activity of acme-ci" in page.text
    told = [line[0].partition(" GET")[0] for line in lines(page)]
    assert told == ["API key used"]
    narrowed = client.submit(page, "/account/activity", key=key.id, period="24h")
    assert [line[1] for line in lines(parse(narrowed.text))] == ["deploy"]
    file = client.get(f"/account/activity/export?account={cast.ci.id}").text
    assert "API key used,deploy,acme-ci" in file


@pytest.mark.parametrize("who", ["ben", "vic"])
def test_what_admins_did_to_it_is_told_to_admins_alone(app, cast, ada, who):
    key = cast.ci.key("deploy")
    ada.send(f"{page_of(cast.acme, cast.ci)}/standing", disabled="true")
    client = getattr(cast, who).sign_in(app.test_client())
    for query in (f"account={cast.ci.id}", f"account={cast.ci.id}&key={key.id}"):
        assert lines(client.page(f"/account/activity?{query}")) == []
        assert client.get(f"/account/activity/export?{query}").text.count("\n") == 1
    told = [line[0] for line in lines(ada.page(f"/account/activity?account={cast.ci.id}"))]
    assert told == ["Service account disabled", "API key created"]


def test_its_page_tells_nothing_of_the_rest_of_the_team(cast, client, ada):
    create(ada, cast.acme, "other robot")
    page = ada.page(f"/account/activity?account={cast.ci.id}")
    assert "other robot" not in page.text


def test_acts_on_it_are_told_with_who_whom_from_and_to(app, cast, ada):
    path = f"{page_of(cast.acme, cast.ci)}/settings"
    ada.submit(ada.page(path), path, name="robot", rights="view")
    told = [line[:2] for line in lines(ada.page("/account/activity"))]
    assert told[:2] == [
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


def test_keys_of_a_disabled_or_deleted_account_can_still_be_looked_into(cast, ada, api):
    api(cast.ci.key("deploy").secret).get("/me")
    place = page_of(cast.acme, cast.ci)
    ada.send(f"{place}/standing", disabled="true")
    assert "deploy" in ada.get(f"/account/activity/export?account={cast.ci.id}").text
    ada.send(f"{place}/deletion")
    assert "deploy" in ada.get(f"/account/activity/export?account={cast.ci.id}").text
