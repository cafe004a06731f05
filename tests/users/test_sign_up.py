"""Sign-up: a form, a mail, an account with a team; same response for every address."""

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
from tests.users.signing_up import FIELDS, PASSWORD, confirm, sign_up

pytestmark = pytest.mark.postgresql_later


def test_user_signs_up_and_confirms_the_address(app, client, mailbox):
    response = sign_up(client)
    assert "Check your email" in response.text
    assert "eve@initech.example" in response.text
    assert rows.count(app, User) == 0
    [message] = mailbox.deliver()
    assert message["To"] == "eve@initech.example"
    response = confirm(client, mailbox.link_in(message))
    assert (response.status_code, response.headers["Location"]) == (303, "/account/profile")
    page = client.page("/account/profile")
    assert "Eve Lund" in page.all("header")[0].text
    assert "Initech" in page.text
    assert ("account.created", "Eve Lund", "") in rows.audit_events(app)


def test_new_user_is_admin_of_a_new_team(app, client, link):
    confirm(client, link)
    with app.app_context():
        membership = db.session.scalars(select(Membership)).one()
        assert (membership.rights, membership.team.name) == ("admin", "Initech")
    client.send("/logout")
    assert client.send("/login", email="EVE@initech.example", password=PASSWORD).status_code == 303


def test_team_can_have_the_name_of_another(cast, client, mailbox):
    sign_up(client, team_name="Acme")
    confirm(client, mailbox.link_in(mailbox.deliver()[0]))
    assert client.page("/account/api-keys").text.count("Subscription inactive") == 1


def test_known_address_has_the_same_response_and_another_mail(app, cast, mailbox):
    responses, mails = [], []
    for email in ("eve@initech.example", "ADA@acme.example"):
        response = sign_up(app.test_client(), email=email)
        text = response.text.replace(email, "")
        headers = sorted((name, "" if name == "Set-Cookie" else value) for name, value in response.headers)
        responses.append((response.status_code, re.sub(r'value="[^"]*"', "", text), headers))
        mails += mailbox.deliver()
    # The lengths of the two pages differ by those of the addresses.
    lengths = [dict(headers).pop("Content-Length") for _, _, headers in responses]
    assert int(lengths[0]) - int(lengths[1]) == len("eve@initech.example") - len("ada@acme.example")
    for _, _, headers in responses:
        headers[:] = [header for header in headers if header[0] != "Content-Length"]
    assert responses[0] == responses[1]
    new_mail, known_mail = mails
    assert known_mail["To"] == "ada@acme.example"
    assert known_mail["Subject"] == "You already have an account"
    for part in (text_of(known_mail), html_of(known_mail)):
        assert "/login" in part
        assert "/forgot-password" in part
        assert "verify-email" not in part
        assert "Initech" not in part
    assert "verify-email" in text_of(new_mail)


def test_sign_up_with_a_known_address_changes_nothing(app, cast, client, mailbox):
    sign_up(client, email=cast.ada.email)
    mailbox.deliver()
    assert rows.count(app, MailLink) == 0
    cast.ada.sign_in(client)
    assert "Ada Park" in client.page("/account/profile").text


def test_request_hashes_once_and_writes_one_row(app, cast, monkeypatch):
    from reflow_accounts.auth.passwords import PasswordHasher

    hashes = []
    hash_ = PasswordHasher.hash
    monkeypatch.setattr(PasswordHasher, "hash", lambda self, word: hashes.append(word) or hash_(self, word))
    for email in (cast.ada.email, "eve@initech.example"):
        before = rows.count(app, OutboxMessage)
        client = app.test_client()
        token = client.csrf_token()
        with rows.collect_statements(app) as statements:
            client.post("/signup", data=FIELDS | {"email": email, "csrf_token": token})
        assert len(hashes) == 1
        assert rows.count(app, OutboxMessage) == before + 1
        assert not [text for text in statements.seen if "users" in text]
        hashes.clear()


ERRORS = {
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
    [(field, value, sentence) for field, errors in ERRORS.items() for value, sentence in errors.items()],
)
def test_invalid_value_is_explained_at_its_field(app, client, field, value, sentence):
    response = sign_up(client, **{field: value})
    assert response.status_code == 422
    assert sentence in response.text
    assert f'id="{field}-error"' in response.text
    assert "Error: Create your account" in response.text
    assert PASSWORD not in response.text
    assert rows.count(app, OutboxMessage) == 0


def test_all_errors_are_shown_at_once_and_input_is_kept(client):
    response = sign_up(client, team_name="", password="short")
    assert "Enter a team name" in response.text
    assert "Use at least 12 characters" in response.text
    assert 'value="Eve Lund"' in response.text


def test_password_is_not_stored_in_plain_text(app, client, link):
    with app.app_context():
        for model in (MailLink, OutboxMessage):
            for row in db.session.scalars(select(model)):
                assert PASSWORD not in str(row.data)
        assert db.session.scalars(select(MailLink)).one().data["password_hash"].startswith("$2b$")
    confirm(client, link)
    with app.app_context():
        assert db.session.scalars(select(MailLink)).one().data == {}


def test_signed_in_user_is_redirected(app, cast, client):
    cast.ada.sign_in(client)
    for path in ("/signup", "/forgot-password"):
        assert client.get(path).status_code == 303
    assert client.send("/signup", **FIELDS).headers["Location"] == "/account/profile"
    assert rows.count(app, OutboxMessage) == 0


def test_log_in_page_and_sign_up_page_link_to_each_other(client):
    assert [link for link in client.page("/login").all("a") if link["href"] == "/signup"]
    assert [link for link in client.page("/signup").all("a") if link["href"] == "/login"]


def test_eleventh_sign_up_in_five_minutes_is_limited(app, client):
    for _ in range(10):
        assert client.send("/signup", **FIELDS).status_code == 200
    response = client.send("/signup", **FIELDS)
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0
    assert rows.count(app, OutboxMessage) == 10


def test_invalid_forms_are_not_counted(client):
    for _ in range(12):
        assert sign_up(client, password="short").status_code == 422  # pragma: allowlist secret
    assert sign_up(client).status_code == 200


def test_limited_sign_up_keeps_the_input(client):
    for number in range(10):
        assert sign_up(client, email=f"eve{number}@initech.example").status_code == 200
    response = sign_up(client)
    assert response.status_code == 429
    form = parse(response.text)
    assert [item["value"] for item in form.all("input") if item["name"] in ("full_name", "team_name")] == [
        "Eve Lund",
        "Initech",
    ]
    assert "Too many attempts" in response.text
