"""Render messages from their templates, with headers and signed links."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from flask import current_app
from itsdangerous import BadSignature, Signer
from jinja2 import Environment, StrictUndefined

from reflow_accounts.config import Settings
from reflow_accounts.database import now
from reflow_accounts.email_addresses import envelope
from reflow_accounts.web import text
from reflow_accounts.web.redirects import configured

_EXTENSION = "mail_templates"
_SUBJECT = "Subject: "
# RFC 5322 allows 998 bytes in a line; quoted-printable wraps longer ones.
_LONGEST_LINE = 900


class Unmailable(Exception):
    """The address is invalid. The message gives the reason without the address."""


@dataclass(frozen=True)
class Letter:
    """A message, its envelope addresses, and a name that is the same each time it is rendered."""

    message: EmailMessage
    sender: str
    to: str
    name: str


def compose(number: int, kind: str, to: str, data: dict[str, Any], created_at: datetime) -> Letter:
    """Return the message of an outbox row. Raises Unmailable for an invalid address.

    The Message-ID is derived from `number` and `created_at`, so that a repeated message has the same id.
    """
    settings: Settings = current_app.config["SETTINGS"]
    address = _envelope(to)
    first, _, rest = _render(f"{kind}.txt", data).partition("\n")
    assert first.startswith(_SUBJECT), "a mail template begins with its subject"
    body = rest.strip("\n") + "\n"
    message = EmailMessage(policy=SMTP)
    # An HMAC, because sequence numbers must not leave the database.
    row = f"outbox {number} {created_at.isoformat()}"
    digest = hmac.new(settings.secret_key.encode(), row.encode(), hashlib.sha256).hexdigest()[:32]
    sender = _envelope(settings.mail_from)
    message["Subject"] = first.removeprefix(_SUBJECT).strip()
    message["From"] = _mailbox("Reflow", sender)
    message["To"] = _mailbox("", address)
    if settings.mail_from != settings.support_email:
        message["Reply-To"] = _mailbox("", _envelope(settings.support_email))
    message["Date"] = format_datetime(now())
    message["Message-ID"] = f"<{digest}@{sender.rpartition('@')[2]}>"
    # RFC 3834: prevents automatic replies.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body, cte=_encoding(body))
    page = _render(f"{kind}.html", data)
    message.add_alternative(page, subtype="html", cte=_encoding(page))
    return Letter(message, sender, address, f"{created_at:%Y%m%dT%H%M%S%f}-{kind}-{digest[:12]}")


def _render(name: str, data: dict[str, Any]) -> str:
    settings: Settings = current_app.config["SETTINGS"]
    environment = current_app.extensions.get(_EXTENSION)
    if environment is None:
        # In mail, undefined values are errors.
        environment = current_app.jinja_env.overlay(undefined=StrictUndefined)
        current_app.extensions[_EXTENSION] = environment
    assert isinstance(environment, Environment)
    return environment.get_template(f"mail/{name}").render(
        data=_clean_data(data),
        signed_url=signed_url,
        page_url=configured,
        site_url=configured("public.auth.home"),
        support_email=settings.support_email,
    )


def signed_url(endpoint: str, link_id: str, purpose: str) -> str:
    """Return the absolute URL of a mailed link; `endpoint` takes its `token`."""
    return configured(endpoint, token=sign_link(link_id, purpose))


def _clean_data(value: Any) -> Any:
    """Replace line breaks, control and direction characters by spaces in every text of the data."""
    if isinstance(value, dict):
        return {name: _clean_data(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_clean_data(inner) for inner in value]
    if not isinstance(value, str):
        return value
    return text.tidy("".join(character if text.is_plain(character) else " " for character in value))


def _envelope(address: str) -> str:
    envelope_address = envelope(address)
    if envelope_address is None:
        raise Unmailable("the address is not one that mail can be sent to")
    return envelope_address


def _mailbox(name: str, address: str) -> Address:
    # Address(addr_spec=…) refuses some addresses that work.
    local, _, host = address.rpartition("@")
    return Address(name, username=local, domain=host)


def _encoding(body: str) -> str:
    """Return 7bit where possible, so that links in .eml files can be copied; else quoted-printable."""
    is_plain = body.isascii() and all(len(line) <= _LONGEST_LINE for line in body.splitlines())
    return "7bit" if is_plain else "quoted-printable"


def sign_link(public_id: str, purpose: str) -> str:
    """Return the token of a mailed link: the public id, signed for `purpose` alone."""
    return _signer(purpose).sign(public_id).decode("ascii")


def read_link(token: str, purpose: str) -> str | None:
    """Return the public id in a token that we signed for `purpose`, or None for any other text.

    Only the row with this id tells whether the link is used or expired.
    """
    try:
        return _signer(purpose).unsign(token).decode("ascii")
    except (BadSignature, UnicodeError):
        return None


def _signer(purpose: str) -> Signer:
    settings: Settings = current_app.config["SETTINGS"]
    salt = f"reflow mailed link: {purpose}"
    return Signer(settings.signing_keys, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)
