"""The link of a sign-up: once, within an hour, by a button, and not for somebody else's account."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.auth.mail_links import prune_links
from reflow_accounts.auth.models import MailLink
from reflow_accounts.database import db, now
from reflow_accounts.teams.models import Team
from reflow_accounts.users.models import User
from tests.helpers import rows
from tests.users.signing_up import PASSWORD, press, sign_up

pytestmark = pytest.mark.postgresql_later


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


def test_what_was_typed_is_deleted_a_day_after_the_link_expired(app, link):
    for hours, left in ((24, 1), (26, 0)):
        with time_machine.travel(now() + timedelta(hours=hours)), app.app_context():
            prune_links()
            db.session.commit()
        assert rows.count(app, MailLink) == left


def test_password_cannot_be_left_out_of_the_form(app, link):
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


def test_used_link_leads_on(client, link):
    press(client, link)
    client.send("/logout")
    for answer in (client.get(link), client.send(link)):
        assert answer.status_code == 410
        assert "Sign up again" in answer.text
        assert 'href="/login"' in answer.text


def test_link_lasts_an_hour(app, client, link):
    with time_machine.travel(now() + timedelta(minutes=59)):
        assert client.get(link).status_code == 200
    with time_machine.travel(now() + timedelta(minutes=61)):
        assert client.get(link).status_code == 410
        assert client.send(link).status_code == 410
    assert rows.count(app, User) == 0


@pytest.mark.parametrize(
    "mend", [lambda link: link[:-1], lambda link: link + "x", lambda link: "/verify-email/lnk_0.x"]
)
def test_link_that_we_did_not_send_opens_nothing(app, client, link, mend):
    assert client.get(mend(link)).status_code == 410
    assert client.send(mend(link)).status_code == 410
    assert rows.count(app, User) == 0


def test_link_is_good_for_one_purpose_alone(client, link):
    token = link.removeprefix("/verify-email/")
    assert client.get(f"/reset-password/{token}").status_code == 410
    assert client.get(f"/confirm-email/{token}").status_code == 410


def test_confirming_ends_the_session_of_somebody_else_in_the_browser(cast, client, link):
    cast.ada.sign_in(client)
    old = client.get_cookie("reflow").value
    assert press(client, link, password=PASSWORD).status_code == 303
    client.set_cookie("reflow", old)
    assert client.get("/account/profile").status_code == 303


def test_eleventh_guess_at_the_password_of_a_link_waits(app, link):
    other = app.test_client()
    for _ in range(10):
        assert other.send(link, password="wrong").status_code == 422
    assert other.send(link, password=PASSWORD).status_code == 429
