"""Buttons of the console for each subscription status, and their dialogs."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import now
from reflow_accounts.subscriptions.models import LicenceState
from reflow_accounts.teams.models import Rights
from tests.helpers.html import parse
from tests.subscriptions.facts import buy, history_of, report_from_aws

pytestmark = pytest.mark.postgresql_later

DAY = timedelta(days=1)
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}


def subscription_path(group):
    return f"/support/teams/{group.id}/subscription"


def buttons_of(sam, group):
    """Return the buttons about the subscription on the team's page."""
    page = sam.page(f"/support/teams/{group.id}")
    return [button.text for button in page.all("button") if group.name in (button["aria-label"] or "")]


def decide(sam, group, expected, **more):
    dialog = sam.page(f"{subscription_path(group)}?active={expected}&origin=team")
    return sam.submit(dialog, subscription_path(group), reason="As dialog for", **more)


@pytest.mark.parametrize(
    ("licence", "override", "expected"),
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
def test_team_page_offers_only_effective_changes(cast, sam, licence, override, expected):
    if licence:
        buy(cast.solo, LicenceState(licence))
    if override is not None:
        cast.solo.subscribe(override)
    assert buttons_of(sam, cast.solo) == expected


def test_ending_subscription_can_be_kept_active(app, cast, sam, api):
    buy(cast.solo)
    key = api(cast.nina.key().secret)
    report_from_aws(app, LicenceState.ENDING)
    dialog = sam.page(f"{subscription_path(cast.solo)}?active=true&origin=team")
    assert "Keep the subscription for Solo active?" in dialog.text
    assert "Nothing changes now." in dialog.text
    assert decide(sam, cast.solo, "true").status_code == 303
    assert "Subscription for Solo stays active." in sam.page(f"/support/teams/{cast.solo.id}").text
    report_from_aws(app, LicenceState.ENDED)
    assert key.get("/me").status_code == 200


def test_end_of_active_override_can_be_changed(cast, sam):
    cast.solo.subscribe()
    dialog = sam.page(f"{subscription_path(cast.solo)}?active=true&origin=team")
    assert "Change the end of the override for Solo?" in dialog.text
    day = f"{now() + 2 * DAY:%Y-%m-%d}"
    assert decide(sam, cast.solo, "true", until=day).status_code == 303
    assert history_of(cast.solo)[-1] == ("Sam Hale", "forced_on", "active", "active")
    assert f"{day} 00:00:00 UTC" in sam.page(f"/support/teams/{cast.solo.id}").text


def test_end_of_inactive_override_can_be_changed(cast, sam):
    cast.solo.unsubscribe()
    dialog = sam.page(f"{subscription_path(cast.solo)}?active=false&origin=team")
    assert "Change the end of the override for Solo?" in dialog.text
    assert "Support keeps it inactive until somebody ends the override." in dialog.text
    assert "Empty: until somebody ends it." in dialog.text
    day = f"{now() + 2 * DAY:%Y-%m-%d}"
    assert decide(sam, cast.solo, "false", until=day).status_code == 303
    page = sam.page(f"/support/teams/{cast.solo.id}")
    assert "Subscription for Solo stays inactive." in page.text
    assert f"Ends {day} 00:00:00 UTC" in page.text
    dialog = sam.page(f"{subscription_path(cast.solo)}?active=false&origin=team")
    assert [item["value"] for item in dialog.all("input") if item["name"] == "until"] == [day]
    assert decide(sam, cast.solo, "false", until="").status_code == 303
    assert "Ends When somebody ends it" in sam.page(f"/support/teams/{cast.solo.id}").text


def test_other_end_of_a_switched_off_subscription_does_not_say_kept(app, cast, sam):
    buy(cast.solo)
    with time_machine.travel(now() - 3 * DAY):
        cast.solo.unsubscribe()
    assert decide(sam, cast.solo, "false", until=f"{now() + 2 * DAY:%Y-%m-%d}").status_code == 303
    why = sam.page(f"/support/teams/{cast.solo.id}").with_id("why").text
    assert why.startswith(f"Inactive since {now() - 3 * DAY:%-d %b %Y}: Sam Hale switched it off until ")
    nina = cast.nina.sign_in(app.test_client())
    assert "Switched off by support" in nina.page("/account/subscription").text


def test_inactive_team_can_be_kept_inactive(cast, sam):
    dialog = sam.page(f"{subscription_path(cast.solo)}?active=false&origin=team")
    assert "Keep the subscription for Solo inactive?" in dialog.text
    responses = [
        sam.submit(dialog, subscription_path(cast.solo), reason="Fraud", headers=PANEL) for _ in range(2)
    ]
    assert [response.status_code for response in responses] == [200, 200]
    assert "stays inactive" in responses[0].headers["HX-Trigger"]
    buttons = [button.text for button in parse(responses[0].text).all("button")]
    assert buttons == ["End override", "Change end", "Activate"]
    buy(cast.solo)
    assert [change[1] for change in history_of(cast.solo)] == ["forced_off"]


@pytest.mark.parametrize(
    ("licence", "expected", "sentence"),
    [
        ("active", "true", "Empty: no override, AWS Marketplace decides."),
        ("ending", "true", "Empty: 30 days from now."),
        (None, "true", "Empty: 30 days from now."),
        ("active", "false", "Empty: until somebody ends it."),
    ],
)
def test_dialog_explains_an_empty_end(cast, sam, licence, expected, sentence):
    if licence:
        buy(cast.solo, LicenceState(licence))
    assert sentence in sam.page(f"{subscription_path(cast.solo)}?active={expected}").text


def test_staff_see_why_they_cannot_decide_about_their_own_team(cast, sam):
    cast.solo.add(cast.sam, Rights.VIEW)
    reason = "You belong to this team; a colleague has to decide."
    assert buttons_of(sam, cast.solo) == []
    assert reason in sam.page(f"/support/teams/{cast.solo.id}").text
    list_page = sam.page("/support")
    assert list_page.text.count(reason) == 1
    assert "ctivate subscription for Solo" not in list_page.text
    assert "ctivate subscription for Acme" in list_page.text
