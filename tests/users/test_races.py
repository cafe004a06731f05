"""Two clicks, two links, two Admins: the database lets one be first."""

from functools import partial

import pytest

from reflow_accounts.teams.models import Membership, Rights, Team
from reflow_accounts.teams.service import members_of
from reflow_accounts.users.models import User
from tests.helpers import rows
from tests.helpers.at_once import at_once
from tests.users.signing_up import PASSWORD

CLICKS = 5


def links_for_eve(app, mailbox, count):
    for _ in range(count):
        words = {"full_name": "Eve Lund", "team_name": "Initech", "password": PASSWORD}
        app.test_client().send("/signup", email="eve@initech.example", **words)
    return [mailbox.link_in(message) for message in mailbox.deliver()]


def browsers(app, cookie_of=None):
    """Return several browsers and the token of each; with `cookie_of` all are signed in as its person."""
    made = []
    for _ in range(CLICKS):
        client = app.test_client()
        if cookie_of:
            client.set_cookie("reflow", cookie_of.get_cookie("reflow").value)
        made.append((client, client.csrf_token()))
    return made


def test_one_link_confirmed_five_times_at_once_makes_one_account(app, mailbox):
    [link] = links_for_eve(app, mailbox, 1)
    acts = [
        partial(client.post, link, data={"password": PASSWORD, "csrf_token": token})
        for client, token in browsers(app)
    ]
    assert sorted(answer.status_code for answer in at_once(acts)) == [303, 410, 410, 410, 410]
    assert (rows.count(app, User), rows.count(app, Team), rows.count(app, Membership)) == (1, 1, 1)


def test_five_links_for_one_address_confirmed_at_once_make_one_account(app, mailbox):
    links = links_for_eve(app, mailbox, CLICKS)
    acts = [
        partial(client.post, link, data={"password": PASSWORD, "csrf_token": token})
        for link, (client, token) in zip(links, browsers(app), strict=True)
    ]
    assert sorted(answer.status_code for answer in at_once(acts)) == [303, 410, 410, 410, 410]
    assert (rows.count(app, User), rows.count(app, Team)) == (1, 1)


def test_one_reset_link_used_five_times_at_once_counts_once(app, cast, mailbox):
    app.test_client().send("/forgot-password", email=cast.ada.email)
    link = mailbox.link_in(mailbox.deliver()[0])
    acts = [
        partial(client.post, link, data={"new_password": f"a kettle on moon {number}", "csrf_token": token})
        for number, (client, token) in enumerate(browsers(app))
    ]
    answers = at_once(acts)
    assert sorted(answer.status_code for answer in answers) == [303, 410, 410, 410, 410]
    [number] = [number for number, answer in enumerate(answers) if answer.status_code == 303]
    won = app.test_client().send("/login", email=cast.ada.email, password=f"a kettle on moon {number}")
    assert won.status_code == 303


def test_one_account_deleted_five_times_at_once_is_deleted_once(app, cast, client):
    cast.nina.sign_in(client)
    acts = [
        partial(
            browser.post,
            "/account/profile/deletion",
            data={"password": cast.nina.password, "csrf_token": token},
        )
        for browser, token in browsers(app, client)
    ]
    assert {answer.status_code for answer in at_once(acts)} <= {303, 422}
    assert [action for action, *_ in rows.acts(app)].count("account.deleted") == 1


@pytest.mark.parametrize("_", range(3))
def test_of_two_admins_who_go_at_once_one_stays(app, cast, _):
    cast.acme.give(cast.ben, Rights.ADMIN)
    acts = []
    for person in (cast.ada, cast.ben):
        browser = person.sign_in(app.test_client())
        data = {"password": person.password, "csrf_token": browser.csrf_token()}
        acts.append(partial(browser.post, "/account/profile/deletion", data=data))
    assert sorted(answer.status_code for answer in at_once(acts)) == [303, 409]
    with app.app_context():
        rights = [rights for _, rights in members_of(cast.acme.row())]
    assert rights.count(Rights.ADMIN) == 1
