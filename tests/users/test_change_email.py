"""Change of the e-mail address: a link to the new one, notices to the old one, same response when it is taken."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from reflow_accounts.auth.models import MailLink, UserSession
from reflow_accounts.database import db, now
from reflow_accounts.mail.models import OutboxMessage
from tests.helpers import rows
from tests.helpers.html import parse
from tests.helpers.mailbox import Mailbox, text_of

pytestmark = pytest.mark.postgresql_later

PROFILE = "/account/profile"
NEW = "ada@elsewhere.example"


@pytest.fixture
def mailbox(app):
    return Mailbox(app)


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


def request_change(client, email=NEW, **fields):
    return client.submit(client.page(PROFILE), PROFILE, email=email, **fields)


@pytest.fixture
def link(ada, mailbox):
    """The path of the link that the new address gets."""
    request_change(ada)
    return mailbox.link_in(by_address(mailbox.deliver())[NEW])


def by_address(messages):
    return {message["To"]: message for message in messages}


def email_of(app, person):
    with app.app_context():
        return person.row().email


def test_user_changes_the_address(app, cast, ada, mailbox):
    response = request_change(ada)
    assert (response.status_code, response.headers["Location"]) == (303, PROFILE)
    page = ada.page(PROFILE)
    text = f"We sent a link to {NEW}. Your email stays ada@acme.example until you open it."
    assert text in page.text
    assert page.with_id("email")["value"] == "ada@acme.example"
    mails = by_address(mailbox.deliver())
    assert set(mails) == {NEW, "ada@acme.example"}
    assert NEW in text_of(mails["ada@acme.example"])
    assert "If it was not you, change your password at once" in text_of(mails["ada@acme.example"])
    link = mailbox.link_in(mails[NEW])
    response = ada.submit(ada.page(link), link)
    assert (response.status_code, response.headers["Location"]) == (303, PROFILE)
    page = ada.page(PROFILE)
    assert "Email changed" in page.text
    assert page.with_id("email")["value"] == NEW
    assert app.test_client().send("/login", email=NEW, password=cast.ada.password).status_code == 303
    response = app.test_client().send("/login", email="ada@acme.example", password=cast.ada.password)
    assert response.status_code == 422
    [notice] = mailbox.deliver()
    assert (notice["To"], notice["Subject"]) == ("ada@acme.example", "Your email address was changed")
    events = rows.audit_events(app)
    assert ("email.change_asked", "Ada Park", "a…@elsewhere.example") in events
    assert ("email.changed", "Ada Park", "a…@elsewhere.example") in events


@pytest.mark.parametrize("email", ["ada@acme.example", " ADA@acme.example "])
def test_same_address_sends_no_link(app, ada, email):
    request_change(ada, email)
    assert "We sent a link" not in ada.page(PROFILE).text
    assert rows.count(app, OutboxMessage) == 0


@pytest.mark.parametrize("email", ["", "ada", "ada@", "ada@elsewhere", "a b@elsewhere.example"])
def test_invalid_address_is_explained_and_nothing_is_saved(app, ada, email):
    response = request_change(ada, email, full_name="Ada P. Park")
    assert response.status_code == 422
    assert "Enter an email address like name@example.com" in response.text
    assert rows.count(app, OutboxMessage) == 0
    assert "Ada P. Park" not in ada.page(PROFILE).all("header")[0].text


def test_invalid_name_sends_no_link(app, ada):
    assert request_change(ada, full_name="").status_code == 422
    assert rows.count(app, OutboxMessage) == 0


def test_taken_address_has_the_same_response(app, cast, ada, mailbox):
    texts = []
    for email in (NEW, cast.ben.email):
        assert request_change(ada, email).status_code == 303
        texts.append(ada.page(PROFILE).text.replace(email, ""))
    assert texts[0] == texts[1]
    messages = mailbox.deliver()
    [notice] = [message for message in messages if message["To"] == cast.ben.email]
    assert notice["Subject"] == "Your email address has an account already"
    assert "confirm-email" not in text_of(notice)
    assert len([message for message in messages if message["To"] == "ada@acme.example"]) == 2


def test_address_taken_meanwhile_is_not_changed(app, cast, ada, link):
    page = ada.page(link)
    cast.ben.change(email=NEW)
    response = ada.submit(page, link)
    assert response.status_code == 410
    assert "Your profile says which address" in response.text
    assert email_of(app, cast.ada) == "ada@acme.example"


def test_opening_the_link_changes_nothing_and_it_works_once(app, cast, ada, link):
    for _ in range(2):
        assert ada.get(link).status_code == 200
    assert email_of(app, cast.ada) == "ada@acme.example"
    assert ada.submit(ada.page(link), link).status_code == 303
    assert ada.get(link).status_code == 410
    assert ada.send(link).status_code == 410


def test_link_expires_after_an_hour(app, cast, ada, link):
    with time_machine.travel(now() + timedelta(minutes=61)):
        assert ada.get(link).status_code == 410
        assert ada.send(link).status_code == 410
    assert email_of(app, cast.ada) == "ada@acme.example"


def test_newer_request_invalidates_the_link(ada, link, mailbox):
    request_change(ada, "ada@third.example")
    mailbox.deliver()
    assert ada.get(link).status_code == 410


def test_link_cannot_be_used_by_another_user(app, cast, link):
    """Charlie, who received the link, is asked to log in to Ada's account, and cannot."""
    other_browser = app.test_client()
    page = other_browser.page(link)
    assert not [form for form in page.all("form") if form["method"] == "post"]
    [log_in_link] = [anchor for anchor in page.all("a") if anchor.text == "Log in"]
    assert log_in_link["href"] == f"/login?next={link}"
    assert other_browser.send(link).status_code == 403
    cast.charlie.sign_in(other_browser)
    assert "sign out first" in other_browser.page(link).text
    assert other_browser.send(link).status_code == 403
    assert email_of(app, cast.ada) == "ada@acme.example"
    assert email_of(app, cast.charlie) == "charlie@globex.example"


def test_log_in_in_another_browser_returns_to_the_link(app, cast, link):
    other = app.test_client()
    [log_in_link] = [anchor for anchor in other.page(link).all("a") if anchor.text == "Log in"]
    response = other.submit(
        other.page(log_in_link["href"]), "/login", email=cast.ada.email, password=cast.ada.password
    )
    assert response.headers["Location"] == link
    assert other.submit(other.page(link), link).status_code == 303
    assert email_of(app, cast.ada) == NEW


def test_links_to_the_former_address_are_invalid(app, cast, ada, link, mailbox):
    app.test_client().send("/forgot-password", email="ada@acme.example")
    reset = mailbox.link_in(mailbox.deliver()[0])
    ada.submit(ada.page(link), link)
    assert app.test_client().get(reset).status_code == 410


def test_change_requires_a_recent_proof_and_continues_after_it(app, cast, ada):
    with app.app_context():
        db.session.scalars(select(UserSession)).one().proven_at = now() - timedelta(minutes=31)
        db.session.commit()
    response = request_change(ada, full_name="Ada P. Park")
    assert response.status_code == 403
    assert rows.count(app, OutboxMessage) == 0
    page = parse(response.text)
    response = ada.submit(page, PROFILE, proof_password=cast.ada.password)
    assert (response.status_code, response.headers["Location"]) == (303, PROFILE)
    page = ada.page(PROFILE)
    assert f"We sent a link to {NEW}" in page.text
    assert "Ada P. Park" in page.all("header")[0].text


def test_change_of_the_name_needs_no_proof(app, ada):
    with app.app_context():
        db.session.scalars(select(UserSession)).one().proven_at = None
        db.session.commit()
    assert request_change(ada, "ada@acme.example", full_name="Ada P. Park").status_code == 303


def test_user_disabled_meanwhile_gets_no_link(app, cast, ada, mailbox):
    request_change(ada)
    cast.ada.change(disabled_at=now())
    assert NEW not in by_address(mailbox.deliver())
    assert rows.count(app, MailLink) == 0
