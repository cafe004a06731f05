"""What the list of the console says about its filter, its length and its changes."""

import pytest

from reflow_accounts.database import db
from reflow_accounts.teams.models import Team
from tests.helpers.html import parse
from tests.subscriptions.facts import buy

pytestmark = pytest.mark.postgresql_later

DIALOG = {"HX-Request": "true", "HX-Target": "div#modal"}
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("?state=attention", "There is no team that needs attention."),
        ("?state=active&q=solo", "No active team matches “solo”."),
        ("?state=inactive&q=solo", "1 inactive team matches “solo”."),
        ("?state=attention&q=solo", "No team that needs attention matches “solo”."),
        ("?q=solo", "1 team matches “solo”."),
    ],
)
def test_filter_is_named_in_the_result(cast, sam, query, told):
    # AWS and the overrides agree.
    buy(cast.acme, key="l-acme")
    buy(cast.globex, key="l-globex")
    assert told in sam.page(f"/support{query}").with_id("support-results").text


def test_long_list_says_that_it_is_cut_off(app, sam):
    with app.app_context():
        db.session.add_all([Team(name=f"Zebra {number:02d}") for number in range(51)])
        db.session.commit()
    page = sam.page("/support")
    assert "The first 50 teams are shown. Search to find others." in page.text
    page = sam.page("/support?q=zebra")
    assert "The first 50 teams that match “zebra” are shown." in page.text
    assert len([link for link in page.all("a") if link["class"] == "name"]) == 50
    assert "first 50" not in sam.page("/support?q=acme").text


def test_change_keeps_filter_and_people(cast, sam):
    path = f"/support/teams/{cast.acme.id}/subscription"
    listed = sam.page("/support?q=ada&state=active")
    asked = sam.submit(listed, path, headers=DIALOG)
    answer = sam.submit(parse(asked.text), path, reason="Unpaid", headers=PANEL)
    results = parse(answer.text).with_id("support-results")
    assert "No active team matches “ada”." in results.text
    assert "Ada Park" in results.text
    sam.submit(sam.page(f"{path}?active=true"), path, reason="Paid")
    asked = sam.submit(sam.page("/support?q=ada&state=active"), path)
    answer = sam.submit(parse(asked.text), path, reason="Unpaid")
    assert answer.location == "/support?q=ada&state=active"
