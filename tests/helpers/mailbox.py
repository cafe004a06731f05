"""Delivers the queued mail of an application to files and reads them."""

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask

from reflow_accounts.mail.sender import send_due

_ADDRESS = re.compile(r"https?://\S+")


class Mailbox:
    """The mail to all addresses."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._folder: Path = app.config["SETTINGS"].instance / "outbox"
        self._seen = self._files()

    def deliver(self) -> list[EmailMessage]:
        """Run the sender once and return the new messages, oldest first."""
        with self._app.app_context():
            send_due()
        new = self._files() - self._seen
        self._seen |= new
        return [message_from_bytes(file.read_bytes(), policy=default) for file, _ in sorted(new)]

    def link_in(self, message: EmailMessage) -> str:
        """Return the path, with its query, of the only link in a message, which must be in both parts."""
        [address] = set(_ADDRESS.findall(text_of(message)))
        assert f'href="{address}"' in html_of(message)
        return urlsplit(address)._replace(scheme="", netloc="").geturl()

    def _files(self) -> set[tuple[Path, int]]:
        """Return the files with their times: with a fake clock, a test may write the same name twice."""
        return {(file, file.stat().st_mtime_ns) for file in self._folder.glob("*.eml")}


def text_of(message: EmailMessage) -> str:
    """Return the text part of a message."""
    return _part(message, "plain")


def html_of(message: EmailMessage) -> str:
    """Return the HTML part of a message."""
    return _part(message, "html")


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert isinstance(part, EmailMessage)
    return str(part.get_content())
