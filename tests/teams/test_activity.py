"""Who sees which acts of a team in Activity: Admins all of them, others their own and what concerns them."""

import pytest

from reflow_accounts.teams.models import Rights
from tests.helpers.page_client import PageClient
from tests.teams.acts import give, invitations_to, invite, remove

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def story(app, cast):
    """Ada invites and cancels, gives Ben rights, renames, and removes Vic; the subscription ends."""
    ada: PageClient = cast.ada.sign_in(app.test_client())
    invite(ada, cast.acme, "eve@initech.example")
    [invitation] = invitations_to(cast.acme)
    base = f"/account/teams/{cast.acme.id}"
    for act in ("sending", "cancellation"):
        ada.send(f"{base}/invitations/{invitation.public_id}/{act}")
    give(ada, cast.acme, cast.ben, "view")
    ada.send(f"{base}/name", name="Acme Labs")
    remove(ada, cast.acme, cast.vic)
    cast.acme.unsubscribe()
    return ada


def told(api, person):
    items = api(person.session()).get("/activity?limit=200").json["items"]
    return [(item["title"], item["subject"], item["by"]) for item in items if item["title"] != "Signed in"]


ALL = [
    ("Subscription set to inactive", "Acme Labs", "Operator"),
    ("Member removed", "Vic Moss (View)", "Ada Park"),
    ("Team renamed", "Acme → Acme Labs", "Ada Park"),
    ("Rights changed", "Ben Cole (Edit → View)", "Ada Park"),
    ("Invitation cancelled", "eve@initech.example (View)", "Ada Park"),
    ("Invitation sent again", "eve@initech.example (View)", "Ada Park"),
    ("Member invited", "eve@initech.example (View)", "Ada Park"),
    ("Subscription set to active", "Acme", "Operator"),
]
OF_ALL_MEMBERS = [ALL[0], ALL[2], ALL[7]]


def test_admin_sees_every_act_of_the_team(cast, api, story):
    assert told(api, cast.ada) == ALL
    page = story.page("/account/activity").with_id("activity-panel")
    assert "Ben Cole (Edit → View)" in page.text


def test_another_admin_sees_them_too(cast, api, story):
    cast.acme.give(cast.ben, Rights.ADMIN)
    assert told(api, cast.ben) == ALL


def test_below_admin_one_sees_what_concerns_one(cast, api, story):
    assert told(api, cast.ben) == [ALL[0], ALL[2], ALL[3], ALL[7]]


def test_who_was_removed_sees_that_and_no_more_of_the_team(cast, api, story):
    assert told(api, cast.vic) == [ALL[1]]


def test_who_was_an_admin_still_sees_the_own_acts(cast, api, story):
    cast.acme.give(cast.ben, Rights.ADMIN)
    cast.acme.give(cast.ada, Rights.VIEW)
    assert told(api, cast.ada) == ALL


def test_outsider_sees_nothing_of_it(cast, api, story):
    assert told(api, cast.charlie) == [("Subscription set to active", "Globex", "Operator")]


def test_where_an_admin_acted_from_is_not_told_to_others(app, cast, story):
    ben = cast.ben.sign_in(app.test_client())
    file = ben.get("/account/activity/export").text
    [line] = [line for line in file.splitlines() if "Rights changed" in line]
    assert line.endswith(",,")
    assert "127.0.0.1" not in line
