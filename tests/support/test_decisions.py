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
def take_in(app):
    """Have messages of AWS taken in."""

    def run(*bodies):
        for body in bodies:
            with app.app_context():
                ingest(body, PRODUCT)
                db.session.commit()

    return run


def put(program, path, body):
    return program.send("PUT", path, body)


def path_of(group):
    return f"/support/teams/{group.id}/subscription"


def decide(sam, group, wanted, reason="As asked for", **more):
    path = path_of(group)
    return sam.submit(sam.page(f"{path}?active={wanted}"), path, reason=reason, **more)


def override_of(group):
    with group.app.app_context():
        found = status_of(group.row()).override
        return found and (found.is_active, found.expires_at, found.reason, found.ticket)


def test_activation_proposes_thirty_days(cast, sam):
    decide(sam, cast.solo, "true", ticket="T-7")
    is_active, expires_at, reason, ticket = override_of(cast.solo)
    assert (is_active, reason, ticket) == (True, "As asked for", "T-7")
    assert expires_at.date() == (now() + 30 * DAY).date()


def test_until_tomorrow_means_until_tomorrow(cast, sam):
    decide(sam, cast.solo, "true", until=f"{now() + DAY:%Y-%m-%d}")
    assert "Subscription active" in sam.page(f"/support/teams/{cast.solo.id}").text
    with time_machine.travel(now() + DAY):
        cast.sam.sign_in(sam)
        assert "Subscription inactive" in sam.page(f"/support/teams/{cast.solo.id}").text


@pytest.mark.parametrize("until", ["yesterday", "2020-01-01", "2026-02-31", "99999-01-01", "9999-12-31"])
def test_bad_day_is_named(cast, sam, until):
    answer = decide(sam, cast.solo, "true", until=until)
    assert answer.status_code == 422
    assert override_of(cast.solo) is None


def test_override_is_ended_and_aws_decides_again(cast, sam):
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


def test_team_page_shows_aws_facts_and_discrepancies(app, cast, sam, take_in):
    buy(cast.solo, LicenceState.PENDING)
    take_in(
        event("License Updated", "l-1", "agmt-1"),
        event("Purchase Agreement Amended", "", "agmt-1", status="SUPERSEDED"),
        event("Purchase Agreement Advisory Issued", "", "agmt-1"),
    )
    page = sam.page(f"/support/teams/{cast.solo.id}")
    for words in (
        "l-1",
        "123456789012",
        "agmt-1",
        "AWS calls the agreement SUPERSEDED.",
        "issued an advisory",
    ):
        assert words in page.text
    with app.app_context():
        assert db.session.get_one(Agreement, "agmt-1").status == "SUPERSEDED"


def test_second_staff_user_sees_the_change_of_the_first(app, cast, sam):
    kim = factories.person(app, "Kim Lee", is_staff=True)
    other = kim.sign_in(PageClient(app, app.response_class))
    path = path_of(cast.acme)
    mine, theirs = sam.page(f"{path}?active=false"), other.page(f"{path}?active=false")
    assert sam.submit(mine, path, reason="Unpaid").status_code == 303
    answer = other.submit(theirs, path, reason="Fraud")
    assert answer.status_code == 409
    assert "Sam Hale" in answer.text
    assert "Unpaid" in answer.text
    assert "Fraud" not in [change[2] for change in history_of(cast.acme)]


@pytest.mark.parametrize("reason", ["Unpaid", "Unpaid."])
def test_reason_of_a_conflict_ends_with_one_full_stop(app, cast, sam, reason):
    kim = factories.person(app, "Kim Lee", is_staff=True)
    other = kim.sign_in(PageClient(app, app.response_class))
    path = path_of(cast.acme)
    theirs = other.page(f"{path}?active=false")
    decide(sam, cast.acme, "false", reason=reason)
    answer = other.submit(theirs, path, reason="Fraud")
    assert "Reason: Unpaid. Check it and try again." in parse(answer.text).text


def test_conflict_says_that_an_override_came_to_its_end(cast, sam):
    """The background job has not recorded the end yet."""
    path = path_of(cast.solo)
    decide(sam, cast.solo, "true", until=f"{now() + DAY:%Y-%m-%d}", reason="Trial")
    with time_machine.travel(now() + DAY):
        cast.sam.sign_in(sam)
        page = sam.page(f"{path}?active=true")
        for headers in (None, PANEL):
            answer = sam.submit(page, path, reason="Longer", headers=headers)
            assert answer.status_code == 409
            told = "Reflow changed this just now: inactive now. Reason: The override by support came to its end. Check"
            assert told in parse(answer.text).text
            assert "active now, until" not in answer.text
        # It is recorded now, so that the next try works.
        assert decide(sam, cast.solo, "true", reason="Longer").status_code == 303
        kinds = [kind for _, kind, *_ in history_of(cast.solo)]
        assert kinds == ["forced_on", "expired", "forced_on"]


def test_programs_of_staff_find_teams_page_by_page_and_decide(app, cast, api):
    program = api(cast.sam.session())
    seen, cursor = [], ""
    while cursor is not None:
        answer = program.get(f"/support/teams?limit=1{cursor and f'&cursor={cursor}'}").json
        seen += [team["name"] for team in answer["items"]]
        cursor = answer["next_cursor"]
    assert sorted(seen) == ["Acme", "Globex", "Solo"]
    [solo] = program.get("/support/teams?q=solo").json["items"]
    assert (solo["subscription"], solo["aws_state"], solo["override"]) == ("inactive", None, None)
    end = f"{now() + DAY:%Y-%m-%dT%H:%M:%SZ}"
    wanted = {"active": True, "reason": "Trial", "expires_at": end, "version": solo["version"]}
    answer = put(program, f"/support/teams/{solo['id']}/subscription", wanted)
    assert answer.status_code == 200
    assert answer.json["subscription"] == "active"
    assert (answer.json["override"]["by"], answer.json["override"]["reason"]) == ("Sam Hale", "Trial")
    # Somebody else decides on what they saw before that.
    kim = api(factories.person(app, "Kim Lee", is_staff=True).session())
    late = put(kim, f"/support/teams/{solo['id']}/subscription", wanted | {"active": False})
    problem_of(late, 409, "conflict")


def test_programs_meet_the_end_of_an_override_once(cast, api):
    program, path = api(cast.sam.session()), f"/support/teams/{cast.solo.id}/subscription"
    wanted = {"active": True, "reason": "Trial", "expires_at": f"{now() + DAY:%Y-%m-%dT%H:%M:%SZ}"}
    assert put(program, path, wanted).status_code == 200
    with time_machine.travel(now() + 2 * DAY):
        wanted["expires_at"] = f"{now() + DAY:%Y-%m-%dT%H:%M:%SZ}"
        statuses = []
        for _ in range(2):
            [solo] = program.get("/support/teams?q=solo").json["items"]
            statuses.append(put(program, path, wanted | {"version": solo["version"]}).status_code)
    assert statuses == [409, 200]


def test_programs_get_the_rules_of_the_console(app, cast, api):
    program = api(cast.sam.session())
    cast.solo.add(cast.sam, Rights.VIEW)
    wanted = {"active": True, "reason": "For me"}
    problem_of(
        put(program, f"/support/teams/{cast.solo.id}/subscription", wanted), 403, "insufficient_rights"
    )
    problem_of(put(program, "/support/teams/team_x/subscription", wanted), 404, "not_found")
    path = f"/support/teams/{cast.acme.id}/subscription"
    for body in (
        {"active": False},
        {"active": False, "reason": " "},
        {"active": "no", "reason": "x"},
        {"active": False, "reason": "x", "expires_at": "2020-01-01T00:00:00Z"},
        {"active": False, "reason": "x", "more": 1},
    ):
        problem_of(put(program, path, body), 422, "validation_failed")
    for person in (cast.ada, cast.charlie):
        for body in (wanted, {}):
            problem_of(put(api(person.session()), path, body), 404, "not_found")
    assert "subscription.overridden" not in [act[0] for act in rows.acts(app)]


def test_bad_end_is_named_as_programs_sent_it(cast, api):
    body = {"active": True, "reason": "x", "expires_at": "2020-01-01T00:00:00Z"}
    answer = put(api(cast.sam.session()), f"/support/teams/{cast.solo.id}/subscription", body)
    problem_of(answer, 422, "validation_failed")
    assert [fault["field"] for fault in answer.json["errors"]] == ["expires_at"]


def test_repeated_deactivation_by_programs_is_a_view(app, cast, api):
    """Whatever AWS says: a new purchase lets nobody in."""
    program = api(cast.sam.session())
    cast.solo.subscribe()
    body = {"active": False, "reason": "fraud"}
    for action in ("subscription.deactivated", "support.team_viewed"):
        answer = put(program, f"/support/teams/{cast.solo.id}/subscription", body)
        assert answer.status_code == 200
        assert answer.json["override"]["active"] is False
        assert rows.acts(app)[-1] == (action, "Sam Hale", "Solo")
    buy(cast.solo)
    assert standing(cast.solo) == "inactive"


def standing(group):
    with group.app.app_context():
        return status_of(group.row()).state


def test_team_views_are_recorded(app, cast, sam, api):
    program = api(cast.sam.session())
    path = path_of(cast.acme)

    def told(look):
        before = len(rows.acts(app))
        look()
        return [act[0::2] for act in rows.acts(app)[before:]]

    everything, acme = ("support.searched", "every team"), ("support.team_viewed", "Acme")
    assert told(lambda: sam.page("/support")) == [everything]
    assert told(lambda: program.get("/support/teams")) == [everything]
    assert told(lambda: program.get("/support/teams?q=%20")) == [everything]
    assert told(lambda: sam.page(f"{path}?active=false")) == [acme]
    asked = sam.page(f"{path}?active=false")
    assert told(lambda: sam.submit(asked, path, reason="")) == [acme]
    sam.submit(asked, path, reason="Unpaid")
    assert told(lambda: sam.submit(asked, path, reason="Unpaid", headers=PANEL)) == [acme, everything]
    cast.acme.subscribe()
    answers = []
    look = lambda: answers.append(sam.submit(asked, path, reason="Unpaid", headers=PANEL))  # noqa: E731
    assert told(look) == [acme, everything]
    assert answers[0].status_code == 409
