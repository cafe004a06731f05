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

# What is encoded in the address of the server, and what is not ASCII, which no mail server is told.
PASSWORD = "p@ss:word/ü%"  # pragma: allowlist secret
ENCODED = "p%40ss%3Aword%2F%C3%BC%25"
ASCII_PASSWORD, ASCII_ENCODED = "p@ss:word/%", "p%40ss%3Aword%2F%25"


@pytest.fixture
def trusted(certificate, monkeypatch):
    """The authority of the tests is one that this process trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))
    return certificate


def test_plain_server_gets_the_message_with_both_parts(outbox, mail_server):
    server = mail_server()
    outbox.post()
    assert outbox.send() == 1
    [taken] = server.taken
    assert (taken.to, taken.sender) == ("ada@acme.example", "support@reflow.example")
    assert not taken.is_encrypted
    assert [part.get_content_type() for part in taken.message.iter_parts()] == ["text/plain", "text/html"]
    assert outbox.row().done_at


def test_several_messages_go_over_one_connection(outbox, mail_server):
    server = mail_server()
    for number in range(3):
        outbox.post(to=f"person{number}@example.com")
    assert outbox.send() == 3
    assert [taken.to for taken in server.taken] == [f"person{number}@example.com" for number in range(3)]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_server_with_a_certificate_is_spoken_to_in_secret(outbox, mail_server, trusted, scheme):
    server = mail_server(tls=trusted, scheme=scheme)
    outbox.post()
    outbox.send()
    assert [taken.is_encrypted for taken in server.taken] == [True]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_certificate_that_nobody_vouches_for_is_not_accepted(outbox, mail_server, certificate, scheme):
    server = mail_server(tls=certificate, scheme=scheme)
    outbox.post()
    with pytest.raises(ServerUnavailable, match="SSLCertVerificationError"):
        outbox.send()
    assert server.taken == []
    assert not outbox.row().done_at


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_certificate_for_another_host_is_not_accepted(outbox, mail_server, trusted, settings, scheme):
    server = mail_server(tls=trusted, scheme=scheme)
    settings(mail_url=f"{scheme}://127.0.0.2:{server.port}")
    outbox.post()
    with pytest.raises(ServerUnavailable):
        outbox.send()
    assert server.taken == []


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_user_and_password_are_decoded_and_sent_over_tls(outbox, mail_server, trusted, scheme):
    server = mail_server(
        f"re%40flow:{ASCII_ENCODED}@", tls=trusted, scheme=scheme, login=f"re@flow:{ASCII_PASSWORD}"
    )
    outbox.post()
    outbox.send()
    assert [(taken.is_encrypted, taken.login) for taken in server.taken] == [(True, "re@flow")]


def test_password_is_never_sent_without_tls(outbox, mail_server, caplog):
    server = mail_server("reflow:pw@", auth_require_tls=False, auth_required=False, login="reflow:pw")
    outbox.post()
    with pytest.raises(ServerUnavailable, match="offers no TLS"):
        outbox.send()
    assert server.taken == []


@pytest.mark.parametrize("password", ["wrong", ENCODED])
def test_wrong_password_is_said_and_never_shown(outbox, mail_server, trusted, caplog, password):
    server = mail_server(f"reflow:{password}@", tls=trusted, login="reflow:right")
    outbox.post()
    with pytest.raises(ServerUnavailable) as raised:
        outbox.send()
    assert server.taken == []
    kept = outbox.row().failure + caplog.text + str(raised.value)
    assert "let us in (535" in kept or "UnicodeEncodeError" in kept
    assert not outbox.row().done_at
    for secret in (password, PASSWORD, "wrong"):
        assert secret not in kept


def test_nothing_is_lost_while_the_server_is_down(outbox, mail_server):
    server = mail_server()
    server.stop()
    outbox.post(to="first@example.com")
    outbox.post(to="second@example.com")
    with pytest.raises(ServerUnavailable, match="ConnectionRefusedError"):
        outbox.send()
    # The first waits; the second was not even tried.
    assert [(bool(row.done_at), row.tries) for row in outbox.rows()] == [(False, 1), (False, 0)]
    server.start()
    outbox.let_time_pass()
    assert outbox.send() == 2
    assert sorted(taken.to for taken in server.taken) == ["first@example.com", "second@example.com"]
    assert {row.failure for row in outbox.rows()} == {""}


def test_messages_pause_is_short_when_the_server_is_the_reason(outbox, settings):
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


def test_recipient_that_is_refused_for_good_is_given_up_and_stops_no_other(outbox, mail_server, caplog):
    server = mail_server()
    server.handler.recipients["gone@example.com"] = "550 5.1.1 gone@example.com is unknown\x1b here"
    outbox.post(to="gone@example.com")
    outbox.post(to="ada@acme.example")
    assert outbox.send() == 2
    gone, ada = outbox.rows()
    assert (gone.failure, gone.tries) == ("the mail server refused the recipient (550 5.1.1)", 1)
    assert gone.done_at
    assert ada.done_at
    assert ada.failure == ""
    assert [taken.to for taken in server.taken] == ["ada@acme.example"]
    assert "given up: the mail server refused the recipient (550 5.1.1)" in caplog.text
    assert "is unknown" not in caplog.text


@pytest.mark.parametrize("answer", ["451 4.7.1 later", "450 busy"])
def test_recipient_that_is_put_off_is_tried_again(outbox, mail_server, answer):
    server = mail_server()
    server.handler.recipients["ada@acme.example"] = answer
    outbox.post()
    outbox.post(to="ben@acme.example")
    assert outbox.send() == 2
    assert [taken.to for taken in server.taken] == ["ben@acme.example"]
    row = outbox.rows()[0]
    assert not row.done_at
    assert row.failure.startswith("the mail server did not take the message (45")
    server.handler.recipients.clear()
    outbox.let_time_pass()
    outbox.send()
    assert [taken.to for taken in server.taken] == ["ben@acme.example", "ada@acme.example"]


@pytest.mark.parametrize(
    "answer", ["452 4.3.1 disk full", "554 5.7.1 looks like spam: https://secret.example/t"]
)
def test_message_that_is_not_taken_is_tried_again(outbox, mail_server, answer, caplog):
    server = mail_server()
    server.handler.to_data = answer
    outbox.post()
    outbox.send()
    row = outbox.row()
    assert not row.done_at
    assert answer[:9] in row.failure
    assert "secret.example" not in row.failure + caplog.text
    server.handler.to_data = ""
    outbox.let_time_pass()
    outbox.send()
    assert outbox.row().done_at


def test_server_that_closes_is_left_alone_for_a_while(outbox, mail_server):
    server = mail_server()
    server.handler.recipients["ada@acme.example"] = "421 4.3.2 shutting down"
    outbox.post()
    outbox.post(to="ben@acme.example")
    with pytest.raises(ServerUnavailable, match=r"421 4\.3\.2"):
        outbox.send()
    assert [row.tries for row in outbox.rows()] == [1, 0]


def test_server_that_says_nothing_is_given_up_in_time(outbox, settings, monkeypatch):
    monkeypatch.setattr(transport, "SECONDS_A_MESSAGE", 0.3)
    with socket.create_server((HOST, 0)) as silent:
        settings(mail_url=f"smtp://{HOST}:{silent.getsockname()[1]}")
        outbox.post()
        with pytest.raises(ServerUnavailable, match="cannot be used"):
            outbox.send()
    row = outbox.row()
    assert not row.done_at
    assert row.failure.startswith("the mail server cannot be used (")


def test_server_that_hangs_in_the_middle_is_given_up_in_time(outbox, mail_server, monkeypatch):
    monkeypatch.setattr(transport, "SECONDS_A_MESSAGE", 0.5)
    monkeypatch.setattr(transport, "SECONDS_TO_LEAVE", 0.1)
    server = mail_server()
    server.handler.may_answer.clear()
    outbox.post()
    with pytest.raises(ServerUnavailable):
        outbox.send()
    assert not outbox.row().done_at
    server.handler.may_answer.set()


def test_other_protocols_are_unavailable_servers(outbox, settings):
    with socket.create_server((HOST, 0)) as other:

        def answer():
            connection, _ = other.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
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


def test_address_beyond_ascii_is_sent_where_the_server_takes_it(outbox, mail_server):
    server = mail_server()
    outbox.post(to="jürgen@bücher.example")
    outbox.send()
    assert [taken.to for taken in server.taken] == ["jürgen@xn--bcher-kva.example"]


def test_address_beyond_ascii_is_given_up_where_the_server_does_not(outbox, mail_server):
    server = mail_server(enable_SMTPUTF8=False)
    outbox.post(to="jürgen@example.com")
    outbox.post(to="ada@bücher.example")
    outbox.send()
    given_up, sent = outbox.rows()
    assert given_up.failure == "the mail server takes no addresses with characters other than ASCII"
    assert given_up.done_at
    assert sent.done_at
    assert [taken.to for taken in server.taken] == ["ada@xn--bcher-kva.example"]


def test_name_cannot_add_a_recipient_or_a_header(templates, outbox, mail_server):
    server = mail_server()
    outbox.post("named", name="Ann\r\nBcc: all@example.com\r\n.\r\nMAIL FROM:<x@example.com>")
    outbox.send()
    [taken] = server.taken
    assert taken.to == "ada@acme.example"
    assert taken.message["Bcc"] is None
    assert taken.message["Subject"].startswith("Ann Bcc: all@example.com . MAIL FROM:<x@example.com> wrote")
