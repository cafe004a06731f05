"""Sign up: a mail with a link, a page with a button, an account with a team; the same for every address."""

import re
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from reflow_accounts.extensions import db, now
from reflow_accounts.identity.models import MailLink, User
from reflow_accounts.mail.models import OutboxMessage
from reflow_accounts.teams.models import Membership, Team
from tests.helpers import rows
from tests.helpers.mailbox import Mailbox, html_of, text_of

PASSWORD = "a kettle on the moon"  # pragma: allowlist secret
WORDS = {
    "full_name": "Eve Lund",
    "email": "eve@initech.example",
    "team_name": "Initech",
    "password": PASSWORD,
}


@pytest.fixture
def mailbox(app):
    return Mailbox(app)


def sign_up(client, **changes):
    return client.submit(client.page("/signup"), "/signup", **WORDS | changes)


@pytest.fixture
def link(client, mailbox):
    """The path of the link that Eve gets after signing up in `client`."""
    assert sign_up(client).status_code == 200
    [message] = mailbox.deliver()
    return mailbox.link_in(message)


def press(client, link, **fields):
    return client.submit(client.page(link), link, **fields)


def test_eve_signs_up_confirms_her_address_and_is_in(app, client, mailbox):
    answer = sign_up(client)
    assert "Check your email" in answer.text
    assert "eve@initech.example" in answer.text
    assert rows.count(app, User) == 0
    [message] = mailbox.deliver()
    assert message["To"] == "eve@initech.example"
    answer = press(client, mailbox.link_in(message))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/profile")
    page = client.page("/account/profile")
    assert "Eve Lund" in page.all("header")[0].text
    assert "Initech" in page.text
    assert ("account.created", "Eve Lund", "") in rows.acts(app)


def test_who_signs_up_is_the_admin_of_a_new_team_and_can_log_in_again(app, client, link):
    press(client, link)
    with app.app_context():
        membership = db.session.scalars(select(Membership)).one()
        assert (membership.rights, membership.team.name) == ("admin", "Initech")
    client.send("/logout")
    assert client.send("/login", email="EVE@initech.example", password=PASSWORD).status_code == 303


def test_a_team_may_have_the_name_of_another(cast, client, mailbox):
    sign_up(client, team_name="Acme")
    press(client, mailbox.link_in(mailbox.deliver()[0]))
    assert client.page("/account/api-keys").text.count("Subscription inactive") == 1


def test_looking_at_the_link_changes_nothing(app, client, link):
    for _ in range(3):
        assert client.get(link).status_code == 200
    assert rows.count(app, User) == 0
    assert press(client, link).status_code == 303


def test_in_another_browser_the_password_is_asked_for_as_well(app, link):
    other = app.test_client()
    assert other.page(link).with_id("password")
    for wrong in ("", "not-the-password"):
        answer = press(other, link, password=wrong)
        assert answer.status_code == 422
        assert "Password is not correct" in answer.text
        assert "not-the-password" not in answer.text
    assert rows.count(app, User) == 0
    assert press(other, link, password=PASSWORD).status_code == 303
    assert other.get("/account/profile").status_code == 200


def test_the_password_cannot_be_left_out_of_the_form(app, link):
    other = app.test_client()
    assert other.send(link).status_code == 422
    assert rows.count(app, User) == 0


def test_in_the_browser_that_signed_up_the_button_is_enough(client, link):
    assert client.page(link).with_id("password") is None


def test_nobody_can_prepare_an_account_for_somebody_elses_address(app, client, mailbox):
    """Mallory signs Eve up with a password that Mallory knows; Eve signs up herself and opens Mallory's link."""
    mallory = app.test_client()
    sign_up(mallory, password="known to mallory alone")  # pragma: allowlist secret
    [hers] = mailbox.deliver()
    sign_up(client)
    [own] = mailbox.deliver()
    assert press(client, mailbox.link_in(hers), password=PASSWORD).status_code == 422
    assert rows.count(app, User) == 0
    assert press(client, mailbox.link_in(own)).status_code == 303
    assert client.get(mailbox.link_in(hers)).status_code == 410


def test_two_links_for_one_address_make_one_account(app, client, mailbox):
    sign_up(client)
    sign_up(client)
    first, second = (mailbox.link_in(message) for message in mailbox.deliver())
    other = app.test_client()
    page = other.page(second)
    assert press(client, first).status_code == 303
    answer = other.submit(page, second, password=PASSWORD)
    assert answer.status_code == 410
    assert "This link does not work any more" in answer.text
    assert (rows.count(app, User), rows.count(app, Team)) == (1, 1)


def test_a_used_link_leads_on(client, link):
    press(client, link)
    client.send("/logout")
    for answer in (client.get(link), client.send(link)):
        assert answer.status_code == 410
        assert "Sign up again" in answer.text
        assert 'href="/login"' in answer.text


def test_a_link_lasts_an_hour(app, client, link):
    with time_machine.travel(now() + timedelta(minutes=59)):
        assert client.get(link).status_code == 200
    with time_machine.travel(now() + timedelta(minutes=61)):
        assert client.get(link).status_code == 410
        assert client.send(link).status_code == 410
    assert rows.count(app, User) == 0


@pytest.mark.parametrize(
    "mend", [lambda link: link[:-1], lambda link: link + "x", lambda link: "/verify-email/lnk_0.x"]
)
def test_a_link_that_we_did_not_send_opens_nothing(app, client, link, mend):
    assert client.get(mend(link)).status_code == 410
    assert client.send(mend(link)).status_code == 410
    assert rows.count(app, User) == 0


def test_a_link_is_good_for_one_purpose_alone(client, link):
    token = link.removeprefix("/verify-email/")
    assert client.get(f"/reset-password/{token}").status_code == 410
    assert client.get(f"/confirm-email/{token}").status_code == 410


def test_expired_links_are_cleared_away(app, client, link, mailbox):
    with time_machine.travel(now() + timedelta(days=2)):
        sign_up(client, email="other@initech.example")
        mailbox.deliver()
        assert rows.count(app, MailLink) == 1


def test_a_known_address_reads_the_same_and_gets_another_mail(app, cast, mailbox):
    answers, mails = [], []
    for email in ("eve@initech.example", "ADA@acme.example"):
        answer = sign_up(app.test_client(), email=email)
        text = answer.text.replace(email, "")
        headers = sorted((name, "" if name == "Set-Cookie" else value) for name, value in answer.headers)
        answers.append((answer.status_code, re.sub(r'value="[^"]*"', "", text), headers))
        mails += mailbox.deliver()
    # The lengths of the two pages differ by those of the addresses.
    lengths = [dict(headers).pop("Content-Length") for _, _, headers in answers]
    assert int(lengths[0]) - int(lengths[1]) == len("eve@initech.example") - len("ada@acme.example")
    for _, _, headers in answers:
        headers[:] = [header for header in headers if header[0] != "Content-Length"]
    assert answers[0] == answers[1]
    new, known = mails
    assert known["To"] == "ada@acme.example"
    assert known["Subject"] == "You already have an account"
    for part in (text_of(known), html_of(known)):
        assert "/login" in part
        assert "/forgot-password" in part
        assert "verify-email" not in part
        assert "Initech" not in part
    assert "verify-email" in text_of(new)


def test_signing_up_again_changes_nothing_for_who_has_an_account(app, cast, client, mailbox):
    sign_up(client, email=cast.ada.email)
    mailbox.deliver()
    assert rows.count(app, MailLink) == 0
    cast.ada.sign_in(client)
    assert "Ada Park" in client.page("/account/profile").text


def test_each_request_hashes_once_and_writes_one_row(app, cast, monkeypatch):
    from reflow_accounts.identity.passwords import PasswordHasher

    hashes = []
    hash_ = PasswordHasher.hash
    monkeypatch.setattr(PasswordHasher, "hash", lambda self, word: hashes.append(word) or hash_(self, word))
    for email in (cast.ada.email, "eve@initech.example"):
        before = rows.count(app, OutboxMessage)
        client = app.test_client()
        token = client.csrf_token()
        with rows.watching(app) as statements:
            client.post("/signup", data=WORDS | {"email": email, "csrf_token": token})
        assert len(hashes) == 1
        assert rows.count(app, OutboxMessage) == before + 1
        assert not [text for text in statements.seen if "users" in text]
        hashes.clear()


FAULTS = {
    "full_name": {"": "Enter your full name", "x" * 121: "Use at most 120 characters"},
    "email": dict.fromkeys(
        ("", "eve", "eve@", "@initech.example", "eve@initech", "a b@initech.example", "a@b@c.example"),
        "Enter an email address like name@example.com",
    ),
    "team_name": {"": "Enter a team name", "a\u202eb": "Leave out line breaks and control characters"},
    "password": {"": "Enter a password", "short": "Use at least 12 characters"},
}


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [(field, value, sentence) for field, faults in FAULTS.items() for value, sentence in faults.items()],
)
def test_what_cannot_be_is_said_at_its_field(app, client, field, value, sentence):
    answer = sign_up(client, **{field: value})
    assert answer.status_code == 422
    assert sentence in answer.text
    assert f'id="{field}-error"' in answer.text
    assert "Error: Create your account" in answer.text
    assert PASSWORD not in answer.text
    assert rows.count(app, OutboxMessage) == 0


def test_all_faults_are_said_at_once_and_what_was_typed_stays(client):
    answer = sign_up(client, team_name="", password="short")
    assert "Enter a team name" in answer.text
    assert "Use at least 12 characters" in answer.text
    assert 'value="Eve Lund"' in answer.text


def test_no_password_is_kept_as_it_was_typed(app, client, link):
    with app.app_context():
        for model in (MailLink, OutboxMessage):
            for row in db.session.scalars(select(model)):
                assert PASSWORD not in str(row.data)
        assert db.session.scalars(select(MailLink)).one().data["password_hash"].startswith("$2b$")
    press(client, link)
    with app.app_context():
        assert db.session.scalars(select(MailLink)).one().data == {}


def test_who_is_signed_in_is_led_on(app, cast, client):
    cast.ada.sign_in(client)
    for path in ("/signup", "/forgot-password"):
        assert client.get(path).status_code == 303
    assert client.send("/signup", **WORDS).headers["Location"] == "/account/profile"
    assert rows.count(app, OutboxMessage) == 0


def test_the_log_in_page_and_this_one_lead_to_each_other(client):
    assert [link for link in client.page("/login").all("a") if link["href"] == "/signup"]
    assert [link for link in client.page("/signup").all("a") if link["href"] == "/login"]


def test_confirming_ends_the_session_of_somebody_else_in_the_browser(cast, client, link):
    cast.ada.sign_in(client)
    old = client.get_cookie("reflow").value
    assert press(client, link, password=PASSWORD).status_code == 303
    client.set_cookie("reflow", old)
    assert client.get("/account/profile").status_code == 303
