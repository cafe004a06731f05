"""Concurrent confirmations, resets and deletions take effect once."""

from functools import partial

import pytest
from sqlalchemy import select

from reflow_accounts.database import db
from reflow_accounts.teams.models import Membership, Rights, Team
from reflow_accounts.users.models import User
from tests.helpers import rows
from tests.helpers.at_once import at_once
from tests.users.signing_up import PASSWORD

CLICKS = 5


def links_for_eve(app, mailbox, count):
    for _ in range(count):
        fields = {"full_name": "Eve Lund", "team_name": "Initech", "password": PASSWORD}
        app.test_client().send("/signup", email="eve@initech.example", **fields)
    return [mailbox.link_in(message) for message in mailbox.deliver()]


def browsers(app, signed_in_client=None):
    """Return clients with their CSRF tokens; with `signed_in_client` all have its session."""
    clients = []
    for _ in range(CLICKS):
        client = app.test_client()
        if signed_in_client:
            client.set_cookie("reflow", signed_in_client.get_cookie("reflow").value)
        clients.append((client, client.csrf_token()))
    return clients


def test_link_confirmed_five_times_at_once_creates_one_account(app, mailbox):
    [link] = links_for_eve(app, mailbox, 1)
    actions = [
        partial(client.post, link, data={"password": PASSWORD, "csrf_token": token})
        for client, token in browsers(app)
    ]
    assert sorted(response.status_code for response in at_once(actions)) == [303, 410, 410, 410, 410]
    assert (rows.count(app, User), rows.count(app, Team), rows.count(app, Membership)) == (1, 1, 1)


def test_links_for_one_address_confirmed_at_once_create_one_account(app, mailbox):
    links = links_for_eve(app, mailbox, CLICKS)
    actions = [
        partial(client.post, link, data={"password": PASSWORD, "csrf_token": token})
        for link, (client, token) in zip(links, browsers(app), strict=True)
    ]
    assert sorted(response.status_code for response in at_once(actions)) == [303, 410, 410, 410, 410]
    assert (rows.count(app, User), rows.count(app, Team)) == (1, 1)


def test_reset_link_used_five_times_at_once_works_once(app, cast, mailbox):
    app.test_client().send("/forgot-password", email=cast.ada.email)
    link = mailbox.link_in(mailbox.deliver()[0])
    actions = [
        partial(client.post, link, data={"new_password": f"a kettle on moon {number}", "csrf_token": token})
        for number, (client, token) in enumerate(browsers(app))
    ]
    responses = at_once(actions)
    assert sorted(response.status_code for response in responses) == [303, 410, 410, 410, 410]
    [number] = [number for number, response in enumerate(responses) if response.status_code == 303]
    response = app.test_client().send("/login", email=cast.ada.email, password=f"a kettle on moon {number}")
    assert response.status_code == 303


def test_account_deleted_five_times_at_once_is_deleted_once(app, cast, client):
    cast.nina.sign_in(client)
    actions = [
        partial(
            browser.post,
            "/account/profile/deletion",
            data={"password": cast.nina.password, "csrf_token": token},
        )
        for browser, token in browsers(app, client)
    ]
    assert {response.status_code for response in at_once(actions)} <= {303, 422}
    assert [action for action, *_ in rows.audit_events(app)].count("account.deleted") == 1


@pytest.mark.parametrize("_", range(3))
def test_admins_deleting_their_accounts_at_once_leave_one_admin(app, cast, _):
    cast.acme.give(cast.ben, Rights.ADMIN)
    actions = []
    for person in (cast.ada, cast.ben):
        browser = person.sign_in(app.test_client())
        data = {"password": person.password, "csrf_token": browser.csrf_token()}
        actions.append(partial(browser.post, "/account/profile/deletion", data=data))
    assert sorted(response.status_code for response in at_once(actions)) == [303, 409]
    with app.app_context():
        query = select(Membership.rights).where(Membership.team_id == cast.acme.row().id)
        rights = list(db.session.scalars(query))
    assert rights.count(Rights.ADMIN) == 1
