"""The page behind an invitation: join with a new account or one's own; every other way says what to do next."""

import pytest
from sqlalchemy import select

from reflow_accounts.auth.models import MailLink
from reflow_accounts.database import db
from reflow_accounts.mail.rendering import sign_link
from reflow_accounts.teams.models import Membership, Rights
from reflow_accounts.users.models import User
from tests.helpers import rows
from tests.teams.acts import PASSWORD, invitations_to, invite, rights_of

pytestmark = pytest.mark.postgresql_later

NEW = {"full_name": "Eve Lund", "password": PASSWORD}


def invited(app, cast, mailbox, person, group=None):
    """Return the link with which Ada invites a person to Acme."""
    invite(cast.ada.sign_in(app.test_client()), group or cast.acme, person.email, rights="view")
    return mailbox.link_in(mailbox.deliver()[0])


def test_eve_joins_with_a_new_account_and_without_a_second_mail(app, cast, client, mailbox, link):
    page = client.page(link)
    assert "Ada Park invites eve@initech.example to the team Acme with Edit rights." in page.text
    assert "You are joining Acme." in page.text
    assert page.with_id("team_name") is None
    assert page.with_id("email") is None
    answer = client.submit(page, link, **NEW)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/team")
    page = client.page("/account/team")
    assert "You joined Acme." in page.text
    assert "Your rights: Edit." in page.text
    assert mailbox.deliver() == []
    assert ("member.joined", "Eve Lund", "Eve Lund (Edit)") in rows.acts(app)
    assert ("account.created", "Eve Lund", "") in rows.acts(app)
    client.send("/logout")
    assert client.send("/login", email="eve@initech.example", password=PASSWORD).status_code == 303


def test_looking_at_the_link_changes_nothing(app, cast, link):
    before = rows.count(app, User), rows.count(app, Membership), rows.acts(app)
    for _ in range(3):
        assert app.test_client().get(link).status_code == 200
    assert (rows.count(app, User), rows.count(app, Membership), rows.acts(app)) == before
    [invitation] = invitations_to(cast.acme)
    assert invitation.accepted_at is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"full_name": " "}, "Enter your full name"),
        ({"password": "short"}, "at least 12 characters"),  # pragma: allowlist secret
        ({"password": "eve@initech.example"}, ""),  # pragma: allowlist secret
        ({"password": ""}, ""),
    ],
)
def test_bad_name_or_password_says_why(app, client, link, changes, sentence):
    answer = client.submit(client.page(link), link, **NEW | changes)
    assert answer.status_code == 422
    assert sentence.lower() in answer.text.lower()
    assert "You are joining" in answer.text
    assert rows.count(app, User) == 6 + 1
    assert client.submit(client.page(link), link, **NEW).status_code == 303


def test_address_cannot_be_chosen(app, client, link):
    answer = client.send(link, **NEW, email="mallory@evil.example")
    assert answer.status_code == 303
    with app.app_context():
        assert (
            db.session.scalar(select(User.email).where(User.full_name == "Eve Lund")) == "eve@initech.example"
        )


def test_link_works_once(app, client, link):
    client.submit(client.page(link), link, **NEW)
    other = app.test_client()
    answer = other.get(link)
    assert answer.status_code == 410
    assert "This invitation was used" in answer.text
    assert other.send(link, **NEW).status_code == 410
    assert rows.count(app, User) == 6 + 2


def test_used_link_names_the_team_to_its_members_only(app, cast, client, mailbox):
    link = invited(app, cast, mailbox, cast.charlie)
    cast.charlie.sign_in(client)
    client.submit(client.page(link), link)

    page = client.page(link, 410)
    assert "You are a member of Acme." in page.text
    assert [way.text for way in page.all("a") if way["href"] == f"/account/team?team={cast.acme.id}"]
    assert "Log in" in app.test_client().page(link, 410).text
    ada = cast.ada.sign_in(app.test_client())
    ada.send(f"/account/teams/{cast.acme.id}/members/{cast.charlie.id}/removal")

    for browser in (client, app.test_client(), cast.nina.sign_in(app.test_client())):
        page = browser.page(link, 410)
        assert "This invitation was used" in page.text
        assert "An invitation works once." in page.text
        assert not [way for way in page.all("a") if way["href"].startswith("/account/team?")]
        assert "You are a member" not in page.text
    assert (
        "You do not belong to Acme. If you want to join it, ask an Admin of the team"
        in client.page(link, 410).text
    )


def test_sign_ups_that_wait_for_the_address_are_dropped(app, client, mailbox, link):
    words = {"full_name": "Eve", "team_name": "Initech", "password": PASSWORD}
    other = app.test_client()
    other.send("/signup", email="eve@initech.example", **words)
    [message] = mailbox.deliver()
    client.submit(client.page(link), link, **NEW)
    assert rows.count(app, MailLink) == 0
    assert other.get(mailbox.link_in(message)).status_code == 410


def test_charlie_joins_with_the_account_of_that_address(app, cast, client, mailbox):
    link = invited(app, cast, mailbox, cast.charlie)
    cast.charlie.sign_in(client)
    page = client.page(link)
    assert page.with_id("password") is None
    answer = client.submit(page, link)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/team")
    page = client.page("/account/team")
    assert "You joined Acme." in page.text
    assert "Acme Subscription active" in page.text
    assert (rights_of(cast.charlie, cast.acme), rights_of(cast.charlie, cast.globex)) == ("view", "admin")


def test_signed_out_charlie_logs_in_first_and_comes_back(app, cast, client, mailbox):
    link = invited(app, cast, mailbox, cast.charlie)
    page = client.page(link)
    assert "You have an account already. Log in to join." in page.text
    assert page.with_id("password") is None
    [log_in] = [found for found in page.all("a") if found.text == "Log in"]
    answer = client.send(log_in["href"], email=cast.charlie.email, password=cast.charlie.password)
    assert answer.headers["Location"] == link
    assert client.submit(client.page(link), link).status_code == 303


def test_signed_out_nobody_joins_with_somebodys_account(app, cast, client, mailbox):
    link = invited(app, cast, mailbox, cast.charlie)
    assert client.send(link, **NEW).status_code == 403
    assert rights_of(cast.charlie, cast.acme) is None


@pytest.mark.parametrize("who", ["nina", "ben", "sam"])
def test_signed_in_as_somebody_else_it_says_whose_it_is(app, cast, client, link, who):
    person = getattr(cast, who)
    person.sign_in(client)
    page = client.page(link)
    assert "It is for eve@initech.example; you are signed in as " + person.email in page.text
    assert [button for button in page.all("button") if button.text == "Sign out"]
    before = rows.acts(app)
    assert client.send(link, **NEW).status_code == 403
    assert rows.acts(app) == before


def test_who_is_a_member_already_is_led_to_the_team(app, cast, client, mailbox):
    link = invited(app, cast, mailbox, cast.charlie)
    cast.acme.add(cast.charlie, Rights.EDIT)
    assert "You are a member already" in client.page(link).text
    cast.charlie.sign_in(client)
    page = client.page(link)
    [way] = [found for found in page.all("a") if found.text == "Go to the team"]
    assert client.get(way["href"]).status_code == 200
    assert client.send(link).status_code == 403
    assert rights_of(cast.charlie, cast.acme) == "edit"


@pytest.mark.parametrize(
    "token", ["x", "lnk_0000000000000000", "lnk_0000000000000000.signature", "%F0%9F%92%A9"]
)
def test_foreign_token_says_what_to_do(client, token):
    answer = client.get(f"/invitations/{token}")
    assert answer.status_code == 410
    assert "This link does not work" in answer.text
    assert "ask the person who invited you" in answer.text
    assert client.send(f"/invitations/{token}", **NEW).status_code == 410


def test_token_for_something_else_opens_no_invitation(app, cast, client, link):
    [invitation] = invitations_to(cast.acme)
    with app.app_context():
        token = sign_link(invitation.link, "sign_up")
    assert client.get(f"/invitations/{token}").status_code == 410


def test_who_changed_the_address_since_is_somebody_else(app, cast, client, mailbox):
    link = invited(app, cast, mailbox, cast.charlie)
    cast.charlie.change(email="charles@globex.example")
    answer = client.send("/login", email="charles@globex.example", password=cast.charlie.password)
    assert answer.status_code == 303
    assert "This invitation is for somebody else" in client.page(link).text
    assert client.send(link).status_code == 403


def test_form_needs_the_token_of_its_session(app, link):
    assert app.test_client().post(link, data=NEW).status_code == 400
