"""What is posted is sent once it is committed, whole, and as what it is."""

import pytest

from reflow_accounts.extensions import db
from reflow_accounts.mail import service
from tests.helpers.mailbox import Mailbox, html_of, text_of


@pytest.fixture
def mailbox(app):
    return Mailbox(app)


@pytest.fixture
def post(app):
    """Post a message and commit it."""

    def post(kind="trial", to="ada@acme.example", **data):
        with app.app_context():
            service.post(kind, to, **{"name": "Ada Park"} | data)
            db.session.commit()

    return post


def test_a_message_has_both_parts_and_says_that_a_program_sent_it(post, mailbox):
    post()
    [message] = mailbox.deliver()
    assert message["Subject"] == "Mail from Reflow works"
    assert message["To"] == "ada@acme.example"
    assert message["From"] == "Reflow <support@reflow.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "Hello Ada Park," in text_of(message)
    assert "<bdi>Ada Park</bdi>" in html_of(message)
    assert mailbox.link_in(message) == "/"
