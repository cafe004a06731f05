"""Delivery of messages to an SMTP server, or into files when none is configured."""

import logging
import os
import re
import smtplib
import ssl
import time
from contextlib import suppress
from email.policy import SMTP, SMTPUTF8
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from reflow_accounts.config import ConfigError, prepare_instance
from reflow_accounts.mail.rendering import Letter

# Time limit of one message including the connection; less than `sender.CLAIM`.
SECONDS_A_MESSAGE = 60.0
SECONDS_TO_LEAVE = 1.0
SUBMISSION_PORT, TLS_PORT = 587, 465

_ENHANCED = re.compile(rb"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_logger = logging.getLogger(__name__)
# Where mail becomes files, in the instance folder.
OUTBOX_FOLDER = "outbox"


class RecipientRefused(Exception):
    """The server refuses the recipient permanently. Like those below, the text contains no address: it is stored."""


class TemporarilyRefused(Exception):
    """The server refuses the message for now."""


class ServerUnavailable(Exception):
    """The server is unavailable."""


class Files:
    """Writes each message into an .eml file that only its owner can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def deliver(self, letter: Letter) -> None:
        """Write the file atomically; a repeated message replaces it. Raises ServerUnavailable."""
        file = self._folder / f"{letter.name}.eml"
        part_file = file.with_suffix(f".{os.getpid()}.part")
        try:
            prepare_instance(self._folder)
            with os.fdopen(os.open(part_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
                stream.write(letter.message.as_bytes(policy=SMTP if letter.to.isascii() else SMTPUTF8))
                stream.flush()
                os.fsync(stream.fileno())
            part_file.replace(file)
        except (OSError, ConfigError) as error:
            raise ServerUnavailable(
                f"the folder of outgoing mail cannot be written ({type(error).__name__})"
            ) from None
        # A warning, because the mail is not sent.
        _logger.warning("No mail server is set (REFLOW_MAIL_URL). The message is in %s", file)

    def close(self) -> None:
        """Do nothing."""


class MailServer:
    """An SMTP server (RFC 5321), connected on the first message."""

    def __init__(self, url: str) -> None:
        """`url` is `smtp://` (STARTTLS when offered, required before a password) or `smtps://` (TLS)."""
        self._parts = urlsplit(url)
        self._server: _Server | None = None

    def deliver(self, letter: Letter) -> None:
        """Deliver a message within SECONDS_A_MESSAGE.

        Raises RecipientRefused, TemporarilyRefused or ServerUnavailable.
        """
        ends_at = time.monotonic() + SECONDS_A_MESSAGE
        try:
            if self._server is None:
                self._server = self._connect(letter.sender.rpartition("@")[2], ends_at)
        except (OSError, UnicodeError, ValueError) as error:
            # smtplib's own errors are OSErrors.
            raise self._outage_error(error) from None
        server = self._server
        server.ends_at = ends_at
        try:
            server.send_message(letter.message, letter.sender, [letter.to])
        except smtplib.SMTPNotSupportedError:
            raise RecipientRefused(
                "the mail server takes no addresses with characters other than ASCII"
            ) from None
        except smtplib.SMTPRecipientsRefused as refusal:
            code, text = next(iter(refusal.recipients.values()))
            if 500 <= code < 600:
                fault = f"the mail server refused the recipient ({_status(code, text)})"
                raise RecipientRefused(fault) from None
            raise self._reply_error(code, text) from None
        except smtplib.SMTPResponseException as reply:
            raise self._reply_error(reply.smtp_code, reply.smtp_error) from None
        except OSError as error:
            raise self._outage_error(error) from None

    def close(self) -> None:
        """Send QUIT if possible, and close the connection."""
        server, self._server = self._server, None
        if server is not None:
            server.leave()

    def _connect(self, our_name: str, ends_at: float) -> "_Server":
        host, port = str(self._parts.hostname), self._parts.port
        # With `local_hostname`, smtplib skips a slow DNS lookup of this machine's name.
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
            raise ServerUnavailable("the mail server offers no TLS, and a password is not sent without it")
        server.login(unquote(self._parts.username), unquote(self._parts.password or ""))

    def _reply_error(self, code: int, text: bytes | str) -> Exception:
        sentence = f"the mail server did not take the message ({_status(code, text)})"
        # RFC 5321, 3.8: with 421 the server closes.
        if code == 421:
            self.close()
            return ServerUnavailable(sentence)
        return TemporarilyRefused(sentence)

    def _outage_error(self, error: Exception) -> ServerUnavailable:
        self.close()
        if isinstance(error, smtplib.SMTPResponseException):
            status = _status(error.smtp_code, error.smtp_error)
            return ServerUnavailable(f"the mail server did not let us in ({status})")
        return ServerUnavailable(f"the mail server cannot be used ({type(error).__name__})")


class _Server(smtplib.SMTP):
    """An smtplib client whose steps share one deadline, `ends_at`."""

    def __init__(self, ends_at: float, host: str, port: int, **more: Any) -> None:
        self.ends_at = ends_at
        super().__init__(host, port, timeout=self._seconds_left(), **more)

    def send(self, s: Any) -> None:
        self._set_timeout()
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        # Sending may have used up most of the time.
        self._set_timeout()
        return super().getreply()

    def leave(self) -> None:
        """Send QUIT with a short timeout, and close the connection."""
        self.ends_at = min(self.ends_at, time.monotonic() + SECONDS_TO_LEAVE)
        with suppress(OSError):
            self.quit()
        self.close()

    def _set_timeout(self) -> None:
        if self.sock is not None:
            self.sock.settimeout(self._seconds_left())

    def _seconds_left(self) -> float:
        seconds = self.ends_at - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the message took too long")
        return seconds


class _TlsServer(_Server, smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""


def _status(code: int, text: bytes | str) -> str:
    """Return the codes of a reply (RFC 3463) without its text, which may repeat an address or a link."""
    match = _ENHANCED.match(text if isinstance(text, bytes) else text.encode("utf-8", "replace"))
    return f"{code} {match.group(1).decode()}" if match else str(code)
