"""Mails about keys that end, are refused, or are not used; and the switches on Profile. Each is sent once."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import event

from reflow_accounts.api_keys import reminders
from reflow_accounts.database import db, now
from reflow_accounts.teams.models import Rights
from tests.api_keys.usage.use_log import roll_up
from tests.helpers.at_once import at_once
from tests.helpers.mailbox import Mailbox, text_of

DAY = timedelta(days=1)


@pytest.fixture
def mailbox(app):
    return Mailbox(app)


@pytest.fixture
def send_due(app, mailbox):
    """`send_due()`: let two nodes send at once; return (address, subject) of each mail, sorted."""

    def run():
        def send_from_one_node():
            with app.app_context():
                reminders.send_reminders()
                reminders.remind_of_unused_keys()

        at_once([send_from_one_node, send_from_one_node])
        return sorted((message["To"], message["Subject"]) for message in mailbox.deliver())

    return run


def test_expiry_is_announced_once_14_and_2_days_before(cast, send_due):
    end = now() + 60 * DAY
    key = cast.ada.key("CI", expires_at=end)
    cast.ada.key("never")
    cast.ada.key("short", expires_at=now() + DAY)
    subjects = []
    for days in (14.1, 13.9, 13, 2.1, 1.9, 1, 0.1):
        with time_machine.travel(end - days * DAY):
            # Reminders are also sent without an active subscription.
            subjects.append([subject for _, subject in send_due()])
    assert subjects == [
        [],
        ["The API key CI ends in 14 days"],
        [],
        [],
        ["The API key CI ends in 2 days"],
        [],
        [],
    ]
    assert key


@pytest.mark.postgresql_later
def test_admins_are_mailed_about_keys_of_service_accounts(cast, send_due):
    cast.acme.give(cast.ben, Rights.ADMIN)
    cast.ci.key("deploy", expires_at=now() + 30 * DAY)
    with time_machine.travel(now() + 20 * DAY):
        cast.ben.change(mails_ends=False)
        assert send_due() == [(cast.ada.email, "The API key deploy ends in 10 days")]


@pytest.mark.postgresql_later
def test_end_that_stops_no_program_unexpectedly_is_not_announced(cast, api, send_due):
    end = now() + DAY
    with time_machine.travel(now() - 60 * DAY):
        rotated = cast.ada.key("rotated")
        cast.ada.key("bait", expires_at=end, is_canary=True)
    assert api(cast.ada.session()).post(f"/keys/{rotated.id}/rotation", {}).status_code == 201
    cast.ada.key("short", expires_at=end)
    assert send_due() == []


@pytest.mark.postgresql_later
def test_disabled_person_is_mailed_nothing(cast, send_due):
    cast.ada.key("CI", expires_at=now() + 30 * DAY)
    cast.ada.change(disabled_at=now())
    with time_machine.travel(now() + 20 * DAY):
        assert send_due() == []


@pytest.mark.postgresql_later
@pytest.mark.parametrize(("remaining", "words"), [(3 * DAY, "3 days"), (DAY, "1 day")])
def test_mail_about_a_shortened_key_gives_its_remaining_time(cast, api, send_due, remaining, words):
    with time_machine.travel(now() - 60 * DAY):
        key = cast.ada.key("CI")
    api(cast.ada.session()).patch(
        f"/keys/{key.id}", {"expires_at": f"{now() + remaining:%Y-%m-%dT%H:%M:%SZ}"}
    )
    assert [subject for _, subject in send_due()] == [f"The API key CI ends in {words}"]


@pytest.mark.postgresql_later
def test_repeatedly_refused_key_is_reported_once_per_revocation(cast, api, send_due, mailbox):
    key, ada = cast.ada.key("CI"), api(cast.ada.session())
    for _ in range(2):
        ada.delete(f"/keys/{key.id}")
        for _ in range(9):
            api(key.secret).get("/me")
        assert send_due() == []
        api(key.secret).get("/me")
        assert send_due() == [(cast.ada.email, "The API key CI is refused repeatedly")]
        api(key.secret).get("/me")
        assert send_due() == []
        ada.delete(f"/keys/{key.id}/revocation")
        mailbox.deliver()


@pytest.mark.postgresql_later
def test_key_that_is_refused_again_after_a_quiet_day_is_reported_again(cast, api, send_due, mailbox):
    key, start = cast.ada.key("CI"), now()
    cast.acme.unsubscribe()
    mailbox.deliver()
    for days in (0, 2):
        with time_machine.travel(start + days * DAY):
            for _ in range(10):
                api(key.secret).get("/me")
            assert send_due() == [(cast.ada.email, "The API key CI is refused repeatedly")]


@pytest.mark.postgresql_later
def test_refusals_of_an_earlier_day_are_not_reported(cast, api, send_due):
    key = cast.ada.key("CI")
    cast.ada.change(mails_refusals=False)
    api(cast.ada.session()).delete(f"/keys/{key.id}")
    for _ in range(10):
        api(key.secret).get("/me")
    assert send_due() == []
    cast.ada.change(mails_refusals=True)
    with time_machine.travel(now() + 2 * DAY):
        assert send_due() == []


@pytest.mark.postgresql_later
def test_refused_key_of_a_deleted_service_account_is_not_reported(cast, api, send_due):
    key = cast.ci.key("deploy")
    account = f"/teams/{cast.acme.id}/service-accounts/{cast.ci.id}"
    assert api(cast.ada.session()).delete(account).status_code == 204
    for _ in range(10):
        api(key.secret).get("/me")
    assert send_due() == []


@pytest.mark.postgresql_later
def test_refused_key_of_a_removed_member_is_explained(app, cast, api, mailbox):
    key = cast.ben.key("CI")
    api(cast.ada.session()).delete(f"/teams/{cast.acme.id}/members/{cast.ben.id}")
    for _ in range(10):
        api(key.secret).get("/me")
    with app.app_context():
        reminders.send_reminders()
    [message] = mailbox.deliver()
    assert "because its user is in no team with an active AWS Marketplace subscription." in text_of(message)


@pytest.mark.postgresql_later
def test_many_refused_keys_are_all_reported(cast, api, send_due, monkeypatch):
    monkeypatch.setattr(reminders, "_AT_ONCE", 2)
    keys = [cast.ada.key(f"CI {number}") for number in range(5)]
    for key in keys:
        api(cast.ada.session()).delete(f"/keys/{key.id}")
        for _ in range(10):
            api(key.secret).get("/me")
    assert len(send_due()) == 5


@pytest.mark.postgresql_later
@pytest.mark.parametrize("is_rolled_up", [False, True])
def test_key_unused_for_90_days_is_reported_once_until_its_next_use(app, cast, api, send_due, is_rolled_up):
    cast.ada.key("CI")
    used = cast.ada.key("used")
    report = "The API key {} has not been used for 90 days".format
    start = now()
    with time_machine.travel(start + 80 * DAY):
        assert api(used.secret).get("/me").status_code == 200
        if is_rolled_up:
            roll_up(app)
    with time_machine.travel(start + 91 * DAY):
        assert send_due() == [(cast.ada.email, report("CI"))]
        assert send_due() == []
    with time_machine.travel(start + 171 * DAY):
        assert send_due() == [(cast.ada.email, report("used"))]


@pytest.mark.postgresql_later
def test_mails_can_be_turned_off_on_the_profile(cast, client, send_due, mailbox):
    ada = cast.ada.sign_in(client)
    page = ada.page("/account/profile")
    checkboxes = [item["name"] for item in page.all("input") if item["name"].startswith("mails_")]
    assert checkboxes == ["mails_new_clients", "mails_refusals", "mails_ends", "mails_unused"]
    assert all("checked" in item for item in page.all("input") if item["name"] in checkboxes)
    cast.ada.key("CI", expires_at=now() + 30 * DAY)
    ada.send(
        "/account/profile", full_name="Ada Park", email=cast.ada.email, appearance="device", time_zone="UTC"
    )
    page = ada.page("/account/profile")
    assert not any("checked" in item for item in page.all("input") if item["name"] in checkboxes)
    with time_machine.travel(now() + 20 * DAY):
        assert send_due() == []
        cast.ada.change(mails_ends=True)
        with client.application.app_context():
            reminders.send_reminders()
        [message] = mailbox.deliver()
    assert "Turn it off there: http" in text_of(message)
    assert "/account/profile" in text_of(message)


@pytest.mark.postgresql_later
def test_other_writers_wait_for_the_mails_about_one_key_at_most(app, cast, mailbox):
    """On SQLite, key checks are refused when one transaction writes for longer than five seconds."""
    for number in range(3):
        cast.ada.key(f"CI {number}", expires_at=now() + 60 * DAY)
    posted, most = 0, 0
    with app.app_context():
        engine = db.engine

        @event.listens_for(engine, "before_cursor_execute")
        def count(_connection, _cursor, statement, *_):
            nonlocal posted, most
            posted += "INSERT INTO outbox_messages" in statement
            most = max(most, posted)

        @event.listens_for(engine, "commit")
        def begin_again(_connection):
            nonlocal posted
            posted = 0

        with time_machine.travel(now() + 50 * DAY):
            reminders.send_reminders()
            mails = mailbox.deliver()
    event.remove(engine, "before_cursor_execute", count)
    event.remove(engine, "commit", begin_again)
    assert (most, len(mails)) == (1, 3)
