"""Ada's browser, mail, the link of an invitation, and API clients of the cast."""

import pytest

from tests.helpers.mailbox import Mailbox
from tests.teams.team_actions import invite


@pytest.fixture
def mailbox(app):
    return Mailbox(app)


@pytest.fixture
def ada(cast, client):
    """Ada's browser."""
    return cast.ada.sign_in(client)


@pytest.fixture
def link(app, cast, mailbox):
    """The path of the link with which Ada has invited Eve, who has no account, to Acme."""
    invite(cast.ada.sign_in(app.test_client()), cast.acme, "eve@initech.example", rights="edit")
    [message] = mailbox.deliver()
    return mailbox.link_in(message)


@pytest.fixture
def program(api):
    """`program(person)`: an API client with a key of a person."""
    return lambda person: api(person.key().secret)
