"""Concurrent actions of two Admins leave one Admin; concurrent joins create one membership."""

from functools import partial

import pytest

from reflow_accounts.teams.models import Membership, Rights
from reflow_accounts.users.models import User
from tests.factories import Group, Person
from tests.helpers import rows
from tests.helpers.at_once import at_once
from tests.teams.team_actions import (
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
def two_admins(cast):
    """Acme with two Admins, Ada and Ben."""
    cast.acme.give(cast.ben, Rights.ADMIN)
    return cast


def prepare_post(app, person: Person, path: str, **fields: str):
    """Return a function that sends a form from the person's browser, which is signed in."""
    browser = person.sign_in(app.test_client())
    data = {"csrf_token": browser.csrf_token()} | fields
    return partial(browser.post, path, data=data)


def demotion(app, group: Group, by: Person, target: Person):
    return prepare_post(app, by, rights_path(group, target), rights="view")


def removal(app, group: Group, by: Person, target: Person):
    return prepare_post(app, by, removal_path(group, target))


def departure(app, group: Group, by: Person):
    return prepare_post(app, by, departure_path(group))


def account_deletion(app, by: Person):
    return prepare_post(app, by, "/account/profile/deletion", password=by.password)


def run_for_statuses(actions):
    return sorted(response.status_code for response in at_once(actions))


@pytest.mark.parametrize("_", ROUNDS)
def test_two_admins_demote_each_other(app, two_admins, _):
    actions = [
        demotion(app, two_admins.acme, two_admins.ada, two_admins.ben),
        demotion(app, two_admins.acme, two_admins.ben, two_admins.ada),
    ]
    assert run_for_statuses(actions) == [303, 403]
    assert len(admins_of(two_admins.acme)) == 1


@pytest.mark.parametrize("_", ROUNDS)
def test_two_admins_remove_each_other(app, two_admins, _):
    actions = [
        removal(app, two_admins.acme, two_admins.ada, two_admins.ben),
        removal(app, two_admins.acme, two_admins.ben, two_admins.ada),
    ]
    assert run_for_statuses(actions) == [303, 404]
    assert len(admins_of(two_admins.acme)) == 1


@pytest.mark.parametrize("_", ROUNDS)
def test_two_admins_demote_themselves(app, two_admins, _):
    actions = [
        demotion(app, two_admins.acme, two_admins.ada, two_admins.ada),
        demotion(app, two_admins.acme, two_admins.ben, two_admins.ben),
    ]
    assert run_for_statuses(actions) == [303, 409]
    assert len(admins_of(two_admins.acme)) == 1


@pytest.mark.parametrize("_", ROUNDS)
def test_two_admins_leave(app, two_admins, _):
    assert run_for_statuses(
        [departure(app, two_admins.acme, two_admins.ada), departure(app, two_admins.acme, two_admins.ben)]
    ) == [303, 409]
    assert len(admins_of(two_admins.acme)) == 1


@pytest.mark.parametrize("_", ROUNDS)
def test_admin_leaves_while_the_other_is_demoted(app, two_admins, _):
    """Ada leaves and Ben demotes himself: the one who is second stays Admin."""
    assert run_for_statuses(
        [
            departure(app, two_admins.acme, two_admins.ada),
            demotion(app, two_admins.acme, two_admins.ben, two_admins.ben),
        ]
    ) == [303, 409]
    assert len(admins_of(two_admins.acme)) == 1


@pytest.mark.parametrize("_", ROUNDS)
def test_admin_leaves_and_demotes_the_other_at_once(app, two_admins, _):
    responses = at_once(
        [
            departure(app, two_admins.acme, two_admins.ada),
            demotion(app, two_admins.acme, two_admins.ada, two_admins.ben),
        ]
    )
    assert len(admins_of(two_admins.acme)) == 1
    assert sorted(response.status_code for response in responses) in ([303, 404], [303, 409])


@pytest.mark.parametrize("_", ROUNDS)
def test_admin_deletes_the_account_while_removed_by_the_other(app, two_admins, _):
    responses = at_once(
        [account_deletion(app, two_admins.ada), removal(app, two_admins.acme, two_admins.ben, two_admins.ada)]
    )
    assert {response.status_code for response in responses} <= {303, 404}
    assert admins_of(two_admins.acme) == [str(two_admins.ben.number)]


@pytest.mark.parametrize("_", ROUNDS)
def test_admin_deletes_the_account_while_the_other_is_demoted(app, two_admins, _):
    actions = [
        account_deletion(app, two_admins.ada),
        demotion(app, two_admins.acme, two_admins.ben, two_admins.ben),
    ]
    assert run_for_statuses(actions) == [303, 409]
    assert len(admins_of(two_admins.acme)) == 1


@pytest.mark.parametrize("_", ROUNDS)
def test_one_deletes_the_account_while_the_other_leaves(app, two_admins, _):
    assert run_for_statuses(
        [account_deletion(app, two_admins.ada), departure(app, two_admins.acme, two_admins.ben)]
    ) == [303, 409]
    assert len(admins_of(two_admins.acme)) == 1


def test_one_link_pressed_five_times_at_once_makes_one_account(app, cast, link):
    actions = []
    for _ in range(CLICKS):
        browser = app.test_client()
        data = {"csrf_token": browser.csrf_token(), "full_name": "Eve Lund", "password": PASSWORD}
        actions.append(partial(browser.post, link, data=data))
    before = rows.count(app, User), rows.count(app, Membership)
    statuses = run_for_statuses(actions)
    assert statuses.count(303) == 1, statuses
    assert set(statuses) <= {200, 303, 410}
    assert (rows.count(app, User), rows.count(app, Membership)) == (before[0] + 1, before[1] + 1)
    assert [action for action, *_ in rows.audit_events(app)].count("member.joined") == 1


def test_charlie_joins_in_five_tabs_at_once_and_is_a_member_once(app, cast, mailbox):
    invite(cast.ada.sign_in(app.test_client()), cast.acme, cast.charlie.email)
    link = mailbox.link_in(mailbox.deliver()[0])
    statuses = run_for_statuses([prepare_post(app, cast.charlie, link) for _ in range(CLICKS)])
    assert statuses.count(303) == 1, statuses
    assert rights_of(cast.charlie, cast.acme) == "view"


@pytest.mark.parametrize("_", ROUNDS)
def test_cancelled_while_it_is_accepted_it_is_one_or_the_other(app, cast, mailbox, _):
    invite(cast.ada.sign_in(app.test_client()), cast.acme, cast.charlie.email)
    link = mailbox.link_in(mailbox.deliver()[0])
    [invitation] = invitations_to(cast.acme)
    cancel = f"/account/teams/{cast.acme.id}/invitations/{invitation.public_id}/cancellation"
    assert run_for_statuses([prepare_post(app, cast.charlie, link), prepare_post(app, cast.ada, cancel)]) == [
        303,
        410,
    ]
    [invitation] = invitations_to(cast.acme)
    assert bool(invitation.accepted_at) != bool(invitation.cancelled_at)
    assert (rights_of(cast.charlie, cast.acme) is not None) == bool(invitation.accepted_at)


def test_two_admins_who_invite_one_address_send_one_invitation(app, two_admins):
    path = f"/account/teams/{two_admins.acme.id}/invitations"
    fields = {"emails": "eve@initech.example", "rights": "view"}
    actions = [prepare_post(app, person, path, **fields) for person in (two_admins.ada, two_admins.ben)]
    assert run_for_statuses(actions) == [303, 422]
    assert len(invitations_to(two_admins.acme)) == 1
