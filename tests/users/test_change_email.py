"""Another e-mail address: a link to the new one, notices to the old one, the same words when it is taken."""

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


def ask(client, email=NEW, **fields):
    return client.submit(client.page(PROFILE), PROFILE, email=email, **fields)


@pytest.fixture
def link(ada, mailbox):
    """The path of the link that the new address gets."""
    ask(ada)
    return mailbox.link_in(by_address(mailbox.deliver())[NEW])


def by_address(messages):
    return {message["To"]: message for message in messages}


def email_of(app, person):
    with app.app_context():
        return person.row().email


def test_ada_moves_her_account_to_another_address(app, cast, ada, mailbox):
    answer = ask(ada)
    assert (answer.status_code, answer.headers["Location"]) == (303, PROFILE)
    page = ada.page(PROFILE)
    words = f"We sent a link to {NEW}. Your email stays ada@acme.example until you open it."
    assert words in page.text
    assert page.with_id("email")["value"] == "ada@acme.example"
    mails = by_address(mailbox.deliver())
    assert set(mails) == {NEW, "ada@acme.example"}
    assert NEW in text_of(mails["ada@acme.example"])
    assert "If it was not you, change your password at once" in text_of(mails["ada@acme.example"])
    link = mailbox.link_in(mails[NEW])
    answer = ada.submit(ada.page(link), link)
    assert (answer.status_code, answer.headers["Location"]) == (303, PROFILE)
    page = ada.page(PROFILE)
    assert "Email changed" in page.text
    assert page.with_id("email")["value"] == NEW
    assert app.test_client().send("/login", email=NEW, password=cast.ada.password).status_code == 303
    old = app.test_client().send("/login", email="ada@acme.example", password=cast.ada.password)
    assert old.status_code == 422
    [notice] = mailbox.deliver()
    assert (notice["To"], notice["Subject"]) == ("ada@acme.example", "Your email address was changed")
    acts = rows.acts(app)
    assert ("email.change_asked", "Ada Park", "a…@elsewhere.example") in acts
    assert ("email.changed", "Ada Park", "a…@elsewhere.example") in acts


@pytest.mark.parametrize("email", ["ada@acme.example", " ADA@acme.example "])
def test_same_address_is_no_change(app, ada, email):
    ask(ada, email)
    assert "We sent a link" not in ada.page(PROFILE).text
    assert rows.count(app, OutboxMessage) == 0


@pytest.mark.parametrize("email", ["", "ada", "ada@", "ada@elsewhere", "a b@elsewhere.example"])
def test_what_is_no_address_is_said_and_nothing_is_saved(app, ada, email):
    answer = ask(ada, email, full_name="Ada P. Park")
    assert answer.status_code == 422
    assert "Enter an email address like name@example.com" in answer.text
    assert rows.count(app, OutboxMessage) == 0
    assert "Ada P. Park" not in ada.page(PROFILE).all("header")[0].text


def test_bad_name_sends_no_link(app, ada):
    assert ask(ada, full_name="").status_code == 422
    assert rows.count(app, OutboxMessage) == 0


def test_address_that_is_taken_reads_the_same(app, cast, ada, mailbox):
    texts = []
    for email in (NEW, cast.ben.email):
        assert ask(ada, email).status_code == 303
        texts.append(ada.page(PROFILE).text.replace(email, ""))
    assert texts[0] == texts[1]
    messages = mailbox.deliver()
    [told] = [message for message in messages if message["To"] == cast.ben.email]
    assert told["Subject"] == "Your email address has an account already"
    assert "confirm-email" not in text_of(told)
    assert len([message for message in messages if message["To"] == "ada@acme.example"]) == 2


def test_address_that_is_taken_meanwhile_stays_whose_it_is(app, cast, ada, link):
    page = ada.page(link)
    cast.ben.change(email=NEW)
    answer = ada.submit(page, link)
    assert answer.status_code == 410
    assert "Your profile says which address" in answer.text
    assert email_of(app, cast.ada) == "ada@acme.example"


def test_looking_at_the_link_changes_nothing_and_it_works_once(app, cast, ada, link):
    for _ in range(2):
        assert ada.get(link).status_code == 200
    assert email_of(app, cast.ada) == "ada@acme.example"
    assert ada.submit(ada.page(link), link).status_code == 303
    assert ada.get(link).status_code == 410
    assert ada.send(link).status_code == 410


def test_link_lasts_an_hour(app, cast, ada, link):
    with time_machine.travel(now() + timedelta(minutes=61)):
        assert ada.get(link).status_code == 410
        assert ada.send(link).status_code == 410
    assert email_of(app, cast.ada) == "ada@acme.example"


def test_last_address_asked_for_counts(ada, link, mailbox):
    ask(ada, "ada@third.example")
    mailbox.deliver()
    assert ada.get(link).status_code == 410


def test_nobody_takes_over_an_account_by_a_link_that_a_stranger_asked_for(app, cast, link):
    """Charlie, whose mailbox the link came to, is led to log in to Ada's account, and cannot."""
    stranger = app.test_client()
    page = stranger.page(link)
    assert not [form for form in page.all("form") if form["method"] == "post"]
    [way] = [anchor for anchor in page.all("a") if anchor.text == "Log in"]
    assert way["href"] == f"/login?next={link}"
    assert stranger.send(link).status_code == 403
    cast.charlie.sign_in(stranger)
    assert "sign out first" in stranger.page(link).text
    assert stranger.send(link).status_code == 403
    assert email_of(app, cast.ada) == "ada@acme.example"
    assert email_of(app, cast.charlie) == "charlie@globex.example"


def test_in_another_browser_logging_in_leads_back_to_the_link(app, cast, link):
    other = app.test_client()
    [way] = [anchor for anchor in other.page(link).all("a") if anchor.text == "Log in"]
    answer = other.submit(other.page(way["href"]), "/login", email=cast.ada.email, password=cast.ada.password)
    assert answer.headers["Location"] == link
    assert other.submit(other.page(link), link).status_code == 303
    assert email_of(app, cast.ada) == NEW


def test_links_that_went_to_the_old_address_are_dead(app, cast, ada, link, mailbox):
    app.test_client().send("/forgot-password", email="ada@acme.example")
    reset = mailbox.link_in(mailbox.deliver()[0])
    ada.submit(ada.page(link), link)
    assert app.test_client().get(reset).status_code == 410


def test_old_proof_is_not_enough_and_after_another_the_change_goes_on(app, cast, ada):
    with app.app_context():
        db.session.scalars(select(UserSession)).one().proven_at = now() - timedelta(minutes=31)
        db.session.commit()
    answer = ask(ada, full_name="Ada P. Park")
    assert answer.status_code == 403
    assert rows.count(app, OutboxMessage) == 0
    page = parse(answer.text)
    answer = ada.submit(page, PROFILE, proof_password=cast.ada.password)
    assert (answer.status_code, answer.headers["Location"]) == (303, PROFILE)
    page = ada.page(PROFILE)
    assert f"We sent a link to {NEW}" in page.text
    assert "Ada P. Park" in page.all("header")[0].text


def test_name_needs_no_proof(app, ada):
    with app.app_context():
        db.session.scalars(select(UserSession)).one().proven_at = None
        db.session.commit()
    assert ask(ada, "ada@acme.example", full_name="Ada P. Park").status_code == 303


def test_user_deleted_in_the_meantime_gets_no_link(app, cast, ada, mailbox):
    ask(ada)
    cast.ada.change(disabled_at=now())
    assert NEW not in by_address(mailbox.deliver())
    assert rows.count(app, MailLink) == 0
