"""A mail server on loopback: stores messages, and can refuse or delay them and require a password."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


@dataclass
class ReceivedMessage:
    """One received message."""

    to: str
    sender: str
    is_encrypted: bool
    login: str | None
    message: EmailMessage


@dataclass
class Handler:
    """The answers of the server."""

    received: list[ReceivedMessage] = field(default_factory=list)
    # Answers instead of 250, to a recipient by address and to the message.
    recipients: dict[str, str] = field(default_factory=dict)
    data_response: str = ""
    # Answers to messages wait until `may_answer` is set; `has_message` is set when one has arrived.
    may_answer: threading.Event = field(default_factory=threading.Event)
    has_message: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()

    async def handle_RCPT(  # noqa: N802  # the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.recipients:
            return self.recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.has_message.set()
        if self.data_response:
            return self.data_response
        login = session.auth_data.login.decode() if session.auth_data else None
        is_encrypted = server.transport is not None and bool(server.transport.get_extra_info("ssl_object"))
        message: Any = message_from_bytes(bytes(envelope.content or b""), policy=default)
        self.received.extend(
            ReceivedMessage(to, str(envelope.mail_from), is_encrypted, login, message)
            for to in envelope.rcpt_tos
        )
        while not self.may_answer.is_set():
            await asyncio.sleep(0.01)
        return "250 OK"


class MailServer:
    """Runs in a thread, on a free port, which it keeps after a restart."""

    def __init__(
        self, *, tls: "Certificate | None" = None, scheme: str = "smtp", login: str = "", **options: Any
    ):
        """With `tls`, `smtp` offers STARTTLS and `smtps` uses TLS from the start; `login` is "user:password"."""
        self.handler = Handler()
        self.port = 0
        self.scheme, self._login, self._options = scheme, login, options
        self._context = tls.server_context() if tls else None
        self._controller: Controller | None = None

    @property
    def received(self) -> list[ReceivedMessage]:
        return self.handler.received

    def url(self, credentials: str = "", host: str = HOST) -> str:
        return f"{self.scheme}://{credentials}{host}:{self.port}"

    def start(self) -> "MailServer":
        options: dict[str, Any] = {"enable_SMTPUTF8": True} | self._options
        if self._context is not None:
            kind = "ssl_context" if self.scheme == "smtps" else "tls_context"
            options[kind] = self._context
        if self._login:
            options |= {"authenticator": self._authenticate, "auth_require_tls": self.scheme != "smtps"}
        self._controller = Controller(self.handler, hostname=HOST, port=self.port or free_port(), **options)
        self._controller.start()
        self.port = self._controller.port
        return self

    def stop(self) -> None:
        if self._controller is not None:
            self.handler.may_answer.set()
            self._controller.stop()
            self._controller = None

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, kind: str, given: Any
    ) -> AuthResult:
        assert isinstance(given, LoginPassword)
        is_right = b":".join((given.login, given.password)).decode() == self._login
        return AuthResult(success=is_right, handled=is_right, auth_data=given)


class Certificate:
    """Files with a certificate for 127.0.0.1 and localhost, and the authority that signed it."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.chain = folder / "authority.pem", folder / "server.pem"
        signer, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        own_name = _name("Authority of the tests")
        authority = _builder(own_name, own_name, signer).add_extension(x509.BasicConstraints(True, 0), True)
        authority = authority.add_extension(_usage(key_cert_sign=True, crl_sign=True), True)
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))]
        )
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        leaf = _builder(_name("localhost"), own_name, key).add_extension(names, False)
        leaf = leaf.add_extension(authority_key, False).add_extension(_usage(digital_signature=True), True)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.authority.write_bytes(_pem(authority, signer))
        self.chain.write_bytes(private + _pem(leaf, signer))

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain)
        return context


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _name(words: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    today = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=30))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )


def _usage(**wanted: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})


def _pem(builder: x509.CertificateBuilder, signer: ec.EllipticCurvePrivateKey) -> bytes:
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
