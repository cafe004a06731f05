"""HTTP of the production server: versions, pipelining, HEAD, Expect, invalid addresses, slow bodies."""

import json
import socket
import struct
import time

import pytest

from reflow_accounts.demo import PASSWORD
from tests import factories
from tests.serving.raw_http import connected, request

STATIC = "/static/css/reflow.css"
ADA = json.dumps({"email": "ada@acme.example", "password": PASSWORD}).encode()
POST = {"method": "POST", "Content_Type": "application/json"}
LIMIT = 65536


@pytest.fixture(scope="module")
def bearer(live):
    """The Authorization header of a key that works."""
    team = factories.team(live.app, "Raw", factories.person(live.app), active=True)
    return f"Bearer {factories.service_account(live.app, team, 'raw').key().secret}"


@pytest.fixture(scope="module", autouse=True)
def clean_log(live):
    """No test of this module makes the server fail."""
    before = live.log.stat().st_size
    yield
    log = live.log.read_bytes()[before:].decode()
    assert "Traceback" not in log
    assert '"level": "error"' not in log


@pytest.fixture
def raw(live):
    with connected(live) as connection:
        yield connection


@pytest.mark.parametrize("host", ["", "Host: 127.0.0.1\r\n", "Host: \r\n"])
@pytest.mark.parametrize("path", ["/api/v1/me", "/healthz", "/login"])
def test_http_1_0_is_answered_and_closed(raw, bearer, path, host):
    raw.send(f"GET {path} HTTP/1.0\r\n{host}Authorization: {bearer}\r\n\r\n".encode())
    answer = raw.read()
    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert raw.rest() == b""


def test_http_1_0_with_a_foreign_host_is_refused(raw, bearer):
    raw.send(f"GET /api/v1/me HTTP/1.0\r\nHost: evil.example\r\nAuthorization: {bearer}\r\n\r\n".encode())
    assert raw.read().status == 400


def test_pipelined_requests_are_answered_in_order(raw, bearer):
    paths = ["/api/v1/me", "/healthz", "/api/v1/me?x=1", STATIC, "/api/v1/nothing", "/login"] * 3
    raw.send(b"".join(request(path, Authorization=bearer) for path in paths))
    answers = [raw.read() for _ in paths]
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 404, 200] * 3
    bodies = [answer.body for answer in answers]
    assert bodies[0] == bodies[2] == bodies[6] == bodies[8]
    assert json.loads(bodies[0])["authenticated_by"]["type"] == "key"
    assert json.loads(bodies[1])["status"] == "ok"
    assert answers[3].headers["Content-Type"].startswith("text/css")
    assert bodies[5].startswith(b"<!doctype html>")


@pytest.mark.parametrize("path", ["/api/v1/me", "/healthz", "/login", STATIC, "/api/v1/nothing", "/nothing"])
def test_head_has_the_headers_of_get_and_no_body(raw, bearer, path):
    got = raw.ask(request(path, Authorization=bearer))
    head = raw.ask(request(path, "HEAD", Authorization=bearer))
    assert head.status == got.status
    assert head.headers["Content-Length"] == got.headers["Content-Length"] == str(len(got.body))
    assert set(head.headers.keys()) == set(got.headers.keys())
    # A body would stand where the next answer begins.
    assert raw.ask(request("/healthz")).status == 200


@pytest.mark.parametrize(("path", "allowed"), [("/api/v1/me", {"GET"}), ("/api/v1/keys", {"GET", "POST"})])
def test_options_names_the_methods(raw, bearer, path, allowed):
    answer = raw.ask(request(path, "OPTIONS", Authorization=bearer))
    assert answer.status == 200
    assert set(answer.headers["Allow"].split(", ")) == allowed | {"HEAD", "OPTIONS"}
    assert "Content-Type" not in answer.headers


def test_small_body_is_requested_with_100(raw):
    head = request(
        "/api/v1/sessions", **POST, Content_Length=str(len(ADA)), Expect="100-continue", Connection="close"
    )
    raw.send(head)
    assert raw.read().status == 100
    raw.send(ADA)
    assert raw.read().status == 201
    assert raw.rest() == b""


def test_large_body_is_refused_without_100(raw):
    head = request("/api/v1/sessions", **POST, Content_Length=str(LIMIT + 1), Expect="100-continue")
    answer = raw.ask(head)
    assert answer.status == 413
    assert json.loads(answer.body)["code"] == "too_large"


# Addresses in bytes that the server refuses by itself are followed by the end of the connection.
QUERIES = [
    *(b"\xff", b"x=\xff", b"team=\xe9&rights=view", b"team=\xc3\xa9&rights=view", b"team=%00&rights=view"),
    *(b"%ff", b"x=%ff%fe", b"%00", b"a=%00", b"a=%ed%a0%80", b"%", b"=&&;", b"x=" + 9000 * b"%f"),
]
PATHS = [b"/", b"/api/v1/me", b"/api/v1/keys/", b"/account/", b"/static/", b"/help/", b"/invitations/"]
ENDS = [
    *(b"%ff", b"%00", b"%ed%a0%80", b"%", b"%2e%2e%2f", b"%0d%0aX:y", b"//", b"\xc3\xa9", b"\xff"),
    *(b"\x80abc", 5000 * b"x", 5000 * b"/", b";x=%ff", b"%2fexport", b"\x7f", b"<script>"),
]
TARGETS = [b"http://127.0.0.1/api/v1/me", b"http://evil.example/api/v1/me", b"*", b"127.0.0.1:80", b"x", b"?"]


@pytest.mark.parametrize("name", ["me", "keys", "authorize", "activity"])
@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_invalid_query_causes_no_server_error(raw, bearer, name, query):
    answer = raw.ask(request(f"/api/v1/{name}?".encode() + query, Authorization=bearer))
    assert answer.status < 500


@pytest.mark.parametrize("start", PATHS)
@pytest.mark.parametrize("end", ENDS, ids=range(len(ENDS)))
def test_invalid_path_causes_no_server_error(raw, bearer, start, end):
    assert raw.ask(request(start + end, Authorization=bearer)).status in range(300, 500)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "CONNECT"])
def test_invalid_target_causes_no_server_error(raw, bearer, method, target):
    assert raw.ask(request(target, method, Authorization=bearer)).status < 500


def test_chunked_body_is_read(raw):
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (ADA[:1], ADA[1:20], ADA[20:]))
    raw.send(request("/api/v1/sessions", **POST, Transfer_Encoding="chunked") + chunks)
    raw.send(b"0\r\nX-Trailer: x\r\n\r\n")
    assert raw.read().status == 201
    assert raw.ask(request("/healthz")).status == 200


@pytest.mark.parametrize("path", ["/api/v1/sessions", "/login", "/api/v1/me", "/x/export"])
@pytest.mark.parametrize("length", [LIMIT, LIMIT + 1, 10**12])
def test_unsent_bodies_delay_no_other_request(live, bearer, path, length):
    """There are more such requests than threads, and each needs the rest of its body."""
    waiting = [connected(live) for _ in range(60)]
    try:
        for one in waiting:
            head = request(path, **POST, Content_Length=str(length), Authorization=bearer)
            one.__enter__().send(head + b"{")
        for other in ("/api/v1/me", "/api/v1/me?x=1", "/login", "/healthz", "/readyz") * 3:
            started = time.monotonic()
            with connected(live) as raw:
                assert raw.ask(request(other, Authorization=bearer)).status == 200
            assert time.monotonic() - started < 2
    finally:
        for one in waiting:
            one.__exit__(None, None, None)


def test_body_in_small_pieces_is_read(raw):
    raw.send(request("/api/v1/sessions", **POST, Content_Length=str(len(ADA))))
    for place in range(len(ADA)):
        raw.send(ADA[place : place + 1])
    assert raw.read().status == 201


def test_unchanged_file_is_not_sent_again(raw):
    tag = raw.ask(request(STATIC)).headers["ETag"]
    raw.send(request(STATIC, If_None_Match=tag))
    assert raw.read(has_body=False).status == 304
    assert raw.ask(request("/healthz")).status == 200


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/me?x=1", "/login", STATIC])
def test_clients_that_leave_cause_no_error(live, bearer, path):
    for linger in (0, 1) * 20:
        with socket.create_connection(("127.0.0.1", live.port)) as leaving:
            # With a time of 0 the connection is reset, and not ended in order.
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, linger))
            leaving.sendall(request(path, Authorization=bearer) * 3)
    with connected(live) as raw:
        assert raw.ask(request(path, Authorization=bearer)).status == 200
