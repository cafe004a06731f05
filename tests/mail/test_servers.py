"""Mail servers on loopback: plain, STARTTLS, TLS, unavailable, slow, refusing."""

import socket
import threading
from datetime import timedelta

import pytest

from reflow_accounts.database import now
from reflow_accounts.mail import transport
from reflow_accounts.mail.transport import ServerUnavailable
from tests.helpers.mail_server import HOST, free_port

pytestmark = pytest.mark.postgresql_later

# Passwords in the URL are percent-encoded; one that is not ASCII cannot be sent to a mail server.
PASSWORD = "p@ss:word/ü%"  # pragma: allowlist secret
ENCODED = "p%40ss%3Aword%2F%C3%BC%25"
ASCII_PASSWORD, ASCII_ENCODED = "p@ss:word/%", "p%40ss%3Aword%2F%25"


@pytest.fixture
def trusted_certificate(certificate, monkeypatch):
    """A certificate whose authority this process trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))
    return certificate


def test_plain_server_gets_the_message_with_both_parts(outbox, mail_server):
    server = mail_server()
    outbox.post()
    assert outbox.send() == 1
    [received] = server.received
    assert (received.to, received.sender) == ("ada@acme.example", "support@reflow.example")
    assert not received.is_encrypted
    assert [part.get_content_type() for part in received.message.iter_parts()] == ["text/plain", "text/html"]
    assert outbox.row().done_at


def test_messages_share_one_connection(outbox, mail_server):
    server = mail_server()
    for number in range(3):
        outbox.post(to=f"person{number}@example.com")
    assert outbox.send() == 3
    assert [received.to for received in server.received] == [
        f"person{number}@example.com" for number in range(3)
    ]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_server_with_a_certificate_is_used_with_tls(outbox, mail_server, trusted_certificate, scheme):
    server = mail_server(tls=trusted_certificate, scheme=scheme)
    outbox.post()
    outbox.send()
    assert [received.is_encrypted for received in server.received] == [True]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_untrusted_certificate_is_refused(outbox, mail_server, certificate, scheme):
    server = mail_server(tls=certificate, scheme=scheme)
    outbox.post()
    with pytest.raises(ServerUnavailable, match="SSLCertVerificationError"):
        outbox.send()
    assert server.received == []
    assert not outbox.row().done_at


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_certificate_for_another_host_is_refused(outbox, mail_server, trusted_certificate, settings, scheme):
    server = mail_server(tls=trusted_certificate, scheme=scheme)
    settings(mail_url=f"{scheme}://127.0.0.2:{server.port}")
    outbox.post()
    with pytest.raises(ServerUnavailable):
        outbox.send()
    assert server.received == []


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_user_and_password_are_decoded_and_sent_over_tls(outbox, mail_server, trusted_certificate, scheme):
    server = mail_server(
        f"re%40flow:{ASCII_ENCODED}@",
        tls=trusted_certificate,
        scheme=scheme,
        login=f"re@flow:{ASCII_PASSWORD}",
    )
    outbox.post()
    outbox.send()
    assert [(received.is_encrypted, received.login) for received in server.received] == [(True, "re@flow")]


def test_password_is_never_sent_without_tls(outbox, mail_server, caplog):
    server = mail_server("reflow:pw@", auth_require_tls=False, auth_required=False, login="reflow:pw")
    outbox.post()
    with pytest.raises(ServerUnavailable, match="offers no TLS"):
        outbox.send()
    assert server.received == []


@pytest.mark.parametrize("password", ["wrong", ENCODED])
def test_wrong_password_is_reported_and_not_shown(outbox, mail_server, trusted_certificate, caplog, password):
    server = mail_server(f"reflow:{password}@", tls=trusted_certificate, login="reflow:right")
    outbox.post()
    with pytest.raises(ServerUnavailable) as raised:
        outbox.send()
    assert server.received == []
    reported = outbox.row().failure + caplog.text + str(raised.value)
    assert "let us in (535" in reported or "UnicodeEncodeError" in reported
    assert not outbox.row().done_at
    for secret in (password, PASSWORD, "wrong"):
        assert secret not in reported


def test_messages_wait_while_the_server_is_down(outbox, mail_server):
    server = mail_server()
    server.stop()
    outbox.post(to="first@example.com")
    outbox.post(to="second@example.com")
    with pytest.raises(ServerUnavailable, match="ConnectionRefusedError"):
        outbox.send()
    # The second message was not tried.
    assert [(bool(row.done_at), row.tries) for row in outbox.rows()] == [(False, 1), (False, 0)]
    server.start()
    outbox.let_time_pass()
    assert outbox.send() == 2
    assert sorted(received.to for received in server.received) == ["first@example.com", "second@example.com"]
    assert {row.failure for row in outbox.rows()} == {""}


def test_delay_of_messages_is_short_when_the_server_fails(outbox, settings):
    settings(mail_url=f"smtp://{HOST}:{free_port()}")
    outbox.post()
    for _ in range(8):
        outbox.let_time_pass()
        with pytest.raises(ServerUnavailable):
            outbox.send()
    assert outbox.row().tries == 8
    assert outbox.row().due_at <= now() + timedelta(seconds=15)
    outbox.let_time_pass(timedelta(days=1))
    with pytest.raises(ServerUnavailable):
        outbox.send()
    assert outbox.row().done_at
    assert "ConnectionRefusedError" in outbox.row().failure


def test_recipient_refused_permanently_is_given_up_alone(outbox, mail_server, caplog):
    server = mail_server()
    server.handler.recipients["gone@example.com"] = "550 5.1.1 gone@example.com is unknown\x1b here"
    outbox.post(to="gone@example.com")
    outbox.post(to="ada@acme.example")
    assert outbox.send() == 2
    refused, ada = outbox.rows()
    assert (refused.failure, refused.tries) == ("the mail server refused the recipient (550 5.1.1)", 1)
    assert refused.done_at
    assert ada.done_at
    assert ada.failure == ""
    assert [received.to for received in server.received] == ["ada@acme.example"]
    assert "given up: the mail server refused the recipient (550 5.1.1)" in caplog.text
    assert "is unknown" not in caplog.text


@pytest.mark.parametrize("response", ["451 4.7.1 later", "450 busy"])
def test_recipient_refused_temporarily_is_retried(outbox, mail_server, response):
    server = mail_server()
    server.handler.recipients["ada@acme.example"] = response
    outbox.post()
    outbox.post(to="ben@acme.example")
    assert outbox.send() == 2
    assert [received.to for received in server.received] == ["ben@acme.example"]
    row = outbox.rows()[0]
    assert not row.done_at
    assert row.failure.startswith("the mail server did not take the message (45")
    server.handler.recipients.clear()
    outbox.let_time_pass()
    outbox.send()
    assert [received.to for received in server.received] == ["ben@acme.example", "ada@acme.example"]


@pytest.mark.parametrize(
    "response", ["452 4.3.1 disk full", "554 5.7.1 looks like spam: https://secret.example/t"]
)
def test_message_refused_by_the_server_is_retried(outbox, mail_server, response, caplog):
    server = mail_server()
    server.handler.data_response = response
    outbox.post()
    outbox.send()
    row = outbox.row()
    assert not row.done_at
    assert response[:9] in row.failure
    assert "secret.example" not in row.failure + caplog.text
    server.handler.data_response = ""
    outbox.let_time_pass()
    outbox.send()
    assert outbox.row().done_at


def test_server_that_closes_the_connection_is_left_for_a_while(outbox, mail_server):
    server = mail_server()
    server.handler.recipients["ada@acme.example"] = "421 4.3.2 shutting down"
    outbox.post()
    outbox.post(to="ben@acme.example")
    with pytest.raises(ServerUnavailable, match=r"421 4\.3\.2"):
        outbox.send()
    assert [row.tries for row in outbox.rows()] == [1, 0]


def test_silent_server_is_given_up_in_time(outbox, settings, monkeypatch):
    monkeypatch.setattr(transport, "SECONDS_A_MESSAGE", 0.3)
    with socket.create_server((HOST, 0)) as silent:
        settings(mail_url=f"smtp://{HOST}:{silent.getsockname()[1]}")
        outbox.post()
        with pytest.raises(ServerUnavailable, match="cannot be used"):
            outbox.send()
    row = outbox.row()
    assert not row.done_at
    assert row.failure.startswith("the mail server cannot be used (")


def test_hanging_server_is_given_up_in_time(outbox, mail_server, monkeypatch):
    monkeypatch.setattr(transport, "SECONDS_A_MESSAGE", 0.5)
    monkeypatch.setattr(transport, "SECONDS_TO_LEAVE", 0.1)
    server = mail_server()
    server.handler.may_answer.clear()
    outbox.post()
    with pytest.raises(ServerUnavailable):
        outbox.send()
    assert not outbox.row().done_at
    server.handler.may_answer.set()


def test_other_protocol_counts_as_unavailable_server(outbox, settings):
    with socket.create_server((HOST, 0)) as other:

        def respond():
            connection, _ = other.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=respond)
        thread.start()
        settings(mail_url=f"smtp://{HOST}:{other.getsockname()[1]}")
        outbox.post()
        with pytest.raises(ServerUnavailable):
            outbox.send()
        thread.join()
    assert not outbox.row().done_at


def test_missing_server_is_unavailable(outbox, settings):
    settings(mail_url=f"smtps://{HOST}:{free_port()}")
    outbox.post()
    with pytest.raises(ServerUnavailable):
        outbox.send()


def test_non_ascii_address_is_sent_when_the_server_supports_it(outbox, mail_server):
    server = mail_server()
    outbox.post(to="jürgen@bücher.example")
    outbox.send()
    assert [received.to for received in server.received] == ["jürgen@xn--bcher-kva.example"]


def test_non_ascii_address_is_given_up_without_support(outbox, mail_server):
    server = mail_server(enable_SMTPUTF8=False)
    outbox.post(to="jürgen@example.com")
    outbox.post(to="ada@bücher.example")
    outbox.send()
    given_up, sent = outbox.rows()
    assert given_up.failure == "the mail server takes no addresses with characters other than ASCII"
    assert given_up.done_at
    assert sent.done_at
    assert [received.to for received in server.received] == ["ada@xn--bcher-kva.example"]


def test_name_cannot_add_a_recipient_or_a_header(templates, outbox, mail_server):
    server = mail_server()
    outbox.post("named", name="Ann\r\nBcc: all@example.com\r\n.\r\nMAIL FROM:<x@example.com>")
    outbox.send()
    [received] = server.received
    assert received.to == "ada@acme.example"
    assert received.message["Bcc"] is None
    assert received.message["Subject"].startswith(
        "Ann Bcc: all@example.com . MAIL FROM:<x@example.com> wrote"
    )
