"""The owner gets a mail when a key is created from a network or with a credential that created none before."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.api_keys.acts import MAIL_BATCH
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
    assert [mail["Subject"] for mail in later(mailbox)] == ["New API key: first"]
    return ada


def later(mailbox):
    """Deliver what waits, and return the messages; nothing is sent earlier."""
    assert mailbox.deliver() == []
    with time_machine.travel(now() + MAIL_BATCH + timedelta(seconds=1)):
        return mailbox.deliver()


def create(program, name, path="/keys", **more):
    answer = program.post(path, {"name": name}, **HOME | more)
    assert answer.status_code == 201, answer.text
    return answer.json


def test_key_that_creates_keys_is_reported_once_with_all_of_them(cast, api, ada, mailbox):
    program = api(create(ada, "CI <b>")["secret"])
    assert later(mailbox) == []
    for number in range(1, 6):
        create(program, f"child {number}")
    create(ada, "another")
    [message] = later(mailbox)
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
    assert later(mailbox) == []


@pytest.mark.parametrize(
    ("address", "is_known"),
    [("198.51.100.200", True), ("198.51.101.7", False), ("2001:db8:7::1", False)],
)
def test_network_is_reported_once(ada, mailbox, address, is_known):
    elsewhere = {"environ_base": {"REMOTE_ADDR": address}}
    create(ada, "one", **elsewhere)
    messages = later(mailbox)
    assert [mail["Subject"] for mail in messages] == ([] if is_known else ["New API key: one"])
    assert all(f"From: {address}" in text_of(mail) for mail in messages)
    create(ada, "two", **elsewhere)
    if ":" in address:
        create(ada, "three", environ_base={"REMOTE_ADDR": "2001:db8:7:ffff::2"})
    assert later(mailbox) == []


def test_program_of_a_session_is_reported(ada, mailbox):
    create(ada, "one", headers={"User-Agent": "Firefox/1 Linux"})
    [message] = later(mailbox)
    assert "with Firefox on Linux" in text_of(message)


def test_admins_are_told_of_keys_of_a_service_account(cast, ada, mailbox):
    cast.acme.give(cast.ben, Rights.ADMIN)
    path = f"/teams/{cast.acme.id}/service-accounts/{cast.ci.id}/keys"
    create(ada, "known", path)
    assert later(mailbox) == []
    create(ada, "CI", path, environ_base={"REMOTE_ADDR": "192.0.2.9"})
    create(ada, "mine", environ_base={"REMOTE_ADDR": "192.0.2.9"})
    messages = later(mailbox)
    assert {mail["To"] for mail in messages} == {cast.ada.email, cast.ben.email}
    for message in messages:
        assert message["Subject"] == "New API key: CI"
        assert "for the service account acme-ci" in text_of(message)
        assert mailbox.link_in(message) == f"/account/team?team={cast.acme.id}"


def test_key_that_rotates_itself_again_and_again_is_reported_once(api, ada, mailbox):
    key = create(ada, "CI")
    for expected in (["New API key: CI"], [], []):
        answer = api(key["secret"]).post(f"/keys/{key['id']}/rotation", {"overlap": 0}, **HOME)
        assert answer.status_code == 201, answer.text
        key = answer.json
        assert [mail["Subject"] for mail in later(mailbox)] == expected


def test_key_that_is_refused_is_not_reported(app, api, ada, mailbox):
    program = api(create(ada, "CI")["secret"])
    before = rows.count(app, KeyOrigin)
    assert program.post("/keys", {"name": "CI"}, **HOME).status_code == 422
    assert rows.count(app, KeyOrigin) == before
    assert later(mailbox) == []
