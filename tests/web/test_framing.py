"""Message framing is unambiguous, which prevents request smuggling (OWASP ASVS 5.0, 4.2.1)."""

import re
import socket

import pytest

from reflow_accounts.web.request_input import LARGEST_BODY_BYTES
from tests.helpers.live_server import LiveServer

HEAD = "POST /api/v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
NEXT = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
WAIT_SECONDS = 10
EMPTY = "0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
CREDENTIALS = '{"email": "nobody@acme.example", "password": "x"}'


def statuses(live: LiveServer, message: str) -> list[int]:
    """Send bytes on one connection; return the statuses of all responses."""
    with socket.create_connection(("127.0.0.1", live.port), WAIT_SECONDS) as connection:
        connection.sendall(message.encode("latin-1"))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", received)]


def test_chunked_encoding_overrides_content_length(live: LiveServer) -> None:
    chunks = f"{len(CREDENTIALS):x}\r\n{CREDENTIALS}\r\n{EMPTY}"
    length = f"Content-Length: {len(chunks + NEXT)}\r\n"
    for fields in (length + CHUNKED, CHUNKED + length):
        assert statuses(live, f"{HEAD}{fields}\r\n{chunks}{NEXT}") == [401]
    assert statuses(live, f"{HEAD}{CHUNKED}\r\n{chunks}{NEXT}") == [401, 200]


def test_content_length_ends_a_body(live: LiveServer) -> None:
    assert statuses(live, f"{HEAD}Content-Length: {len(NEXT)}\r\n\r\n{NEXT}{NEXT}") == [422, 200]


@pytest.mark.parametrize(
    "fields",
    [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ],
)
def test_ambiguous_framing_is_refused(live: LiveServer, fields: str) -> None:
    assert statuses(live, f"{HEAD}{fields}\r\n{EMPTY}{NEXT}") == [400]


@pytest.mark.parametrize("size", ["x", "-1", "0x0", "fffffffffffffffff"])
def test_invalid_chunk_size_ends_the_connection(live: LiveServer, size: str) -> None:
    message = f"{HEAD}{CHUNKED}\r\n{size}\r\n\r\n{NEXT}"
    assert 200 not in statuses(live, message)


def test_chunked_bodies_have_the_same_limit(live: LiveServer) -> None:
    spaces = (LARGEST_BODY_BYTES - len(CREDENTIALS)) * " "
    for extra, status in (("", 401), ("x", 413)):
        body = CREDENTIALS + spaces + extra
        assert statuses(live, f"{HEAD}{CHUNKED}\r\n{len(body):x}\r\n{body}\r\n{EMPTY}{NEXT}")[0] == status


@pytest.mark.parametrize(
    "start",
    [
        f"Content-Length: {LARGEST_BODY_BYTES + 1}\r\n\r\n",
        f"{CHUNKED}\r\n{2 * LARGEST_BODY_BYTES:x}\r\n" + (LARGEST_BODY_BYTES + 1) * "x",
    ],
    ids=["said", "sent"],
)
def test_too_large_body_is_refused_before_its_end(live: LiveServer, start: str) -> None:
    assert statuses(live, HEAD + start) == [413]
