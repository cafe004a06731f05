"""The daily mail about keys that are used from a new network or by a new CI system."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import insert

from reflow_accounts.api_keys.models import Use
from reflow_accounts.api_keys.reminders import send_client_digests
from reflow_accounts.api_keys.usage.clients import collect_clients
from reflow_accounts.api_keys.usage.rollup import roll_up
from reflow_accounts.database import db, now
from tests.api_keys.usage import use_log
from tests.helpers.at_once import at_once
from tests.helpers.mailbox import Mailbox, text_of

CI = "reflow/1.2.3 (Linux x86_64) GitHub-Actions (acme/{}; run 1)"


class KeyUses:
    """Uses of one key, and the mails that two nodes send about them."""

    def __init__(self, app, key):
        self.app, self.key, self.mailbox = app, use_log.key_number(app, key.id), Mailbox(app)

    def use(self, address, user_agent="curl/8.5.0"):
        facts = {"key_id": self.key, "method": "GET", "path": "/", "status": 200, "outcome": "accepted"}
        with self.app.app_context():
            db.session.execute(insert(Use).values(at=now(), address=address, user_agent=user_agent, **facts))
            db.session.commit()

    def mails(self):
        def send_from_one_node():
            with self.app.app_context():
                roll_up()
                collect_clients()
                send_client_digests()

        at_once([send_from_one_node, send_from_one_node])
        return self.mailbox.deliver()


@pytest.fixture
def uses(app, cast):
    return KeyUses(app, cast.ada.key("CI"))


def test_new_network_is_mailed_once_unless_it_is_the_first(uses):
    with time_machine.travel("2027-03-10T08:00:00Z") as clock:
        uses.use("192.0.2.1")
        assert uses.mails() == []
        clock.shift(timedelta(minutes=1))
        uses.use("192.0.2.99")
        assert uses.mails() == []
        clock.shift(timedelta(minutes=1))
        uses.use("198.51.100.7")
        [message] = uses.mails()
        assert message["Subject"] == "API keys of Ada Park were used from somewhere new"
        assert "from a new network: curl/8.5.0, 198.51.100.7, first 2027-03-10 08:02" in text_of(message)
        assert "192.0.2" not in text_of(message)
        assert uses.mails() == []


@pytest.mark.postgresql_later
def test_new_networks_of_a_day_are_mailed_together(uses):
    with time_machine.travel("2027-03-10T08:00:00Z") as clock:
        for address in ("192.0.2.1", "198.51.100.7", "203.0.113.9", "2001:db8::1"):
            uses.use(address)
            mails = uses.mails()
            assert len(mails) == (address == "198.51.100.7")
            clock.shift(timedelta(hours=1))
        clock.shift(timedelta(days=1))
        [message] = uses.mails()
        assert "203.0.113.9" in text_of(message)
        assert "2001:db8::1" in text_of(message)
        assert "198.51.100.7" not in text_of(message)


@pytest.mark.postgresql_later
def test_ci_system_counts_as_new_by_repository_and_not_by_network(uses):
    with time_machine.travel("2027-03-10T08:00:00Z") as clock:
        for address, repository, is_reported in (
            ("192.0.2.1", "web", False),
            ("198.51.100.7", "web", False),
            ("192.0.2.1", "app", True),
        ):
            uses.use(address, CI.format(repository))
            mails = uses.mails()
            assert len(mails) == is_reported
            clock.shift(timedelta(hours=1))
        assert "from a new CI system: GitHub Actions, acme/app" in text_of(mails[0])


@pytest.mark.postgresql_later
def test_networks_that_were_new_days_ago_are_not_mailed(uses):
    with time_machine.travel("2027-03-10T08:00:00Z") as clock:
        uses.use("192.0.2.1")
        clock.shift(timedelta(hours=1))
        uses.use("198.51.100.7")
        clock.shift(timedelta(days=3))
        assert uses.mails() == []


@pytest.mark.postgresql_later
def test_digest_can_be_turned_off(cast, uses):
    cast.ada.change(mails_new_clients=False)
    with time_machine.travel("2027-03-10T08:00:00Z") as clock:
        uses.use("192.0.2.1")
        uses.mails()
        clock.shift(timedelta(hours=1))
        uses.use("198.51.100.7")
        assert uses.mails() == []
        cast.ada.change(mails_new_clients=True)
        assert uses.mails() == []
