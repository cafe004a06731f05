"""The list of the console describes its filter and length, and keeps them after changes."""

import pytest

from reflow_accounts.database import db
from reflow_accounts.teams.models import Team
from tests.helpers.html import parse
from tests.subscriptions.facts import buy

pytestmark = pytest.mark.postgresql_later

DIALOG = {"HX-Request": "true", "HX-Target": "div#modal"}
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?state=attention", "There is no team that needs attention."),
        ("?state=active&q=solo", "No active team matches “solo”."),
        ("?state=inactive&q=solo", "1 inactive team matches “solo”."),
        ("?state=attention&q=solo", "No team that needs attention matches “solo”."),
        ("?q=solo", "1 team matches “solo”."),
    ],
)
def test_filter_is_named_in_the_result(cast, sam, query, sentence):
    # The overrides of both teams agree with AWS.
    buy(cast.acme, key="l-acme")
    buy(cast.globex, key="l-globex")
    assert sentence in sam.page(f"/support{query}").with_id("support-results").text


def test_truncated_list_is_marked(app, sam):
    with app.app_context():
        db.session.add_all([Team(name=f"Zebra {number:02d}") for number in range(51)])
        db.session.commit()
    page = sam.page("/support")
    assert "The first 50 teams are shown. Search to find others." in page.text
    page = sam.page("/support?q=zebra")
    assert "The first 50 teams that match “zebra” are shown." in page.text
    assert len([link for link in page.all("a") if link["class"] == "name"]) == 50
    assert "first 50" not in sam.page("/support?q=acme").text


def test_filter_and_people_are_kept_after_a_change(cast, sam):
    path = f"/support/teams/{cast.acme.id}/subscription"
    list_page = sam.page("/support?q=ada&state=active")
    dialog = sam.submit(list_page, path, headers=DIALOG)
    response = sam.submit(parse(dialog.text), path, reason="Unpaid", headers=PANEL)
    results = parse(response.text).with_id("support-results")
    assert "No active team matches “ada”." in results.text
    assert "Ada Park" in results.text
    sam.submit(sam.page(f"{path}?active=true"), path, reason="Paid")
    dialog = sam.submit(sam.page("/support?q=ada&state=active"), path)
    response = sam.submit(parse(dialog.text), path, reason="Unpaid")
    assert response.location == "/support?q=ada&state=active"
