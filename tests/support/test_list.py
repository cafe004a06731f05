"""The list of the console: filter by state, and what needs attention first."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import now
from reflow_accounts.subscriptions.models import LicenceState
from tests.helpers import rows
from tests.subscriptions.facts import buy


@pytest.fixture
def listed(cast, client):
    """`listed("active")`: the teams that the console lists with this filter, in order."""
    cast.sam.sign_in(client)

    def names(state=""):
        page = client.page("/support", query_string={"state": state})
        return [link.text for link in page.all("a") if link["class"] == "name"]

    return names


def test_list_is_filtered_by_state(cast, listed):
    buy(cast.solo, LicenceState.ENDED)
    assert "Solo" in listed("inactive")
    assert "Solo" not in listed("active")
    assert "Acme" in listed("active")
    assert listed("nonsense") == listed()


def test_attention_comes_first(cast, client, listed):
    with time_machine.travel(now() - timedelta(minutes=61)):
        buy(cast.solo, LicenceState.PENDING)
    buy(cast.acme, key="l-acme")
    # Acme and its override agree now, and the override ends in years.
    assert "Acme" not in listed("attention")
    assert "Solo" in listed("attention")
    assert listed()[-1] == "Acme"
    assert "The purchase waits for AWS" in client.page("/support").text


def test_list_is_downloaded_with_its_filter(app, cast, client):
    buy(cast.solo, LicenceState.ENDED)
    cast.sam.sign_in(client)
    answer = client.get("/support/export?state=inactive")
    heading, *lines = answer.text.splitlines()
    assert heading.startswith("Team,Team ID,Subscription,AWS says,AWS account")
    assert f"Solo,{cast.solo.id},inactive,ended,123456789012,,0," in lines
    assert not [line for line in lines if line.startswith("Acme")]
    assert rows.acts(app)[-1] == ("support.searched", "Sam Hale", "every team")
