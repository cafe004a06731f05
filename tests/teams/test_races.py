"""Two Admins at once: the database lets one be first, and one always remains; of several who join, one does."""

from functools import partial

import pytest

from reflow_accounts.teams.models import Membership, Rights
from reflow_accounts.users.models import User
from tests.factories import Group, Person
from tests.helpers import rows
from tests.helpers.at_once import at_once
from tests.teams.acts import (
    PASSWORD,
    admins_of,
    departure_path,
    invitations_to,
    invite,
    removal_path,
    rights_of,
    rights_path,
)

ROUNDS = range(4)
CLICKS = 5


@pytest.fixture
def two(cast):
    """Acme with two Admins, Ada and Ben."""
    cast.acme.give(cast.ben, Rights.ADMIN)
    return cast


def posting(app, person: Person, path: str, **fields: str):
    """Return an act: the person's browser, signed in already, sends a form."""
    browser = person.sign_in(app.test_client())
    data = {"csrf_token": browser.csrf_token()} | fields
    return partial(browser.post, path, data=data)


def lowers(app, group: Group, by: Person, whom: Person):
    return posting(app, by, rights_path(group, whom), rights="view")


def removes(app, group: Group, by: Person, whom: Person):
    return posting(app, by, removal_path(group, whom))


def leaves(app, group: Group, by: Person):
    return posting(app, by, departure_path(group))


def deletes_account(app, by: Person):
    return posting(app, by, "/account/profile/deletion", password=by.password)


def statuses(acts):
    return sorted(answer.status_code for answer in at_once(acts))


@pytest.mark.parametrize("_", ROUNDS)
def test_two_admins_who_lower_each_other(app, two, _):
    acts = [lowers(app, two.acme, two.ada, two.ben), lowers(app, two.acme, two.ben, two.ada)]
    assert statuses(acts) == [303, 403]
    assert len(admins_of(two.acme)) == 1


@pytest.mark.parametrize("_", ROUNDS)
def test_two_admins_who_remove_each_other(app, two, _):
    acts = [removes(app, two.acme, two.ada, two.ben), removes(app, two.acme, two.ben, two.ada)]
    assert statuses(acts) == [303, 404]
    assert len(admins_of(two.acme)) == 1


@pytest.mark.parametrize("_", ROUNDS)
def test_two_admins_who_lower_themselves(app, two, _):
    acts = [lowers(app, two.acme, two.ada, two.ada), lowers(app, two.acme, two.ben, two.ben)]
    assert statuses(acts) == [303, 409]
    assert len(admins_of(two.acme)) == 1


@pytest.mark.parametrize("_", ROUNDS)
def test_two_admins_who_leave(app, two, _):
    assert statuses([leaves(app, two.acme, two.ada), leaves(app, two.acme, two.ben)]) == [303, 409]
    assert len(admins_of(two.acme)) == 1


@pytest.mark.parametrize("_", ROUNDS)
def test_one_leaves_while_the_other_is_lowered(app, two, _):
    """Ada leaves; Ben lowers himself: the second one stays Admin."""
    assert statuses([leaves(app, two.acme, two.ada), lowers(app, two.acme, two.ben, two.ben)]) == [303, 409]
    assert len(admins_of(two.acme)) == 1


@pytest.mark.parametrize("_", ROUNDS)
def test_one_leaves_and_lowers_the_other_at_once(app, two, _):
    answers = at_once([leaves(app, two.acme, two.ada), lowers(app, two.acme, two.ada, two.ben)])
    assert len(admins_of(two.acme)) == 1
    assert sorted(answer.status_code for answer in answers) in ([303, 404], [303, 409])


@pytest.mark.parametrize("_", ROUNDS)
def test_one_deletes_the_account_while_the_other_leaves_or_removes(app, two, _):
    answers = at_once([deletes_account(app, two.ada), removes(app, two.acme, two.ben, two.ada)])
    assert {answer.status_code for answer in answers} <= {303, 404}
    assert admins_of(two.acme) == [str(two.ben.number)]


@pytest.mark.parametrize("_", ROUNDS)
def test_one_deletes_the_account_while_the_other_is_lowered(app, two, _):
    acts = [deletes_account(app, two.ada), lowers(app, two.acme, two.ben, two.ben)]
    assert statuses(acts) == [303, 409]
    assert len(admins_of(two.acme)) == 1


@pytest.mark.parametrize("_", ROUNDS)
def test_one_deletes_the_account_while_the_other_leaves(app, two, _):
    assert statuses([deletes_account(app, two.ada), leaves(app, two.acme, two.ben)]) == [303, 409]
    assert len(admins_of(two.acme)) == 1


def test_one_link_pressed_five_times_at_once_makes_one_account(app, cast, link):
    acts = []
    for _ in range(CLICKS):
        browser = app.test_client()
        data = {"csrf_token": browser.csrf_token(), "full_name": "Eve Lund", "password": PASSWORD}
        acts.append(partial(browser.post, link, data=data))
    before = rows.count(app, User), rows.count(app, Membership)
    found = statuses(acts)
    assert found.count(303) == 1, found
    assert set(found) <= {200, 303, 410}
    assert (rows.count(app, User), rows.count(app, Membership)) == (before[0] + 1, before[1] + 1)
    assert [action for action, *_ in rows.acts(app)].count("member.joined") == 1


def test_charlie_joins_in_five_tabs_at_once_and_is_a_member_once(app, cast, mailbox):
    invite(cast.ada.sign_in(app.test_client()), cast.acme, cast.charlie.email)
    link = mailbox.link_in(mailbox.deliver()[0])
    found = statuses([posting(app, cast.charlie, link) for _ in range(CLICKS)])
    assert found.count(303) == 1, found
    assert rights_of(cast.charlie, cast.acme) == "view"


@pytest.mark.parametrize("_", ROUNDS)
def test_cancelled_while_it_is_accepted_it_is_one_or_the_other(app, cast, mailbox, _):
    invite(cast.ada.sign_in(app.test_client()), cast.acme, cast.charlie.email)
    link = mailbox.link_in(mailbox.deliver()[0])
    [invitation] = invitations_to(cast.acme)
    cancel = f"/account/teams/{cast.acme.id}/invitations/{invitation.public_id}/cancellation"
    assert statuses([posting(app, cast.charlie, link), posting(app, cast.ada, cancel)]) == [303, 410]
    [invitation] = invitations_to(cast.acme)
    assert bool(invitation.accepted_at) != bool(invitation.cancelled_at)
    assert (rights_of(cast.charlie, cast.acme) is not None) == bool(invitation.accepted_at)


def test_two_admins_who_invite_one_address_send_one_invitation(app, two):
    path = f"/account/teams/{two.acme.id}/invitations"
    words = {"emails": "eve@initech.example", "rights": "view"}
    acts = [posting(app, person, path, **words) for person in (two.ada, two.ben)]
    assert statuses(acts) == [303, 422]
    assert len(invitations_to(two.acme)) == 1
