"""The owner gets a mail when a key is created from a network or with a credential that created none before."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.api_keys.events import MAIL_BATCH
from reflow_accounts.api_keys.models import KeyOrigin
from reflow_accounts.database import now
from reflow_accounts.teams.models import Rights
from tests.helpers import rows
from tests.helpers.mailbox import Mailbox, html_of, text_of

pytestmark = pytest.mark.postgresql_later

HOME = {"environ_base": {"REMOTE_ADDR": "198.51.100.7"}, "headers": {"User-Agent": "curl/8"}}


@pytest.fixture
def mailbox(app):
    return Mailbox(app)


@pytest.fixture
def ada(cast, api, mailbox):
    """Ada's session, after the mail about the first key that she created at home."""
    ada = api(cast.ada.session())
    ada.post("/keys", {"name": "first"}, **HOME)
    assert [mail["Subject"] for mail in deliver_batch(mailbox)] == ["New API key: first"]
    return ada


def deliver_batch(mailbox):
    """Deliver the waiting mails, and return them; nothing is sent before the batch is due."""
    assert mailbox.deliver() == []
    with time_machine.travel(now() + MAIL_BATCH + timedelta(seconds=1)):
        return mailbox.deliver()


def create(program, name, path="/keys", **more):
    response = program.post(path, {"name": name}, **HOME | more)
    assert response.status_code == 201, response.text
    return response.json


def test_keys_created_by_a_key_are_reported_in_one_mail(cast, api, ada, mailbox):
    program = api(create(ada, "CI <b>")["secret"])
    assert deliver_batch(mailbox) == []
    for number in range(1, 6):
        create(program, f"child {number}")
    create(ada, "another")
    [message] = deliver_batch(mailbox)
    assert (message["To"], message["Subject"]) == (cast.ada.email, "6 new API keys")
    text, lines = text_of(message), text_of(message).splitlines()
    assert {*(f"child {number}" for number in range(1, 6)), "another"} <= {*lines}
    assert {"By: Ada Park, with the API key CI <b>", "By: Ada Park, with curl", "From: 198.51.100.7"} <= {
        *lines
    }
    assert "revoke the new keys and the key that created them at once" in text
    assert "the API key <bdi>CI &lt;b&gt;</bdi>" in html_of(message)
    assert mailbox.link_in(message) == "/account/api-keys"
    create(program, "child 6")
    assert deliver_batch(mailbox) == []


@pytest.mark.parametrize(
    ("address", "is_known_network"),
    [("198.51.100.200", True), ("198.51.101.7", False), ("2001:db8:7::1", False)],
)
def test_network_is_reported_once(ada, mailbox, address, is_known_network):
    elsewhere = {"environ_base": {"REMOTE_ADDR": address}}
    create(ada, "one", **elsewhere)
    messages = deliver_batch(mailbox)
    assert [mail["Subject"] for mail in messages] == ([] if is_known_network else ["New API key: one"])
    assert all(f"From: {address}" in text_of(mail) for mail in messages)
    create(ada, "two", **elsewhere)
    if ":" in address:
        create(ada, "three", environ_base={"REMOTE_ADDR": "2001:db8:7:ffff::2"})
    assert deliver_batch(mailbox) == []


def test_program_of_a_session_is_reported(ada, mailbox):
    create(ada, "one", headers={"User-Agent": "Firefox/1 Linux"})
    [message] = deliver_batch(mailbox)
    assert "with Firefox on Linux" in text_of(message)


def test_admins_are_mailed_about_keys_of_a_service_account(cast, ada, mailbox):
    cast.acme.give(cast.ben, Rights.ADMIN)
    path = f"/teams/{cast.acme.id}/service-accounts/{cast.ci.id}/keys"
    create(ada, "known", path)
    assert deliver_batch(mailbox) == []
    create(ada, "CI", path, environ_base={"REMOTE_ADDR": "192.0.2.9"})
    create(ada, "mine", environ_base={"REMOTE_ADDR": "192.0.2.9"})
    messages = deliver_batch(mailbox)
    assert {mail["To"] for mail in messages} == {cast.ada.email, cast.ben.email}
    for message in messages:
        assert message["Subject"] == "New API key: CI"
        assert "for the service account acme-ci" in text_of(message)
        assert mailbox.link_in(message) == f"/account/team?team={cast.acme.id}"


def test_repeated_rotation_by_the_key_itself_is_reported_once(api, ada, mailbox):
    key = create(ada, "CI")
    for expected in (["New API key: CI"], [], []):
        response = api(key["secret"]).post(f"/keys/{key['id']}/rotation", {"overlap": 0}, **HOME)
        assert response.status_code == 201, response.text
        key = response.json
        assert [mail["Subject"] for mail in deliver_batch(mailbox)] == expected


def test_refused_creation_is_not_reported(app, api, ada, mailbox):
    program = api(create(ada, "CI")["secret"])
    before = rows.count(app, KeyOrigin)
    assert program.post("/keys", {"name": "CI"}, **HOME).status_code == 422
    assert rows.count(app, KeyOrigin) == before
    assert deliver_batch(mailbox) == []
