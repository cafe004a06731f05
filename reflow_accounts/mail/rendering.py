"""Make a message of its templates: subject, text, HTML, and the headers that tell what it is."""

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

from reflow_accounts.config import Settings, envelope_address
from reflow_accounts.database import now
from reflow_accounts.web import text
from reflow_accounts.web.redirects import configured

_EXTENSION = "mail_templates"
_SUBJECT = "Subject: "
# RFC 5322 allows 998 bytes in a line; longer ones are folded by the encoding.
_LONGEST_LINE = 900


class Unmailable(Exception):
    """No mail can ever be sent to this address; the sentence says why and does not repeat it."""


@dataclass(frozen=True)
class Letter:
    """A whole message, the addresses of its envelope, and a name that is the same each time it is made."""

    message: EmailMessage
    sender: str
    to: str
    name: str


def compose(number: int, kind: str, to: str, data: dict[str, Any], created_at: datetime) -> Letter:
    """Make the message of an outbox row. Raises Unmailable for an address that is none.

    `number` and `created_at` make the Message-ID, so that a message sent again is known as the same.
    """
    settings: Settings = current_app.config["SETTINGS"]
    address = _envelope(to)
    subject, words = _subject_and_text(_render(f"{kind}.txt", data))
    message = EmailMessage(policy=SMTP)
    digest = _digest(settings, number, created_at)
    sender = _envelope(settings.mail_from)
    message["Subject"] = subject
    message["From"] = _mailbox("Reflow", sender)
    message["To"] = _mailbox("", address)
    if settings.mail_from != settings.support_email:
        message["Reply-To"] = _mailbox("", _envelope(settings.support_email))
    message["Date"] = format_datetime(now())
    message["Message-ID"] = f"<{digest}@{sender.rpartition('@')[2]}>"
    # RFC 3834: nobody's holiday answers this.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(words, cte=_encoding(words))
    page = _render(f"{kind}.html", data)
    message.add_alternative(page, subtype="html", cte=_encoding(page))
    return Letter(message, sender, address, f"{created_at:%Y%m%dT%H%M%S%f}-{kind}-{digest[:12]}")


def _render(name: str, data: dict[str, Any]) -> str:
    settings: Settings = current_app.config["SETTINGS"]
    return (
        _templates()
        .get_template(f"mail/{name}")
        .render(
            data=_legible(data),
            signed_url=signed_url,
            page_url=configured,
            site_url=configured("public.auth.home"),
            support_email=settings.support_email,
        )
    )


def signed_url(endpoint: str, link_id: str, purpose: str) -> str:
    """Return the whole address of a mailed link: `endpoint` takes its `token`."""
    return configured(endpoint, token=sign_link(link_id, purpose))


def _templates() -> Environment:
    """Return the application's templates; one that asks for what a message does not hold is an error."""
    found = current_app.extensions.get(_EXTENSION)
    if found is None:
        found = current_app.jinja_env.overlay(undefined=StrictUndefined)
        current_app.extensions[_EXTENSION] = found
    assert isinstance(found, Environment)
    return found


def _subject_and_text(rendered: str) -> tuple[str, str]:
    first, _, rest = rendered.partition("\n")
    assert first.startswith(_SUBJECT), "a mail template begins with its subject"
    return first.removeprefix(_SUBJECT).strip(), rest.strip("\n") + "\n"


def _legible(value: Any) -> Any:
    """Take out of every text what would break a line or turn the direction of the words around it."""
    if isinstance(value, dict):
        return {name: _legible(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_legible(inner) for inner in value]
    if not isinstance(value, str):
        return value
    return text.tidy("".join(character if text.is_plain(character) else " " for character in value))


def _envelope(address: str) -> str:
    found = envelope_address(address)
    if found is None:
        raise Unmailable("the address is not one that mail can be sent to")
    return found


def _mailbox(name: str, address: str) -> Address:
    # From its parts: a whole one would have to be as strict as RFC 5322, and some that work are not.
    local, _, host = address.partition("@")
    return Address(name, username=local, domain=host)


def _digest(settings: Settings, number: int, created_at: datetime) -> str:
    # Keyed: sequence numbers never leave the database.
    row = f"outbox {number} {created_at.isoformat()}"
    return hmac.new(settings.secret_key.encode(), row.encode(), hashlib.sha256).hexdigest()[:32]


def _encoding(words: str) -> str:
    """Choose plain lines where they can be, so that a link in a file can be copied; else quoted-printable."""
    is_plain = words.isascii() and all(len(line) <= _LONGEST_LINE for line in words.splitlines())
    return "7bit" if is_plain else "quoted-printable"


def sign_link(public_id: str, purpose: str) -> str:
    """Return the token of a mailed link: the public id, signed for `purpose` alone."""
    return _signer(purpose).sign(public_id).decode("ascii")


def read_link(token: str, purpose: str) -> str | None:
    """Return the public id in a token that we signed for `purpose`, or None for any other text.

    The row with this id says whether the link is used or expired.
    """
    try:
        return _signer(purpose).unsign(token).decode("ascii")
    except (BadSignature, UnicodeError):
        return None


def _signer(purpose: str) -> Signer:
    settings: Settings = current_app.config["SETTINGS"]
    # The newest key comes last: it signs, and every one may have signed.
    keys = [*settings.secret_key_fallbacks, settings.secret_key]
    salt = f"reflow mailed link: {purpose}"
    return Signer(keys, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)
