"""Fixtures: outbox, settings and mail servers."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from jinja2 import ChoiceLoader, DictLoader
from sqlalchemy import select, update

from reflow_accounts.database import db, now
from reflow_accounts.mail import service
from reflow_accounts.mail.models import OutboxMessage
from reflow_accounts.mail.sender import send_due
from tests.helpers.mail_server import Certificate, MailServer
from tests.helpers.mailbox import Mailbox

TEMPLATES = {
    "mail/named.txt": "Subject: {{ data.name }} wrote to you\n{{ data.name }} is the name.\n",
    "mail/named.html": "<p><bdi>{{ data.name }}</bdi> is the name.</p>\n",
    "mail/linked.txt": 'Subject: A link\n{{ signed_url("public.test_link", data.link, "reset_password") }}\n',
    "mail/linked.html": '<a href="{{ signed_url("public.test_link", data.link, "reset_password") }}">x</a>\n',
}


@dataclass
class Outbox:
    """The outbox of an application."""

    app: Any

    def post(self, kind: str = "trial", to: str = "ada@acme.example", **data: Any) -> None:
        """Post a message and commit it."""
        with self.app.app_context():
            service.post(kind, to, **data)
            db.session.commit()

    def send(self) -> int:
        with self.app.app_context():
            return send_due()

    def rows(self) -> list[OutboxMessage]:
        with self.app.app_context():
            rows = db.session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)).all()
            db.session.expunge_all()
            return list(rows)

    def row(self) -> OutboxMessage:
        [row] = self.rows()
        return row

    def let_time_pass(self, age: timedelta = timedelta()) -> None:
        """Make every message older by `age`, and due."""
        with self.app.app_context():
            for row in db.session.scalars(select(OutboxMessage)):
                row.created_at -= age
                row.due_at = now() - timedelta(seconds=1)
            db.session.commit()

    def set(self, **columns: Any) -> None:
        with self.app.app_context():
            db.session.execute(update(OutboxMessage).values(**columns))
            db.session.commit()


@pytest.fixture
def outbox(app):
    return Outbox(app)


@pytest.fixture
def mailbox(app):
    return Mailbox(app)


@pytest.fixture
def templates(app, monkeypatch):
    """Templates of mails that only exist in these tests."""
    monkeypatch.setattr(app, "jinja_loader", ChoiceLoader([DictLoader(TEMPLATES), app.jinja_loader]))


@pytest.fixture
def settings(app, monkeypatch):
    """Change settings of the application for one test."""

    def change(**values: Any) -> None:
        monkeypatch.setitem(app.config, "SETTINGS", replace(app.config["SETTINGS"], **values))

    return change


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def mail_server(request, settings):
    """`mail_server(…)`: start a mail server and configure the application to use it."""

    def start(credentials: str = "", host: str = "127.0.0.1", **options: Any) -> MailServer:
        server = MailServer(**options).start()
        request.addfinalizer(server.stop)
        settings(mail_url=server.url(credentials, host))
        return server

    return start
