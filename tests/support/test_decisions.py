"""Overrides by support: end, AWS facts, conflicts, API."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import db, now
from reflow_accounts.marketplace.events import ingest
from reflow_accounts.marketplace.models import Agreement
from reflow_accounts.subscriptions.models import LicenceState
from reflow_accounts.subscriptions.service import status_of
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.aws import PRODUCT, event
from tests.helpers.html import parse
from tests.helpers.page_client import PageClient
from tests.subscriptions.facts import buy, history_of

pytestmark = pytest.mark.postgresql_later

DAY = timedelta(days=1)
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}


@pytest.fixture
def ingest_events(app):
    """`ingest_events(body, …)`: ingest messages from AWS."""

    def run(*bodies):
        for body in bodies:
            with app.app_context():
                ingest(body, PRODUCT)
                db.session.commit()

    return run


def send_put(program, path, body):
    return program.send("PUT", path, body)


def subscription_path(group):
    return f"/support/teams/{group.id}/subscription"


def decide(sam, group, decision, reason="As asked for", **more):
    path = subscription_path(group)
    return sam.submit(sam.page(f"{path}?active={decision}"), path, reason=reason, **more)


def override_of(group):
    with group.app.app_context():
        override = status_of(group.row()).override
        return override and (override.is_active, override.expires_at, override.reason, override.ticket)


def test_activation_ends_after_thirty_days_by_default(cast, sam):
    decide(sam, cast.solo, "true", ticket="T-7")
    is_active, expires_at, reason, ticket = override_of(cast.solo)
    assert (is_active, reason, ticket) == (True, "As asked for", "T-7")
    assert expires_at.date() == (now() + 30 * DAY).date()


def test_override_until_tomorrow_ends_tomorrow(cast, sam):
    decide(sam, cast.solo, "true", until=f"{now() + DAY:%Y-%m-%d}")
    assert "Subscription active" in sam.page(f"/support/teams/{cast.solo.id}").text
    with time_machine.travel(now() + DAY):
        cast.sam.sign_in(sam)
        assert "Subscription inactive" in sam.page(f"/support/teams/{cast.solo.id}").text


@pytest.mark.parametrize("until", ["yesterday", "2020-01-01", "2026-02-31", "99999-01-01", "9999-12-31"])
def test_invalid_date_is_refused(cast, sam, until):
    response = decide(sam, cast.solo, "true", until=until)
    assert response.status_code == 422
    assert override_of(cast.solo) is None


def test_override_is_lifted_and_aws_decides_again(cast, sam):
    buy(cast.solo)
    decide(sam, cast.solo, "false", reason="Fraud?")
    page = sam.page(f"/support/teams/{cast.solo.id}")
    assert "Support and AWS Marketplace disagree" in page.text
    assert "Fraud?" in page.text
    decide(sam, cast.solo, "aws", reason="Cleared")
    assert override_of(cast.solo) is None
    page = sam.page(f"/support/teams/{cast.solo.id}")
    assert "Subscription active" in page.text
    assert "No override: AWS decides." in page.text
    assert [change[:2] for change in history_of(cast.solo)] == [
        ("AWS Marketplace", "aws"),
        ("Sam Hale", "forced_off"),
        ("Sam Hale", "lifted"),
    ]


def test_team_page_shows_aws_facts_and_discrepancies(app, cast, sam, ingest_events):
    buy(cast.solo, LicenceState.PENDING)
    ingest_events(
        event("License Updated", "l-1", "agmt-1"),
        event("Purchase Agreement Amended", "", "agmt-1", status="SUPERSEDED"),
        event("Purchase Agreement Advisory Issued", "", "agmt-1"),
    )
    page = sam.page(f"/support/teams/{cast.solo.id}")
    for text in (
        "l-1",
        "123456789012",
        "agmt-1",
        "AWS calls the agreement SUPERSEDED.",
        "issued an advisory",
    ):
        assert text in page.text
    with app.app_context():
        assert db.session.get_one(Agreement, "agmt-1").status == "SUPERSEDED"


def test_second_staff_user_sees_the_change_of_the_first(app, cast, sam):
    kim = factories.person(app, "Kim Lee", is_staff=True)
    other = kim.sign_in(PageClient(app, app.response_class))
    path = subscription_path(cast.acme)
    first_form, second_form = sam.page(f"{path}?active=false"), other.page(f"{path}?active=false")
    assert sam.submit(first_form, path, reason="Unpaid").status_code == 303
    response = other.submit(second_form, path, reason="Fraud")
    assert response.status_code == 409
    assert "Sam Hale" in response.text
    assert "Unpaid" in response.text
    assert "Fraud" not in [change[2] for change in history_of(cast.acme)]


@pytest.mark.parametrize("reason", ["Unpaid", "Unpaid."])
def test_reason_in_a_conflict_ends_with_one_full_stop(app, cast, sam, reason):
    kim = factories.person(app, "Kim Lee", is_staff=True)
    other = kim.sign_in(PageClient(app, app.response_class))
    path = subscription_path(cast.acme)
    second_form = other.page(f"{path}?active=false")
    decide(sam, cast.acme, "false", reason=reason)
    response = other.submit(second_form, path, reason="Fraud")
    assert "Reason: Unpaid. Check it and try again." in parse(response.text).text


def test_conflict_names_an_expired_override(cast, sam):
    """The background job has not recorded the end yet."""
    path = subscription_path(cast.solo)
    decide(sam, cast.solo, "true", until=f"{now() + DAY:%Y-%m-%d}", reason="Trial")
    with time_machine.travel(now() + DAY):
        cast.sam.sign_in(sam)
        page = sam.page(f"{path}?active=true")
        for headers in (None, PANEL):
            response = sam.submit(page, path, reason="Longer", headers=headers)
            assert response.status_code == 409
            text = "Reflow changed this just now: inactive now. Reason: The override by support came to its end. Check"
            assert text in parse(response.text).text
            assert "active now, until" not in response.text
        # The end is recorded now, so that the next attempt works.
        assert decide(sam, cast.solo, "true", reason="Longer").status_code == 303
        kinds = [kind for _, kind, *_ in history_of(cast.solo)]
        assert kinds == ["forced_on", "expired", "forced_on"]


def test_api_lists_teams_by_page_and_sets_subscriptions(app, cast, api):
    program = api(cast.sam.session())
    names, cursor = [], ""
    while cursor is not None:
        response = program.get(f"/support/teams?limit=1{cursor and f'&cursor={cursor}'}").json
        names += [team["name"] for team in response["items"]]
        cursor = response["next_cursor"]
    assert sorted(names) == ["Acme", "Globex", "Solo"]
    [solo] = program.get("/support/teams?q=solo").json["items"]
    assert (solo["subscription"], solo["aws_state"], solo["override"]) == ("inactive", None, None)
    end = f"{now() + DAY:%Y-%m-%dT%H:%M:%SZ}"
    decision = {"active": True, "reason": "Trial", "expires_at": end, "version": solo["version"]}
    response = send_put(program, f"/support/teams/{solo['id']}/subscription", decision)
    assert response.status_code == 200
    assert response.json["subscription"] == "active"
    assert (response.json["override"]["by"], response.json["override"]["reason"]) == ("Sam Hale", "Trial")
    # Another user decides on an outdated version.
    kim = api(factories.person(app, "Kim Lee", is_staff=True).session())
    response = send_put(kim, f"/support/teams/{solo['id']}/subscription", decision | {"active": False})
    problem_of(response, 409, "conflict")


def test_api_reports_an_expired_override_as_a_conflict_once(cast, api):
    program, path = api(cast.sam.session()), f"/support/teams/{cast.solo.id}/subscription"
    decision = {"active": True, "reason": "Trial", "expires_at": f"{now() + DAY:%Y-%m-%dT%H:%M:%SZ}"}
    assert send_put(program, path, decision).status_code == 200
    with time_machine.travel(now() + 2 * DAY):
        decision["expires_at"] = f"{now() + DAY:%Y-%m-%dT%H:%M:%SZ}"
        statuses = []
        for _ in range(2):
            [solo] = program.get("/support/teams?q=solo").json["items"]
            statuses.append(send_put(program, path, decision | {"version": solo["version"]}).status_code)
    assert statuses == [409, 200]


def test_api_has_the_rules_of_the_console(app, cast, api):
    program = api(cast.sam.session())
    cast.solo.add(cast.sam, Rights.VIEW)
    decision = {"active": True, "reason": "For me"}
    problem_of(
        send_put(program, f"/support/teams/{cast.solo.id}/subscription", decision), 403, "insufficient_rights"
    )
    problem_of(send_put(program, "/support/teams/team_x/subscription", decision), 404, "not_found")
    path = f"/support/teams/{cast.acme.id}/subscription"
    for body in (
        {"active": False},
        {"active": False, "reason": " "},
        {"active": "no", "reason": "x"},
        {"active": False, "reason": "x", "expires_at": "2020-01-01T00:00:00Z"},
        {"active": False, "reason": "x", "more": 1},
    ):
        problem_of(send_put(program, path, body), 422, "validation_failed")
    for person in (cast.ada, cast.charlie):
        for body in (decision, {}):
            problem_of(send_put(api(person.session()), path, body), 404, "not_found")
    assert "subscription.overridden" not in [act[0] for act in rows.audit_events(app)]


def test_invalid_end_in_the_api_is_named_as_sent(cast, api):
    body = {"active": True, "reason": "x", "expires_at": "2020-01-01T00:00:00Z"}
    response = send_put(api(cast.sam.session()), f"/support/teams/{cast.solo.id}/subscription", body)
    problem_of(response, 422, "validation_failed")
    assert [error["field"] for error in response.json["errors"]] == ["expires_at"]


def test_repeated_deactivation_in_the_api_is_recorded_as_view(app, cast, api):
    """A new purchase does not end the override."""
    program = api(cast.sam.session())
    cast.solo.subscribe()
    body = {"active": False, "reason": "fraud"}
    for action in ("subscription.deactivated", "support.team_viewed"):
        response = send_put(program, f"/support/teams/{cast.solo.id}/subscription", body)
        assert response.status_code == 200
        assert response.json["override"]["active"] is False
        assert rows.audit_events(app)[-1] == (action, "Sam Hale", "Solo")
    buy(cast.solo)
    assert state_of(cast.solo) == "inactive"


def state_of(group):
    with group.app.app_context():
        return status_of(group.row()).state


def test_team_views_are_recorded(app, cast, sam, api):
    program = api(cast.sam.session())
    path = subscription_path(cast.acme)

    def recorded_events(action):
        before = len(rows.audit_events(app))
        action()
        return [act[0::2] for act in rows.audit_events(app)[before:]]

    all_teams, acme = ("support.searched", "every team"), ("support.team_viewed", "Acme")
    assert recorded_events(lambda: sam.page("/support")) == [all_teams]
    assert recorded_events(lambda: program.get("/support/teams")) == [all_teams]
    assert recorded_events(lambda: program.get("/support/teams?q=%20")) == [all_teams]
    assert recorded_events(lambda: sam.page(f"{path}?active=false")) == [acme]
    form = sam.page(f"{path}?active=false")
    assert recorded_events(lambda: sam.submit(form, path, reason="")) == [acme]
    sam.submit(form, path, reason="Unpaid")
    assert recorded_events(lambda: sam.submit(form, path, reason="Unpaid", headers=PANEL)) == [
        acme,
        all_teams,
    ]
    cast.acme.subscribe()
    responses = []
    action = lambda: responses.append(sam.submit(form, path, reason="Unpaid", headers=PANEL))  # noqa: E731
    assert recorded_events(action) == [acme, all_teams]
    assert responses[0].status_code == 409
