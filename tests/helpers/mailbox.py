"""Sends the queued mail of an application into files and reads them."""

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
    """Everybody's mail."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._folder: Path = app.config["SETTINGS"].instance / "outbox"
        self._seen = set(self._files())

    def deliver(self) -> list[EmailMessage]:
        """Run the sender once and return the messages that are new, oldest first."""
        with self._app.app_context():
            send_due()
        new = [file for file in self._files() if file not in self._seen]
        self._seen.update(new)
        return [message_from_bytes(file.read_bytes(), policy=default) for file in new]

    def link_in(self, message: EmailMessage) -> str:
        """Return the path of the one link that both parts of a message have."""
        [address] = set(_ADDRESS.findall(text_of(message)))
        assert f'href="{address}"' in html_of(message)
        return urlsplit(address).path

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.eml"))


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
