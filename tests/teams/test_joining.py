"""The page of an invitation: joining with a new or an existing account; other cases say what to do next."""

import pytest
from sqlalchemy import select

from reflow_accounts.auth.models import MailLink
from reflow_accounts.database import db
from reflow_accounts.mail.rendering import sign_link
from reflow_accounts.teams.models import Membership, Rights
from reflow_accounts.users.models import User
from tests.helpers import rows
from tests.teams.team_actions import PASSWORD, invitations_to, invite, rights_of

pytestmark = pytest.mark.postgresql_later

NEW = {"full_name": "Eve Lund", "password": PASSWORD}


def invitation_link(app, cast, mailbox, person, group=None):
    """Return the link with which Ada invites a person to Acme."""
    invite(cast.ada.sign_in(app.test_client()), group or cast.acme, person.email, rights="view")
    return mailbox.link_in(mailbox.deliver()[0])


def test_invited_person_joins_with_a_new_account(app, cast, client, mailbox, link):
    page = client.page(link)
    assert "Ada Park invites eve@initech.example to the team Acme with Edit rights." in page.text
    assert "You are joining Acme." in page.text
    assert page.with_id("team_name") is None
    assert page.with_id("email") is None
    response = client.submit(page, link, **NEW)
    assert (response.status_code, response.headers["Location"]) == (303, "/account/team")
    page = client.page("/account/team")
    assert "You joined Acme." in page.text
    assert "Your rights: Edit." in page.text
    assert mailbox.deliver() == []
    assert ("member.joined", "Eve Lund", "Eve Lund (Edit)") in rows.audit_events(app)
    assert ("account.created", "Eve Lund", "") in rows.audit_events(app)
    client.send("/logout")
    assert client.send("/login", email="eve@initech.example", password=PASSWORD).status_code == 303


def test_opening_the_link_changes_nothing(app, cast, link):
    before = rows.count(app, User), rows.count(app, Membership), rows.audit_events(app)
    for _ in range(3):
        assert app.test_client().get(link).status_code == 200
    assert (rows.count(app, User), rows.count(app, Membership), rows.audit_events(app)) == before
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
def test_bad_name_or_password_is_explained(app, client, link, changes, sentence):
    response = client.submit(client.page(link), link, **NEW | changes)
    assert response.status_code == 422
    assert sentence.lower() in response.text.lower()
    assert "You are joining" in response.text
    assert rows.count(app, User) == 6 + 1
    assert client.submit(client.page(link), link, **NEW).status_code == 303


def test_address_of_the_invitation_cannot_be_changed(app, client, link):
    response = client.send(link, **NEW, email="mallory@evil.example")
    assert response.status_code == 303
    with app.app_context():
        assert (
            db.session.scalar(select(User.email).where(User.full_name == "Eve Lund")) == "eve@initech.example"
        )


def test_link_works_once(app, client, link):
    client.submit(client.page(link), link, **NEW)
    other = app.test_client()
    response = other.get(link)
    assert response.status_code == 410
    assert "This invitation was used" in response.text
    assert other.send(link, **NEW).status_code == 410
    assert rows.count(app, User) == 6 + 2


def test_used_link_names_the_team_only_to_its_members(app, cast, client, mailbox):
    link = invitation_link(app, cast, mailbox, cast.charlie)
    cast.charlie.sign_in(client)
    client.submit(client.page(link), link)

    page = client.page(link, 410)
    assert "You are a member of Acme." in page.text
    assert [anchor.text for anchor in page.all("a") if anchor["href"] == f"/account/team?team={cast.acme.id}"]
    assert "Log in" in app.test_client().page(link, 410).text
    ada = cast.ada.sign_in(app.test_client())
    ada.send(f"/account/teams/{cast.acme.id}/members/{cast.charlie.id}/removal")

    for browser in (client, app.test_client(), cast.nina.sign_in(app.test_client())):
        page = browser.page(link, 410)
        assert "This invitation was used" in page.text
        assert "An invitation works once." in page.text
        assert not [anchor for anchor in page.all("a") if anchor["href"].startswith("/account/team?")]
        assert "You are a member" not in page.text
    assert (
        "You do not belong to Acme. If you want to join it, ask an Admin of the team"
        in client.page(link, 410).text
    )


def test_pending_sign_up_of_the_address_is_dropped(app, client, mailbox, link):
    fields = {"full_name": "Eve", "team_name": "Initech", "password": PASSWORD}
    other = app.test_client()
    other.send("/signup", email="eve@initech.example", **fields)
    [message] = mailbox.deliver()
    client.submit(client.page(link), link, **NEW)
    assert rows.count(app, MailLink) == 0
    assert other.get(mailbox.link_in(message)).status_code == 410


def test_existing_user_joins(app, cast, client, mailbox):
    link = invitation_link(app, cast, mailbox, cast.charlie)
    cast.charlie.sign_in(client)
    page = client.page(link)
    assert page.with_id("password") is None
    response = client.submit(page, link)
    assert (response.status_code, response.headers["Location"]) == (303, "/account/team")
    page = client.page("/account/team")
    assert "You joined Acme." in page.text
    assert "Acme Subscription active" in page.text
    assert (rights_of(cast.charlie, cast.acme), rights_of(cast.charlie, cast.globex)) == ("view", "admin")


def test_signed_out_user_logs_in_first_and_returns(app, cast, client, mailbox):
    link = invitation_link(app, cast, mailbox, cast.charlie)
    page = client.page(link)
    assert "You have an account already. Log in to join." in page.text
    assert page.with_id("password") is None
    [log_in] = [anchor for anchor in page.all("a") if anchor.text == "Log in"]
    response = client.send(log_in["href"], email=cast.charlie.email, password=cast.charlie.password)
    assert response.headers["Location"] == link
    assert client.submit(client.page(link), link).status_code == 303


def test_form_without_a_session_cannot_join_for_an_existing_user(app, cast, client, mailbox):
    link = invitation_link(app, cast, mailbox, cast.charlie)
    assert client.send(link, **NEW).status_code == 403
    assert rights_of(cast.charlie, cast.acme) is None


@pytest.mark.parametrize("user", ["nina", "ben", "sam"])
def test_invitation_for_another_user_names_the_addressee(app, cast, client, link, user):
    person = getattr(cast, user)
    person.sign_in(client)
    page = client.page(link)
    assert "It is for eve@initech.example; you are signed in as " + person.email in page.text
    assert [button for button in page.all("button") if button.text == "Sign out"]
    before = rows.audit_events(app)
    assert client.send(link, **NEW).status_code == 403
    assert rows.audit_events(app) == before


def test_member_is_led_to_the_team(app, cast, client, mailbox):
    link = invitation_link(app, cast, mailbox, cast.charlie)
    cast.acme.add(cast.charlie, Rights.EDIT)
    assert "You are a member already" in client.page(link).text
    cast.charlie.sign_in(client)
    page = client.page(link)
    [anchor] = [anchor for anchor in page.all("a") if anchor.text == "Go to the team"]
    assert client.get(anchor["href"]).status_code == 200
    assert client.send(link).status_code == 403
    assert rights_of(cast.charlie, cast.acme) == "edit"


@pytest.mark.parametrize(
    "token", ["x", "lnk_0000000000000000", "lnk_0000000000000000.signature", "%F0%9F%92%A9"]
)
def test_invalid_token_is_explained(client, token):
    response = client.get(f"/invitations/{token}")
    assert response.status_code == 410
    assert "This link does not work" in response.text
    assert "ask the person who invited you" in response.text
    assert client.send(f"/invitations/{token}", **NEW).status_code == 410


def test_token_for_another_purpose_is_refused(app, cast, client, link):
    [invitation] = invitations_to(cast.acme)
    with app.app_context():
        token = sign_link(invitation.link, "sign_up")
    assert client.get(f"/invitations/{token}").status_code == 410


def test_invitation_is_refused_after_the_user_changed_the_address(app, cast, client, mailbox):
    link = invitation_link(app, cast, mailbox, cast.charlie)
    cast.charlie.change(email="charles@globex.example")
    response = client.send("/login", email="charles@globex.example", password=cast.charlie.password)
    assert response.status_code == 303
    assert "This invitation is for somebody else" in client.page(link).text
    assert client.send(link).status_code == 403


def test_form_requires_the_csrf_token(app, link):
    assert app.test_client().post(link, data=NEW).status_code == 400
