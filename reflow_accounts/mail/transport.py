"""Where a letter goes: to a mail server (SMTP), or into a file when none is set."""

import logging
import os
import re
import smtplib
import ssl
import time
from contextlib import suppress
from email.policy import SMTP, SMTPUTF8
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from reflow_accounts.config import ConfigError, Settings, prepare_instance
from reflow_accounts.mail.rendering import Letter

# The longest that one message may take, connecting included. A sender that was killed is given up for
# dead after more than this (`sender.CLAIM`).
SECONDS_A_MESSAGE = 60.0
SECONDS_TO_LEAVE = 1.0
SUBMISSION_PORT, TLS_PORT = 587, 465

_ENHANCED = re.compile(rb"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_logger = logging.getLogger(__name__)


class Refused(Exception):
    """The server will never take a message for this recipient; the sentence is safe to keep."""


class NotTaken(Exception):
    """The server did not take this message now; the sentence is safe to keep."""


class ServerAway(Exception):
    """No message can be sent for the time being; the sentence is safe to keep."""


class Transport(Protocol):
    """Something that takes letters until it is closed."""

    def deliver(self, letter: Letter) -> None:
        """Hand a letter over. Raises Refused, NotTaken or ServerAway; otherwise it is on its way."""

    def close(self) -> None:
        """Let go of the connection."""


def transport_of(settings: Settings) -> Transport:
    """Return what REFLOW_MAIL_URL asks for; nothing is opened yet."""
    if settings.mail_url:
        return MailServer(settings.mail_url)
    return Files(settings.instance / "outbox")


class Files:
    """One .eml file for each message, for its owner's eyes alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def deliver(self, letter: Letter) -> None:
        """Write the file whole or not at all; the same message again takes its place."""
        file = self._folder / f"{letter.name}.eml"
        unfinished = file.with_suffix(f".{os.getpid()}.part")
        try:
            prepare_instance(self._folder)
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
                stream.write(letter.message.as_bytes(policy=SMTP if letter.to.isascii() else SMTPUTF8))
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.replace(file)
        except (OSError, ConfigError) as error:
            raise ServerAway(f"the folder of outgoing mail cannot be written ({_kind(error)})") from None
        # Not information but a warning: somebody waits for this mail, and it goes nowhere else.
        _logger.warning("No mail server is set (REFLOW_MAIL_URL). The message is in %s", file)

    def close(self) -> None:
        """Nothing is open."""


class MailServer:
    """A server that takes mail by SMTP (RFC 5321), reached when the first letter comes."""

    def __init__(self, url: str) -> None:
        """Take `smtp://` (STARTTLS where it is offered, always before a password) or `smtps://` (TLS)."""
        self._parts = urlsplit(url)
        self._server: _Server | None = None

    def deliver(self, letter: Letter) -> None:
        """Hand a letter over within SECONDS_A_MESSAGE."""
        ends_at = time.monotonic() + SECONDS_A_MESSAGE
        try:
            server = self._connected(letter.sender, ends_at)
        except (OSError, UnicodeError, ValueError) as error:
            # smtplib's own errors are OSErrors.
            raise self._away(error) from None
        try:
            server.send_message(letter.message, letter.sender, [letter.to])
        except smtplib.SMTPNotSupportedError:
            raise Refused("the mail server takes no addresses with characters other than ASCII") from None
        except smtplib.SMTPRecipientsRefused as refusal:
            raise self._refusal(*next(iter(refusal.recipients.values()))) from None
        except smtplib.SMTPResponseException as answer:
            raise self._not_taken(answer.smtp_code, answer.smtp_error) from None
        except OSError as error:
            raise self._away(error) from None

    def close(self) -> None:
        """Say goodbye where that is possible."""
        server, self._server = self._server, None
        if server is not None:
            server.leave()

    def _connected(self, sender: str, ends_at: float) -> "_Server":
        if self._server is None:
            self._server = self._connect(sender.rpartition("@")[2], ends_at)
        self._server.ends_at = ends_at
        return self._server

    def _connect(self, our_name: str, ends_at: float) -> "_Server":
        host, port = str(self._parts.hostname), self._parts.port
        # Our name is said, not looked up: that can take the time of several letters.
        if self._parts.scheme == "smtps":
            server: _Server = _TlsServer(
                ends_at, host, port or TLS_PORT, local_hostname=our_name, context=ssl.create_default_context()
            )
        else:
            server = _Server(ends_at, host, port or SUBMISSION_PORT, local_hostname=our_name)
        try:
            self._introduce(server)
        except BaseException:
            server.leave()
            raise
        return server

    def _introduce(self, server: "_Server") -> None:
        server.ehlo_or_helo_if_needed()
        is_tls = isinstance(server, _TlsServer)
        if not is_tls and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo_or_helo_if_needed()
            is_tls = True
        if self._parts.username is None:
            return
        if not is_tls:
            raise ServerAway("the mail server offers no TLS, and a password is not sent without it")
        server.login(unquote(self._parts.username), unquote(self._parts.password or ""))

    def _refusal(self, code: int, words: bytes | str) -> Exception:
        if 500 <= code < 600:
            return Refused(f"the mail server refused the recipient ({_said(code, words)})")
        return self._not_taken(code, words)

    def _not_taken(self, code: int, words: bytes | str) -> Exception:
        sentence = f"the mail server did not take the message ({_said(code, words)})"
        # RFC 5321, 3.8: with 421 the server closes.
        if code == 421:
            self.close()
            return ServerAway(sentence)
        return NotTaken(sentence)

    def _away(self, error: Exception) -> ServerAway:
        self.close()
        if isinstance(error, smtplib.SMTPResponseException):
            said = _said(error.smtp_code, error.smtp_error)
            return ServerAway(f"the mail server did not let us in ({said})")
        return ServerAway(f"the mail server cannot be used ({_kind(error)})")


class _Server(smtplib.SMTP):
    """smtplib's client, whose every step waits only as long as the message may still take."""

    def __init__(self, ends_at: float, host: str, port: int, **more: Any) -> None:
        self.ends_at = ends_at
        super().__init__(host, port, timeout=self._left(), **more)

    def send(self, s: Any) -> None:
        self._hurry()
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        self._hurry()
        return super().getreply()

    def leave(self) -> None:
        """Say goodbye if that takes no time, and hang up."""
        self.ends_at = min(self.ends_at, time.monotonic() + SECONDS_TO_LEAVE)
        with suppress(OSError):
            self.quit()
        self.close()

    def _hurry(self) -> None:
        if self.sock is not None:
            self.sock.settimeout(self._left())

    def _left(self) -> float:
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the message took too long")
        return left


class _TlsServer(_Server, smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""


def _said(code: int, words: bytes | str) -> str:
    """Return an answer's codes (RFC 3463) without its words: those may repeat an address or a link of ours."""
    found = _ENHANCED.match(words if isinstance(words, bytes) else words.encode("utf-8", "replace"))
    return f"{code} {found.group(1).decode()}" if found else str(code)


def _kind(error: Exception) -> str:
    return type(error).__name__
