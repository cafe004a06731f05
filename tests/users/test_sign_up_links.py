"""The link of a sign-up: single use, within an hour, by a button, not for an account prepared by others."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.auth.mail_links import prune_links
from reflow_accounts.auth.models import MailLink
from reflow_accounts.database import db, now
from reflow_accounts.teams.models import Team
from reflow_accounts.users.models import User
from tests.helpers import rows
from tests.users.signing_up import PASSWORD, confirm, sign_up

pytestmark = pytest.mark.postgresql_later


def test_opening_the_link_changes_nothing(app, client, link):
    for _ in range(3):
        assert client.get(link).status_code == 200
    assert rows.count(app, User) == 0
    assert confirm(client, link).status_code == 303


def test_link_in_another_browser_requires_the_password(app, link):
    other = app.test_client()
    assert other.page(link).with_id("password")
    for password in ("", "not-the-password"):
        response = confirm(other, link, password=password)
        assert response.status_code == 422
        assert "Password is not correct" in response.text
        assert "not-the-password" not in response.text
    assert rows.count(app, User) == 0
    assert confirm(other, link, password=PASSWORD).status_code == 303
    assert other.get("/account/profile").status_code == 200


def test_input_is_deleted_a_day_after_the_link_expired(app, link):
    for hours, expected in ((24, 1), (26, 0)):
        with time_machine.travel(now() + timedelta(hours=hours)), app.app_context():
            prune_links()
            db.session.commit()
        assert rows.count(app, MailLink) == expected


def test_missing_password_is_refused(app, link):
    other = app.test_client()
    assert other.send(link).status_code == 422
    assert rows.count(app, User) == 0


def test_link_in_the_same_browser_needs_no_password(client, link):
    assert client.page(link).with_id("password") is None


def test_account_cannot_be_prepared_for_another_persons_address(app, client, mailbox):
    """An attacker signs Eve up with a known password; Eve signs up herself, and opens both links."""
    attacker = app.test_client()
    sign_up(attacker, password="known to mallory alone")  # pragma: allowlist secret
    [attackers_message] = mailbox.deliver()
    sign_up(client)
    [own_message] = mailbox.deliver()
    assert confirm(client, mailbox.link_in(attackers_message), password=PASSWORD).status_code == 422
    assert rows.count(app, User) == 0
    assert confirm(client, mailbox.link_in(own_message)).status_code == 303
    assert client.get(mailbox.link_in(attackers_message)).status_code == 410


def test_two_links_for_one_address_create_one_account(app, client, mailbox):
    sign_up(client)
    sign_up(client)
    first, second = (mailbox.link_in(message) for message in mailbox.deliver())
    other = app.test_client()
    page = other.page(second)
    assert confirm(client, first).status_code == 303
    response = other.submit(page, second, password=PASSWORD)
    assert response.status_code == 410
    assert "This link does not work any more" in response.text
    assert (rows.count(app, User), rows.count(app, Team)) == (1, 1)


def test_used_link_links_to_log_in(client, link):
    confirm(client, link)
    client.send("/logout")
    for response in (client.get(link), client.send(link)):
        assert response.status_code == 410
        assert "Sign up again" in response.text
        assert 'href="/login"' in response.text


def test_link_expires_after_an_hour(app, client, link):
    with time_machine.travel(now() + timedelta(minutes=59)):
        assert client.get(link).status_code == 200
    with time_machine.travel(now() + timedelta(minutes=61)):
        assert client.get(link).status_code == 410
        assert client.send(link).status_code == 410
    assert rows.count(app, User) == 0


@pytest.mark.parametrize(
    "change_link", [lambda link: link[:-1], lambda link: link + "x", lambda link: "/verify-email/lnk_0.x"]
)
def test_forged_link_is_refused(app, client, link, change_link):
    assert client.get(change_link(link)).status_code == 410
    assert client.send(change_link(link)).status_code == 410
    assert rows.count(app, User) == 0


def test_link_is_valid_for_one_purpose_only(client, link):
    token = link.removeprefix("/verify-email/")
    assert client.get(f"/reset-password/{token}").status_code == 410
    assert client.get(f"/confirm-email/{token}").status_code == 410


def test_confirmation_ends_the_session_of_another_user(cast, client, link):
    cast.ada.log_in(client)
    old = client.get_cookie("reflow").value
    assert confirm(client, link, password=PASSWORD).status_code == 303
    client.set_cookie("reflow", old)
    assert client.get("/account/profile").status_code == 303


def test_eleventh_wrong_password_of_a_link_is_limited(app, link):
    other = app.test_client()
    for _ in range(10):
        assert other.send(link, password="wrong").status_code == 422
    assert other.send(link, password=PASSWORD).status_code == 429
