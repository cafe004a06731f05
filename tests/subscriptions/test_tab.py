"""The Subscription tab: the text for each state."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import db, now
from reflow_accounts.subscriptions import overrides
from reflow_accounts.subscriptions.models import LicenceState
from reflow_accounts.teams.models import Rights
from tests.helpers.page_client import PageClient
from tests.subscriptions.facts import buy, report_from_aws

pytestmark = pytest.mark.postgresql_later

TAB = "/account/subscription"


@pytest.fixture
def nina(cast, client):
    cast.nina.sign_in(client)
    return client


def decide(group, active, until=None):
    with group.app.app_context():
        overrides.set_active(group.row(), active, "goodwill, ticket 7", by=None, until=until)
        db.session.commit()


def details_of(page):
    return dict(
        zip([name.text for name in page.all("dt")], [value.text for value in page.all("dd")], strict=True)
    )


def test_team_without_purchase_is_told_how_to_buy(nina):
    page = nina.page(TAB)
    assert "No subscription yet" in page.text
    assert "Contact support" in page.text
    assert page.all("dl") == []


@pytest.mark.parametrize(
    ("state", "badge", "text"),
    [
        (LicenceState.PENDING, "Being set up", "AWS is confirming your purchase."),
        (LicenceState.ACTIVE, "Active", "Your team can create and use API keys."),
        (LicenceState.ENDING, "Ending", "Keys work until"),
        (LicenceState.ENDED, "Inactive", "Your AWS Marketplace subscription is inactive"),
    ],
)
def test_aws_states_have_texts(cast, nina, state, badge, text):
    buy(cast.solo, LicenceState.PENDING)
    report_from_aws(cast.solo.app, state)
    page = nina.page(TAB)
    assert text in page.text
    details = details_of(page)
    assert details["Status"] == badge
    assert details["Bought through"] == "AWS Marketplace"
    assert details["AWS account"].endswith("9012")
    assert "1234567" not in page.text


def test_last_end_of_several_purchases_is_shown(app, cast, nina):
    buy(cast.solo, key="l-1")
    buy(cast.solo, key="l-2")
    last_end = now() + timedelta(minutes=50)
    report_from_aws(app, LicenceState.ENDING, "l-1", ends_at=last_end)
    report_from_aws(app, LicenceState.ENDING, "l-2", ends_at=now() + timedelta(minutes=20))
    assert f"Keys work until {last_end:%Y-%m-%d %H:%M:%S} UTC" in nina.page(TAB).text


def test_override_shows_its_end_and_the_aws_state(cast, nina):
    buy(cast.solo, LicenceState.ENDED)
    decide(cast.solo, True, now() + timedelta(days=3))
    page = nina.page(TAB)
    assert "Kept active by support" in page.text
    assert "Then AWS Marketplace decides again." in page.text
    details = details_of(page)
    assert (details["Status"], details["AWS Marketplace says"]) == ("Active set by support", "Ended")
    assert details["Changed by"] == "Support"
    # The reason is internal to support.
    assert "goodwill" not in page.text


def test_deactivated_team_is_referred_to_support(cast, nina):
    buy(cast.solo, LicenceState.ACTIVE)
    decide(cast.solo, False)
    page = nina.page(TAB)
    assert "Switched off by support" in page.text
    assert "Contact support" in page.text


def test_end_of_an_activation_without_a_purchase_is_explained(cast, nina, app):
    with time_machine.travel(now() - timedelta(days=3)):
        decide(cast.solo, True, until=now() + timedelta(days=1))
    ended = f"{now() - timedelta(days=2):%-d %b %Y}"
    page = nina.page(TAB)
    assert "The activation by Reflow support ended" in page.text
    assert f"Your team could use API keys until {ended}." in page.text
    assert "No subscription yet" not in page.text
    sam = cast.sam.sign_in(app.test_client())
    why = sam.page(f"/support/teams/{cast.solo.id}").with_id("why").text
    assert why == (
        f"Inactive since {ended}: the activation by Reflow support ended, "
        "and no AWS Marketplace purchase is connected."
    )


def test_end_of_the_last_activation_is_named(cast, nina):
    for days, active in ((9, True), (6, True), (3, False)):
        with time_machine.travel(now() - timedelta(days=days)):
            decide(cast.solo, active, until=now() + timedelta(days=1))
    ended = f"{now() - timedelta(days=5):%-d %b %Y}"
    assert f"Your team could use API keys until {ended}." in nina.page(TAB).text


def test_team_that_was_inactive_is_not_said_to_be_switched_off(cast, nina):
    decide(cast.solo, False)
    page = nina.page(TAB)
    assert "Kept inactive by support" in page.text
    assert "Switched off by support" not in page.text


def test_listing_is_linked_when_configured(cast, nina, another):
    from reflow_accounts.aws_settings import AwsSettings

    assert "Subscribe in AWS Marketplace" not in nina.page(TAB).text
    app = another(aws=AwsSettings(listing_url="https://aws.example/listing"))
    browser = PageClient(app, app.response_class)
    cast.nina.sign_in(browser)
    [link] = [link for link in browser.page(TAB).all("a") if "Subscribe in AWS Marketplace" in link.text]
    assert link["href"] == "https://aws.example/listing"


def test_several_teams_are_listed(cast, client):
    cast.solo.add(cast.ada, Rights.VIEW)
    cast.ada.sign_in(client)
    assert client.get(TAB).location == f"/account/team/choice?next={TAB}"
    page = client.page(f"{TAB}?team={cast.solo.id}")
    assert "No subscription yet" in page.text
    assert "An Admin of your team can connect one." in page.text


def test_other_team_is_404_and_no_team_is_explained(cast, nina, client):
    nina.page(f"{TAB}?team={cast.acme.id}", 404)
    cast.sam.sign_in(client)
    assert "You are not in a team" in client.page(TAB).text


def test_inactive_note_links_to_the_tab(nina):
    page = nina.page("/account/api-keys")
    links = [link for link in page.all("a") if link["href"] == TAB]
    assert {link.text for link in links} == {"Subscription", "Open Subscription"}
