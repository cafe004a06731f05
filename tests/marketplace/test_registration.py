"""Registration: the token is resolved at once, a claim is valid for a day, one team gets the licence."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import db, now
from reflow_accounts.marketplace.models import Claim
from reflow_accounts.marketplace.registration import prune_claims
from reflow_accounts.subscriptions.models import Licence, LicenceState
from reflow_accounts.subscriptions.service import status_of
from reflow_accounts.teams.models import Team
from tests.helpers import rows
from tests.helpers.at_once import at_once
from tests.helpers.aws import event
from tests.helpers.html import parse
from tests.helpers.mailbox import Mailbox, text_of
from tests.helpers.page_client import PageClient
from tests.marketplace.buyer import PAGE, connect, post_from_aws
from tests.subscriptions.facts import delivered_subjects
from tests.users.signing_up import FIELDS, PASSWORD, confirm

pytestmark = pytest.mark.postgresql_later

NOTE = "Finish creating your account to connect your AWS Marketplace subscription."


def licences_of(group):
    with group.app.app_context():
        return [(licence.key, licence.state) for licence in status_of(group.row()).licences]


def test_admin_connects_a_purchase_to_a_team(app, cast, aws, buyer):
    mailbox = Mailbox(app)
    cast.nina.sign_in(buyer)
    response = post_from_aws(buyer, aws.sell("l-1", "agmt-1"))
    assert (response.status_code, response.location) == (303, PAGE)
    response = connect(buyer)
    assert (response.status_code, response.location) == (303, f"/account/subscription?team={cast.solo.id}")
    assert licences_of(cast.solo) == [("l-1", LicenceState.PENDING)]
    page = buyer.page(response.location)
    assert "Solo is connected to your AWS Marketplace subscription." in page.text
    assert "AWS is confirming your purchase." in page.text
    assert "Being set up" in page.text
    assert delivered_subjects(mailbox) == [
        (cast.nina.email, "Solo is connected to its AWS Marketplace subscription")
    ]


def test_token_is_not_stored_and_the_claim_is_stored_as_a_digest(app, cast, aws, buyer, caplog):
    token = aws.sell("l-1", "agmt-1")
    response = post_from_aws(buyer, token)
    [cookie] = [line for line in response.headers.getlist("Set-Cookie") if line.startswith("reflow-claim=")]
    assert {"HttpOnly", "SameSite=Lax", "Max-Age=86400"} <= set(cookie.split("; "))
    secret = cookie.partition("=")[2].partition(";")[0]
    assert token not in str(response.headers)
    assert token not in caplog.text
    with app.app_context():
        assert secret.encode() not in db.session.query(Claim).one().digest


def test_activation_is_found_when_its_event_came_first(app, cast, aws, buyer, ingest_events):
    mailbox = Mailbox(app)
    ingest_events(event("License Updated", "l-1", "agmt-1"))
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1", "agmt-1"))
    response = connect(buyer)
    assert "API keys of its members work." in text_of(mailbox.deliver()[-1])
    assert "Your team can create and use API keys." in buyer.page(response.location).text
    assert "Subscription active" in buyer.page("/account/profile").text


def test_new_buyer_signs_up_and_returns(app, aws, buyer):
    mailbox = Mailbox(app)
    post_from_aws(buyer, aws.sell("l-1"))
    response = buyer.get(PAGE)
    assert (response.status_code, response.location) == (303, f"/signup?next={PAGE}")
    page = buyer.page(response.location)
    assert NOTE in page.text
    assert "Contact support" in page.text
    assert "Team name" not in page.text
    buyer.submit(page, "/signup", full_name=FIELDS["full_name"], email=FIELDS["email"], password=PASSWORD)
    [message] = mailbox.deliver()
    response = confirm(buyer, mailbox.link_in(message))
    assert (response.status_code, response.location) == (303, PAGE)
    assert "Eve Lund's team" in [label.text for label in buyer.page(PAGE).all("label")]
    assert connect(buyer).status_code == 303
    with app.app_context():
        assert db.session.query(Licence).one().team_id == db.session.query(Team).one().id


def test_long_name_of_a_buyer_is_shortened_for_the_team(app, aws, buyer):
    post_from_aws(buyer, aws.sell("l-1"))
    fields = {"full_name": "Eve " + "x" * 116, "email": FIELDS["email"], "password": PASSWORD}
    buyer.submit(buyer.page("/signup"), "/signup", **fields)
    mailbox = Mailbox(app)
    assert confirm(buyer, mailbox.link_in(mailbox.deliver()[0])).location == PAGE
    assert "Eve xxx" in buyer.page(PAGE).text


def test_sign_up_asks_for_a_team_when_the_purchase_has_one_already(cast, aws, buyer):
    token = aws.sell("l-1")
    post_from_aws(buyer, token)
    page = buyer.page("/signup")
    colleague = PageClient(buyer.application, buyer.application.response_class)
    cast.nina.sign_in(colleague)
    post_from_aws(colleague, token)
    connect(colleague)
    fields = {"full_name": FIELDS["full_name"], "email": FIELDS["email"], "password": PASSWORD}
    response = buyer.submit(page, "/signup", **fields)
    assert response.status_code == 422
    assert "Enter a team name" in response.text
    assert [field["name"] for field in parse(response.text).all("input") if field["id"] == "team_name"]


def test_existing_buyer_logs_in_and_returns(cast, aws, buyer):
    post_from_aws(buyer, aws.sell("l-1"))
    page = buyer.page("/login")
    assert "Log in to connect your AWS Marketplace subscription." in page.text
    response = buyer.submit(page, "/login", email=cast.nina.email, password=cast.nina.password)
    assert response.location == PAGE


def test_buyer_can_create_a_team(cast, aws, buyer):
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1"))
    assert connect(buyer, team="new", team_name=" ").status_code == 422
    response = connect(buyer, team="new", team_name="Duo")
    assert response.status_code == 303
    assert "Duo" in buyer.page(response.location).text
    assert licences_of(cast.solo) == []


@pytest.mark.parametrize("user", ["ben", "vic"])
def test_only_admins_can_connect_a_team(cast, aws, buyer, user):
    getattr(cast, user).sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1"))
    page = buyer.page(PAGE)
    assert "Only an Admin can connect a subscription" in page.text
    assert "Acme" not in [label.text for label in page.all("label")]
    assert buyer.send(PAGE, team=cast.acme.id).status_code == 403
    assert licences_of(cast.acme) == []


def test_team_of_others_is_refused(cast, aws, buyer):
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1"))
    for team in (cast.acme.id, "team_nothing", "", "?"):
        assert buyer.send(PAGE, team=team).status_code == 422
    assert licences_of(cast.acme) == []


def test_repeated_connection_is_harmless(app, cast, aws, buyer):
    token = aws.sell("l-1")
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, token)
    connect(buyer)
    mailbox = Mailbox(app)
    assert len(mailbox.deliver()) == 1
    # The buyer clicks the button in AWS again.
    post_from_aws(buyer, token)
    assert buyer.get(PAGE).location == f"/account/subscription?team={cast.solo.id}"
    other_browser = PageClient(buyer.application, buyer.application.response_class)
    cast.charlie.sign_in(other_browser)
    post_from_aws(other_browser, token)
    page = other_browser.page(PAGE, 409)
    assert "This subscription is connected already" in page.text
    assert "Solo" not in page.text
    post_from_aws(other_browser, token)
    assert other_browser.send(PAGE, team="new", team_name="Mine").status_code == 409
    assert rows.count(app, Licence) == 1
    assert delivered_subjects(mailbox) == []


def test_claim_of_a_purchase_connected_by_others_is_dropped(cast, aws, buyer):
    token = aws.sell("l-1")
    other_browser = PageClient(buyer.application, buyer.application.response_class)
    post_from_aws(other_browser, token)
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, token)
    connect(buyer)
    assert NOTE not in other_browser.page("/signup").text
    log_in = other_browser.submit(
        other_browser.page("/login"), "/login", email=cast.charlie.email, password=cast.charlie.password
    )
    assert log_in.location == "/account/profile"
    assert "This subscription is connected already" in other_browser.page(PAGE, 409).text
    assert other_browser.get_cookie("reflow-claim") is None
    assert "There is no purchase to connect" in other_browser.page(PAGE, 404).text


@pytest.mark.parametrize("value", ["junk", "x" * 200, "\u00ff\u20ac", '"', "%00"])
def test_cookie_without_a_claim_is_deleted(cast, buyer, value):
    buyer.set_cookie("reflow-claim", value)
    assert NOTE not in buyer.page("/signup").text
    response = buyer.submit(
        buyer.page("/login"), "/login", email=cast.nina.email, password=cast.nina.password
    )
    assert response.location == "/account/profile"
    assert buyer.get(PAGE).status_code == 404
    assert buyer.get_cookie("reflow-claim") is None


@pytest.mark.parametrize("choice", [{}, {"team": "new", "team_name": "Duo"}])
def test_form_sent_twice_redirects_to_the_subscription(app, cast, aws, buyer, choice):
    mailbox = Mailbox(app)
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1"))
    page = buyer.page(PAGE)
    first = buyer.submit(page, PAGE, **choice)
    events = rows.audit_events(app)
    response = buyer.submit(page, PAGE, **choice)
    assert (response.status_code, response.location) == (303, first.location)
    assert buyer.get(PAGE).location == first.location
    assert "is connected to your AWS Marketplace subscription." in buyer.page(first.location).text
    other = buyer.submit(page, PAGE, team="new", team_name="Another")
    assert (other.status_code, other.location) == (303, first.location)
    assert "is connected to your AWS Marketplace subscription." in buyer.page(first.location).text
    assert rows.audit_events(app) == events
    assert rows.count(app, Licence) == 1
    assert len(delivered_subjects(mailbox)) == 1


def test_form_sent_again_by_another_user_reveals_nothing(cast, aws, buyer):
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1"))
    page = buyer.page(PAGE)
    buyer.submit(page, PAGE)
    cast.charlie.sign_in(buyer)
    response = buyer.send(PAGE, team=cast.solo.id)
    assert response.status_code == 422
    assert "Solo" not in response.text
    assert buyer.send(PAGE, team=cast.globex.id).status_code == 409


def test_second_click_in_aws_shows_the_subscription(cast, aws, buyer):
    token = aws.sell("l-1")
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, token)
    connect(buyer)
    other_browser = PageClient(buyer.application, buyer.application.response_class)
    post_from_aws(other_browser, token)
    page = other_browser.page(other_browser.get(PAGE).location)
    [link] = [link["href"] for link in page.all("a") if link.text == "Log in" and "next" in link["href"]]
    other_browser.submit(
        other_browser.page(link), "/login", email=cast.nina.email, password=cast.nina.password
    )
    assert other_browser.get(PAGE).location == f"/account/subscription?team={cast.solo.id}"


def test_concurrent_connections_connect_one_team(app, marketplace_app, cast, aws):
    token = aws.sell("l-1")
    browsers = []
    for person in (cast.nina, cast.charlie) * 3:
        browsers.append(PageClient(marketplace_app, marketplace_app.response_class))
        person.sign_in(browsers[-1])
        post_from_aws(browsers[-1], token)
    actions = [
        lambda browser=browser, team=team: browser.send(PAGE, team=team).status_code
        for browser, team in zip(browsers, (cast.solo.id, cast.globex.id) * 3, strict=True)
    ]
    assert set(at_once(actions)) <= {303, 409}
    assert sorted([licences_of(cast.solo), licences_of(cast.globex)]) == [[], [("l-1", LicenceState.PENDING)]]


def test_claim_expires_after_a_day_and_is_deleted(app, cast, aws, buyer):
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1"))
    with time_machine.travel(now() + timedelta(hours=25)):
        cast.nina.sign_in(buyer)
        assert "There is no purchase to connect" in buyer.page(PAGE, 404).text
        with app.app_context():
            prune_claims()
            db.session.commit()
        assert rows.count(app, Claim) == 0
    assert rows.count(app, Licence) == 1


def test_free_trial_is_named(cast, aws, buyer):
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1"), **{"x-amzn-marketplace-offer-type": "free-trial"})
    assert "Your free trial counts for one team." in buyer.page(PAGE).text
    subscription = connect(buyer).location
    assert "free trial" in buyer.page(subscription).text
    post_from_aws(buyer, aws.sell("l-1"))
    assert "free trial" in buyer.page(subscription).text
