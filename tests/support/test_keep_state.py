"""Buttons of the console for each subscription status, and their dialogs."""

from datetime import timedelta

import pytest

from reflow_accounts.database import now
from reflow_accounts.subscriptions.models import LicenceState
from reflow_accounts.teams.models import Rights
from tests.helpers.html import parse
from tests.subscriptions.facts import aws_says, buy, history_of

pytestmark = pytest.mark.postgresql_later

DAY = timedelta(days=1)
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}


def path_of(group):
    return f"/support/teams/{group.id}/subscription"


def offers(sam, group):
    """Return the buttons about the subscription on the team's page."""
    page = sam.page(f"/support/teams/{group.id}")
    return [button.text for button in page.all("button") if group.name in (button["aria-label"] or "")]


def decide(sam, group, wanted, **more):
    asked = sam.page(f"{path_of(group)}?active={wanted}&origin=team")
    return sam.submit(asked, path_of(group), reason="As asked for", **more)


@pytest.mark.parametrize(
    ("licence", "override", "wanted"),
    [
        (None, None, ["Keep inactive", "Activate"]),
        ("ended", None, ["Keep inactive", "Activate"]),
        ("active", None, ["Keep active", "Deactivate"]),
        ("ending", None, ["Keep active", "Deactivate"]),
        ("ended", True, ["End override", "Change end", "Deactivate"]),
        ("active", True, ["End override", "Change end", "Deactivate"]),
        ("ended", False, ["End override", "Change end", "Activate"]),
        ("active", False, ["End override", "Change end", "Activate"]),
    ],
)
def test_team_is_offered_what_would_change_something(cast, sam, licence, override, wanted):
    if licence:
        buy(cast.solo, LicenceState(licence))
    if override is not None:
        cast.solo.subscribe(override)
    assert offers(sam, cast.solo) == wanted


def test_ending_subscription_can_be_kept_active(app, cast, sam, api):
    buy(cast.solo)
    key = api(cast.nina.key().secret)
    aws_says(app, LicenceState.ENDING)
    asked = sam.page(f"{path_of(cast.solo)}?active=true&origin=team")
    assert "Keep the subscription for Solo active?" in asked.text
    assert "Nothing changes now." in asked.text
    assert decide(sam, cast.solo, "true").status_code == 303
    assert "Subscription for Solo stays active." in sam.page(f"/support/teams/{cast.solo.id}").text
    aws_says(app, LicenceState.ENDED)
    assert key.get("/me").status_code == 200


def test_end_of_active_override_can_be_changed(cast, sam):
    cast.solo.subscribe()
    asked = sam.page(f"{path_of(cast.solo)}?active=true&origin=team")
    assert "Change the end of the override for Solo?" in asked.text
    day = f"{now() + 2 * DAY:%Y-%m-%d}"
    assert decide(sam, cast.solo, "true", until=day).status_code == 303
    assert history_of(cast.solo)[-1] == ("Sam Hale", "forced_on", "active", "active")
    assert f"{day} 00:00:00 UTC" in sam.page(f"/support/teams/{cast.solo.id}").text


def test_end_of_inactive_override_can_be_changed(cast, sam):
    cast.solo.unsubscribe()
    asked = sam.page(f"{path_of(cast.solo)}?active=false&origin=team")
    assert "Change the end of the override for Solo?" in asked.text
    assert "Support keeps it inactive until somebody ends the override." in asked.text
    assert "Empty: the end that it has." in asked.text
    day = f"{now() + 2 * DAY:%Y-%m-%d}"
    assert decide(sam, cast.solo, "false", until=day).status_code == 303
    page = sam.page(f"/support/teams/{cast.solo.id}")
    assert "Subscription for Solo stays inactive." in page.text
    assert f"Ends {day} 00:00:00 UTC" in page.text


def test_inactive_team_can_be_kept_inactive(cast, sam):
    asked = sam.page(f"{path_of(cast.solo)}?active=false&origin=team")
    assert "Keep the subscription for Solo inactive?" in asked.text
    answers = [sam.submit(asked, path_of(cast.solo), reason="Fraud", headers=PANEL) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert "stays inactive" in answers[0].headers["HX-Trigger"]
    buttons = [button.text for button in parse(answers[0].text).all("button")]
    assert buttons == ["End override", "Change end", "Activate"]
    buy(cast.solo)
    assert [change[1] for change in history_of(cast.solo)] == ["forced_off"]


@pytest.mark.parametrize(
    ("licence", "wanted", "words"),
    [
        ("active", "true", "Empty: no override, AWS Marketplace decides."),
        ("ending", "true", "Empty: 30 days from now."),
        (None, "true", "Empty: 30 days from now."),
        ("active", "false", "Empty: until somebody ends it."),
    ],
)
def test_dialog_explains_an_empty_end(cast, sam, licence, wanted, words):
    if licence:
        buy(cast.solo, LicenceState(licence))
    assert words in sam.page(f"{path_of(cast.solo)}?active={wanted}").text


def test_staff_see_why_they_do_not_decide_about_their_own_team(cast, sam):
    cast.solo.add(cast.sam, Rights.VIEW)
    why = "You belong to this team; a colleague has to decide."
    assert offers(sam, cast.solo) == []
    assert why in sam.page(f"/support/teams/{cast.solo.id}").text
    found = sam.page("/support")
    assert found.text.count(why) == 1
    assert "ctivate subscription for Solo" not in found.text
    assert "ctivate subscription for Acme" in found.text
