"""Sign up: a form, a mail, an account with a team; the same for every address."""

import re

import pytest
from sqlalchemy import select

from reflow_accounts.auth.models import MailLink
from reflow_accounts.database import db
from reflow_accounts.mail.models import OutboxMessage
from reflow_accounts.teams.models import Membership
from reflow_accounts.users.models import User
from tests.helpers import rows
from tests.helpers.html import parse
from tests.helpers.mailbox import html_of, text_of
from tests.users.signing_up import PASSWORD, WORDS, press, sign_up

pytestmark = pytest.mark.postgresql_later


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


def test_team_may_have_the_name_of_another(cast, client, mailbox):
    sign_up(client, team_name="Acme")
    press(client, mailbox.link_in(mailbox.deliver()[0]))
    assert client.page("/account/api-keys").text.count("Subscription inactive") == 1


def test_known_address_reads_the_same_and_gets_another_mail(app, cast, mailbox):
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
    from reflow_accounts.auth.passwords import PasswordHasher

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


def test_log_in_page_and_this_one_lead_to_each_other(client):
    assert [link for link in client.page("/login").all("a") if link["href"] == "/signup"]
    assert [link for link in client.page("/signup").all("a") if link["href"] == "/login"]


def test_eleventh_sign_up_in_five_minutes_waits(app, client):
    for _ in range(10):
        assert client.send("/signup", **WORDS).status_code == 200
    answer = client.send("/signup", **WORDS)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert rows.count(app, OutboxMessage) == 10


def test_mistakes_in_the_form_are_no_attempts(client):
    for _ in range(12):
        assert sign_up(client, password="short").status_code == 422  # pragma: allowlist secret
    assert sign_up(client).status_code == 200


def test_too_many_attempts_keep_what_was_typed(client):
    for number in range(10):
        assert sign_up(client, email=f"eve{number}@initech.example").status_code == 200
    answer = sign_up(client)
    assert answer.status_code == 429
    form = parse(answer.text)
    assert [item["value"] for item in form.all("input") if item["name"] in ("full_name", "team_name")] == [
        "Eve Lund",
        "Initech",
    ]
    assert "Too many attempts" in answer.text
