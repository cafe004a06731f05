"""Eve's mailbox, and the link in her mail."""

import pytest

from tests.helpers.mailbox import Mailbox
from tests.users.signing_up import sign_up


@pytest.fixture
def mailbox(app):
    return Mailbox(app)


@pytest.fixture
def link(client, mailbox):
    """The path of the link that Eve gets after signing up in `client`."""
    assert sign_up(client).status_code == 200
    [message] = mailbox.deliver()
    return mailbox.link_in(message)
