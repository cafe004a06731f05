"""Registration: the token is resolved at once, a claim is valid for a day, one team gets the licence."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import now
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
from tests.marketplace.buyer import PAGE, arrive, connect
from tests.subscriptions.facts import subjects
from tests.users.signing_up import PASSWORD, WORDS, press

pytestmark = pytest.mark.postgresql_later

NOTE = "Finish creating your account to connect your AWS Marketplace subscription."


def licences_of(group):
    with group.app.app_context():
        return [(licence.key, licence.state) for licence in status_of(group.row()).licences]


def test_admin_connects_a_purchase_to_their_team(app, cast, aws, buyer):
    mailbox = Mailbox(app)
    cast.nina.sign_in(buyer)
    answer = arrive(buyer, aws.sell("l-1", "agmt-1"))
    assert (answer.status_code, answer.location) == (303, PAGE)
    answer = connect(buyer)
    assert (answer.status_code, answer.location) == (303, f"/account/subscription?team={cast.solo.id}")
    assert licences_of(cast.solo) == [("l-1", LicenceState.PENDING)]
    page = buyer.page(answer.location)
    assert "Solo is connected to your AWS Marketplace subscription." in page.text
    assert "AWS is confirming your purchase." in page.text
    assert "Being set up" in page.text
    assert subjects(mailbox) == [(cast.nina.email, "Solo is connected to its AWS Marketplace subscription")]


def test_token_is_not_stored_and_cookie_opens_only_the_claim(app, cast, aws, buyer, caplog):
    token = aws.sell("l-1", "agmt-1")
    answer = arrive(buyer, token)
    [cookie] = [line for line in answer.headers.getlist("Set-Cookie") if line.startswith("reflow-claim=")]
    assert {"HttpOnly", "SameSite=Lax", "Max-Age=86400"} <= set(cookie.split("; "))
    secret = cookie.partition("=")[2].partition(";")[0]
    assert token not in str(answer.headers)
    assert token not in caplog.text
    with app.app_context():
        from reflow_accounts.database import db

        assert secret.encode() not in db.session.query(Claim).one().digest


def test_activation_follows_aws_even_if_its_event_came_first(app, cast, aws, buyer, take_in):
    mailbox = Mailbox(app)
    take_in(event("License Updated", "l-1", "agmt-1"))
    cast.nina.sign_in(buyer)
    arrive(buyer, aws.sell("l-1", "agmt-1"))
    answer = connect(buyer)
    assert "API keys of its members work." in text_of(mailbox.deliver()[-1])
    assert "Your team can create and use API keys." in buyer.page(answer.location).text
    assert "Subscription active" in buyer.page("/account/profile").text


def test_new_buyer_signs_up_and_returns(app, aws, buyer):
    mailbox = Mailbox(app)
    arrive(buyer, aws.sell("l-1"))
    answer = buyer.get(PAGE)
    assert (answer.status_code, answer.location) == (303, f"/signup?next={PAGE}")
    page = buyer.page(answer.location)
    assert NOTE in page.text
    assert "Contact support" in page.text
    assert "Team name" not in page.text
    buyer.submit(page, "/signup", full_name=WORDS["full_name"], email=WORDS["email"], password=PASSWORD)
    [message] = mailbox.deliver()
    answer = press(buyer, mailbox.link_in(message))
    assert (answer.status_code, answer.location) == (303, PAGE)
    assert "Eve Lund's team" in [label.text for label in buyer.page(PAGE).all("label")]
    assert connect(buyer).status_code == 303
    with app.app_context():
        from reflow_accounts.database import db

        assert db.session.query(Licence).one().team_id == db.session.query(Team).one().id


def test_longest_name_of_a_buyer_still_names_a_team(app, aws, buyer):
    arrive(buyer, aws.sell("l-1"))
    words = {"full_name": "Eve " + "x" * 116, "email": WORDS["email"], "password": PASSWORD}
    buyer.submit(buyer.page("/signup"), "/signup", **words)
    mailbox = Mailbox(app)
    assert press(buyer, mailbox.link_in(mailbox.deliver()[0])).location == PAGE
    assert "Eve xxx" in buyer.page(PAGE).text


def test_sign_up_asks_for_the_team_once_the_purchase_has_one(cast, aws, buyer):
    token = aws.sell("l-1")
    arrive(buyer, token)
    page = buyer.page("/signup")
    colleague = PageClient(buyer.application, buyer.application.response_class)
    cast.nina.sign_in(colleague)
    arrive(colleague, token)
    connect(colleague)
    words = {"full_name": WORDS["full_name"], "email": WORDS["email"], "password": PASSWORD}
    answer = buyer.submit(page, "/signup", **words)
    assert answer.status_code == 422
    assert "Enter a team name" in answer.text
    assert [field["name"] for field in parse(answer.text).all("input") if field["id"] == "team_name"]


def test_existing_buyer_logs_in_and_returns(cast, aws, buyer):
    arrive(buyer, aws.sell("l-1"))
    page = buyer.page("/login")
    assert "Log in to connect your AWS Marketplace subscription." in page.text
    answer = buyer.submit(page, "/login", email=cast.nina.email, password=cast.nina.password)
    assert answer.location == PAGE


def test_buyer_can_create_a_team(cast, aws, buyer):
    cast.nina.sign_in(buyer)
    arrive(buyer, aws.sell("l-1"))
    assert connect(buyer, team="new", team_name=" ").status_code == 422
    answer = connect(buyer, team="new", team_name="Duo")
    assert answer.status_code == 303
    assert "Duo" in buyer.page(answer.location).text
    assert licences_of(cast.solo) == []


@pytest.mark.parametrize("who", ["ben", "vic"])
def test_only_admins_connect_a_team(cast, aws, buyer, who):
    getattr(cast, who).sign_in(buyer)
    arrive(buyer, aws.sell("l-1"))
    page = buyer.page(PAGE)
    assert "Only an Admin can connect a subscription" in page.text
    assert "Acme" not in [label.text for label in page.all("label")]
    assert buyer.send(PAGE, team=cast.acme.id).status_code == 403
    assert licences_of(cast.acme) == []


def test_team_of_others_cannot_be_named(cast, aws, buyer):
    cast.nina.sign_in(buyer)
    arrive(buyer, aws.sell("l-1"))
    for team in (cast.acme.id, "team_nothing", "", "?"):
        assert buyer.send(PAGE, team=team).status_code == 422
    assert licences_of(cast.acme) == []


def test_repeated_connection_is_harmless_and_explained_to_others(app, cast, aws, buyer):
    token = aws.sell("l-1")
    cast.nina.sign_in(buyer)
    arrive(buyer, token)
    connect(buyer)
    mailbox = Mailbox(app)
    assert len(mailbox.deliver()) == 1
    # The buyer presses the button in AWS once more.
    arrive(buyer, token)
    assert buyer.get(PAGE).location == f"/account/subscription?team={cast.solo.id}"
    stranger = PageClient(buyer.application, buyer.application.response_class)
    cast.charlie.sign_in(stranger)
    arrive(stranger, token)
    page = stranger.page(PAGE, 409)
    assert "This subscription is connected already" in page.text
    assert "Solo" not in page.text
    arrive(stranger, token)
    assert stranger.send(PAGE, team="new", team_name="Mine").status_code == 409
    assert rows.count(app, Licence) == 1
    assert subjects(mailbox) == []


def test_purchase_connected_by_others_drops_the_claim(cast, aws, buyer):
    token = aws.sell("l-1")
    stranger = PageClient(buyer.application, buyer.application.response_class)
    arrive(stranger, token)
    cast.nina.sign_in(buyer)
    arrive(buyer, token)
    connect(buyer)
    assert NOTE not in stranger.page("/signup").text
    log_in = stranger.submit(
        stranger.page("/login"), "/login", email=cast.charlie.email, password=cast.charlie.password
    )
    assert log_in.location == "/account/profile"
    assert "This subscription is connected already" in stranger.page(PAGE, 409).text
    assert stranger.get_cookie("reflow-claim") is None
    assert "There is no purchase to connect" in stranger.page(PAGE, 404).text


@pytest.mark.parametrize("junk", ["junk", "x" * 200, "\u00ff\u20ac", '"', "%00"])
def test_cookie_without_claim_is_deleted(cast, buyer, junk):
    buyer.set_cookie("reflow-claim", junk)
    assert NOTE not in buyer.page("/signup").text
    answer = buyer.submit(buyer.page("/login"), "/login", email=cast.nina.email, password=cast.nina.password)
    assert answer.location == "/account/profile"
    assert buyer.get(PAGE).status_code == 404
    assert buyer.get_cookie("reflow-claim") is None


@pytest.mark.parametrize("choice", [{}, {"team": "new", "team_name": "Duo"}])
def test_form_that_is_sent_twice_leads_to_the_subscription(app, cast, aws, buyer, choice):
    cast.nina.sign_in(buyer)
    arrive(buyer, aws.sell("l-1"))
    page = buyer.page(PAGE)
    first = buyer.submit(page, PAGE, **choice)
    acts = rows.acts(app)
    again = buyer.submit(page, PAGE, **choice)
    assert (again.status_code, again.location) == (303, first.location)
    assert buyer.get(PAGE).location == first.location
    assert "is connected to your AWS Marketplace subscription." in buyer.page(first.location).text
    other = buyer.submit(page, PAGE, team="new", team_name="Another")
    assert (other.status_code, other.location) == (303, first.location)
    assert "is connected to your AWS Marketplace subscription." in buyer.page(first.location).text
    assert rows.acts(app) == acts
    assert rows.count(app, Licence) == 1


def test_form_that_is_sent_again_by_another_person_shows_nothing(cast, aws, buyer):
    cast.nina.sign_in(buyer)
    arrive(buyer, aws.sell("l-1"))
    page = buyer.page(PAGE)
    buyer.submit(page, PAGE)
    cast.charlie.sign_in(buyer)
    answer = buyer.send(PAGE, team=cast.solo.id)
    assert answer.status_code == 422
    assert "Solo" not in answer.text
    assert buyer.send(PAGE, team=cast.globex.id).status_code == 409


def test_repeated_click_in_aws_shows_the_subscription(cast, aws, buyer):
    token = aws.sell("l-1")
    cast.nina.sign_in(buyer)
    arrive(buyer, token)
    connect(buyer)
    elsewhere = PageClient(buyer.application, buyer.application.response_class)
    arrive(elsewhere, token)
    page = elsewhere.page(elsewhere.get(PAGE).location)
    [link] = [link["href"] for link in page.all("a") if link.text == "Log in" and "next" in link["href"]]
    elsewhere.submit(elsewhere.page(link), "/login", email=cast.nina.email, password=cast.nina.password)
    assert elsewhere.get(PAGE).location == f"/account/subscription?team={cast.solo.id}"


def test_concurrent_connections_give_it_to_one_team(app, selling, cast, aws):
    token = aws.sell("l-1")
    browsers = []
    for person in (cast.nina, cast.charlie) * 3:
        browsers.append(PageClient(selling, selling.response_class))
        person.sign_in(browsers[-1])
        arrive(browsers[-1], token)
    acts = [
        lambda browser=browser, team=team: browser.send(PAGE, team=team).status_code
        for browser, team in zip(browsers, (cast.solo.id, cast.globex.id) * 3, strict=True)
    ]
    assert set(at_once(acts)) <= {303, 409}
    assert sorted([licences_of(cast.solo), licences_of(cast.globex)]) == [[], [("l-1", LicenceState.PENDING)]]


def test_claim_lasts_a_day_and_is_deleted(app, cast, aws, buyer):
    cast.nina.sign_in(buyer)
    arrive(buyer, aws.sell("l-1"))
    with time_machine.travel(now() + timedelta(hours=25)):
        cast.nina.sign_in(buyer)
        assert "There is no purchase to connect" in buyer.page(PAGE, 404).text
        with app.app_context():
            prune_claims()
        assert rows.count(app, Claim) == 0
    assert rows.count(app, Licence) == 1


def test_free_trial_is_remembered(cast, aws, buyer):
    cast.nina.sign_in(buyer)
    arrive(buyer, aws.sell("l-1"), **{"x-amzn-marketplace-offer-type": "free-trial"})
    assert "Your free trial counts for one team." in buyer.page(PAGE).text
    assert "free trial" in buyer.page(connect(buyer).location).text
