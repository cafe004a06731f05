"""Password reset: same response for every address, single-use link, second factor kept."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from reflow_accounts.auth.models import MailLink, UserSession
from reflow_accounts.database import db, now
from reflow_accounts.mail.models import OutboxMessage
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.at_once import at_once
from tests.helpers.mailbox import Mailbox, text_of

pytestmark = pytest.mark.postgresql_later

NEW = "a kettle on the moon"


@pytest.fixture
def mailbox(app):
    return Mailbox(app)


def request_reset(client, email):
    return client.submit(client.page("/forgot-password"), "/forgot-password", email=email)


@pytest.fixture
def link(cast, client, mailbox):
    """The path of Ada's reset link."""
    request_reset(client, cast.ada.email)
    [message] = mailbox.deliver()
    assert message["To"] == cast.ada.email
    return mailbox.link_in(message)


def choose_password(client, link, password=NEW):
    return client.submit(client.page(link), link, new_password=password)


def test_user_resets_the_password(app, cast, client, link):
    response = choose_password(client, link)
    assert (response.status_code, response.headers["Location"]) == (303, "/login")
    assert "Your password was changed" in client.page("/login").text
    assert client.get("/account/profile").status_code == 303
    assert client.send("/login", email=cast.ada.email, password=cast.ada.password).status_code == 422
    assert client.send("/login", email=cast.ada.email, password=NEW).status_code == 303
    assert ("password.reset", "Ada Park", "Unknown device") in rows.audit_events(app)


def test_every_session_ends_and_keys_are_kept(app, cast, client, link, api):
    browser, session, key = cast.ada.sign_in(app.test_client()), cast.ada.session(), cast.ada.key()
    ben = cast.ben.sign_in(app.test_client())
    assert choose_password(client, link).status_code == 303
    assert browser.get("/account/profile").status_code == 303
    problem_of(api(session).get("/me"), 401, "unknown_key")
    assert api(key.secret).get("/me").status_code == 200
    assert ben.get("/account/profile").status_code == 200


def test_second_factor_is_kept(app, cast, client, link):
    cast.ada.change(totp_secret=b"secret", totp_on_at=now(), totp_step=5)
    choose_password(client, link)
    with app.app_context():
        row = cast.ada.row()
        assert (row.totp_secret, row.totp_step) == (b"secret", 5)
        assert row.totp_on_at
        assert not db.session.scalars(select(UserSession)).all()


def test_notice_is_mailed(cast, client, link, mailbox):
    choose_password(client, link)
    [notice] = mailbox.deliver()
    assert (notice["To"], notice["Subject"]) == (cast.ada.email, "Your password was changed")
    assert "If it was you, all is well. If it was not" in text_of(notice)


def test_response_is_the_same_for_every_address(app, cast, mailbox):
    cast.ben.change(disabled_at=now())
    cast.vic.change(disabled_at=now(), deleted_at=now())
    seen = set()
    addresses = ["ada@acme.example", "ben@acme.example", "vic@acme.example", "xyz@acme.example"]
    for email in addresses:
        response = request_reset(app.test_client(), email)
        headers = sorted(
            name if name == "Set-Cookie" else f"{name}: {value}" for name, value in response.headers
        )
        seen.add((response.status_code, response.text.replace(email, ""), tuple(headers)))
    assert len(seen) == 1
    assert rows.count(app, OutboxMessage) == len(addresses)
    assert [message["To"] for message in mailbox.deliver()] == ["ada@acme.example"]
    assert rows.count(app, MailLink) == 1


def test_request_does_not_query_users(app, cast, client):
    token = client.csrf_token()
    with rows.collect_statements(app) as statements:
        client.post("/forgot-password", data={"email": cast.ada.email, "csrf_token": token})
    assert statements.seen
    assert not [text for text in statements.seen if "users" in text]


@pytest.mark.parametrize("email", ["", "ada", "ada@", "acme-ci", "a@b@c.example"])
def test_invalid_address_is_explained(app, client, email):
    response = request_reset(client, email)
    assert response.status_code == 422
    assert "Enter an email address like name@example.com" in response.text
    assert rows.count(app, OutboxMessage) == 0


def test_opening_the_link_changes_nothing_and_it_works_once(cast, client, link):
    for _ in range(2):
        assert client.get(link).status_code == 200
    assert choose_password(client, link).status_code == 303
    for response in (
        client.get(link),
        client.send(link, new_password="another kettle, on mars"),  # pragma: allowlist secret
    ):
        assert response.status_code == 410
        assert "This link does not work any more" in response.text
        assert 'href="/forgot-password"' in response.text
    assert client.send("/login", email=cast.ada.email, password=NEW).status_code == 303


def test_link_works_once_also_for_requests_at_the_same_time(app, link):
    browsers = [app.test_client() for _ in range(4)]
    pages = [browser.page(link) for browser in browsers]
    passwords = [f"kettle {number} on the moon" for number in range(4)]
    responses = at_once(
        [
            lambda browser=browser, page=page, password=password: browser.submit(
                page, link, new_password=password
            )
            for browser, page, password in zip(browsers, pages, passwords, strict=True)
        ]
    )
    assert sorted(response.status_code for response in responses) == [303, 410, 410, 410]
    assert [action for action, *_ in rows.audit_events(app)].count("password.reset") == 1


def test_link_expires_after_an_hour(client, link):
    with time_machine.travel(now() + timedelta(minutes=61)):
        assert client.get(link).status_code == 410
        assert client.send(link, new_password=NEW).status_code == 410


@pytest.mark.parametrize("change_link", [lambda link: link[:-2], lambda link: "/reset-password/lnk_0"])
def test_forged_link_is_refused(client, link, change_link):
    assert client.get(change_link(link)).status_code == 410
    assert client.send(change_link(link), new_password=NEW).status_code == 410


def test_reset_invalidates_other_links(cast, client, link, mailbox):
    request_reset(client, cast.ada.email)
    second = mailbox.link_in(mailbox.deliver()[0])
    choose_password(client, second)
    assert client.get(link).status_code == 410


@pytest.mark.parametrize("change", [{"disabled_at": 1}, {"disabled_at": 1, "deleted_at": 1}])
def test_link_of_a_disabled_account_is_refused(cast, client, link, change):
    cast.ada.change(**dict.fromkeys(change, now()))
    assert client.get(link).status_code == 410
    assert client.send(link, new_password=NEW).status_code == 410


def test_link_to_a_former_address_is_refused(cast, client, link):
    cast.ada.change(email="ada@elsewhere.example")
    assert client.get(link).status_code == 410


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "Enter a password"),
        ("short", "Use at least 12 characters"),
        ("x" * 1025, "Use at most 1,024 characters"),
        ("passwordpassword", "one of the first that others would try"),
        ("ada-park-2026", "made of your name"),
        ("acme-acme-acme", "made of your name"),
    ],
)
def test_invalid_password_is_explained_and_the_link_stays_valid(cast, client, link, password, sentence):
    response = choose_password(client, link, password)
    assert response.status_code == 422
    assert sentence in response.text
    assert choose_password(client, link).status_code == 303


def test_session_of_another_user_is_kept(cast, client, link):
    cast.ben.sign_in(client)
    assert choose_password(client, link).status_code == 303
    assert "Ben Cole" in client.page("/account/profile").text


@pytest.mark.parametrize("email", ["ada@acme.example", "xyz@acme.example"])
def test_eleventh_request_in_five_minutes_is_limited(app, cast, client, email):
    for _ in range(10):
        assert client.send("/forgot-password", email=email).status_code == 200
    response = client.send("/forgot-password", email=email)
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 300
    assert rows.count(app, OutboxMessage) == 10


def test_address_gets_at_most_three_mails_an_hour(app, cast, client, mailbox):
    for _ in range(5):
        assert client.send("/forgot-password", email=cast.ada.email).status_code == 200
    client.send("/forgot-password", email=cast.ben.email)
    mails = mailbox.deliver()
    assert sorted(mail["To"] for mail in mails) == [cast.ada.email] * 3 + [cast.ben.email]
    with time_machine.travel(now() + timedelta(hours=1, seconds=1)):
        client.send("/forgot-password", email=cast.ada.email)
        assert [mail["To"] for mail in mailbox.deliver()] == [cast.ada.email]


def test_requests_of_others_do_not_prevent_a_reset(app, cast, client):
    for number in range(20):
        fields = {"email": cast.ada.email, "csrf_token": client.csrf_token()}
        environ = {"REMOTE_ADDR": f"198.51.100.{number}"}
        assert client.post("/forgot-password", data=fields, environ_base=environ).status_code == 200
    assert client.send("/forgot-password", email=cast.ada.email).status_code == 200
