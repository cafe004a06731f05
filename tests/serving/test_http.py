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
    """Check that no test of this module causes a server error."""
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
    response = raw.read()
    assert response.status == 200
    assert response.headers["Content-Length"] == str(len(response.body))
    assert raw.read_to_end() == b""


def test_http_1_0_with_a_foreign_host_is_refused(raw, bearer):
    raw.send(f"GET /api/v1/me HTTP/1.0\r\nHost: evil.example\r\nAuthorization: {bearer}\r\n\r\n".encode())
    assert raw.read().status == 400


def test_pipelined_requests_are_answered_in_order(raw, bearer):
    paths = ["/api/v1/me", "/healthz", "/api/v1/me?x=1", STATIC, "/api/v1/nothing", "/login"] * 3
    raw.send(b"".join(request(path, Authorization=bearer) for path in paths))
    responses = [raw.read() for _ in paths]
    assert [response.status for response in responses] == [200, 200, 200, 200, 404, 200] * 3
    bodies = [response.body for response in responses]
    assert bodies[0] == bodies[2] == bodies[6] == bodies[8]
    assert json.loads(bodies[0])["authenticated_by"]["type"] == "key"
    assert json.loads(bodies[1])["status"] == "ok"
    assert responses[3].headers["Content-Type"].startswith("text/css")
    assert bodies[5].startswith(b"<!doctype html>")


@pytest.mark.parametrize("path", ["/api/v1/me", "/healthz", "/login", STATIC, "/api/v1/nothing", "/nothing"])
def test_head_has_the_headers_of_get_and_no_body(raw, bearer, path):
    get_response = raw.exchange(request(path, Authorization=bearer))
    head = raw.exchange(request(path, "HEAD", Authorization=bearer))
    assert head.status == get_response.status
    assert (
        head.headers["Content-Length"]
        == get_response.headers["Content-Length"]
        == str(len(get_response.body))
    )
    assert set(head.headers.keys()) == set(get_response.headers.keys())
    # An unread body would corrupt the next response.
    assert raw.exchange(request("/healthz")).status == 200


@pytest.mark.parametrize(("path", "allowed"), [("/api/v1/me", {"GET"}), ("/api/v1/keys", {"GET", "POST"})])
def test_options_names_the_methods(raw, bearer, path, allowed):
    response = raw.exchange(request(path, "OPTIONS", Authorization=bearer))
    assert response.status == 200
    assert set(response.headers["Allow"].split(", ")) == allowed | {"HEAD", "OPTIONS"}
    assert "Content-Type" not in response.headers


def test_small_body_is_requested_with_100(raw):
    head = request(
        "/api/v1/sessions", **POST, Content_Length=str(len(ADA)), Expect="100-continue", Connection="close"
    )
    raw.send(head)
    assert raw.read().status == 100
    raw.send(ADA)
    assert raw.read().status == 201
    assert raw.read_to_end() == b""


def test_large_body_is_refused_without_100(raw):
    head = request("/api/v1/sessions", **POST, Content_Length=str(LIMIT + 1), Expect="100-continue")
    response = raw.exchange(head)
    assert response.status == 413
    assert json.loads(response.body)["code"] == "too_large"


# After invalid bytes in the request line the server closes the connection.
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
    response = raw.exchange(request(f"/api/v1/{name}?".encode() + query, Authorization=bearer))
    assert response.status < 500


@pytest.mark.parametrize("start", PATHS)
@pytest.mark.parametrize("end", ENDS, ids=range(len(ENDS)))
def test_invalid_path_causes_no_server_error(raw, bearer, start, end):
    assert raw.exchange(request(start + end, Authorization=bearer)).status in range(300, 500)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "CONNECT"])
def test_invalid_target_causes_no_server_error(raw, bearer, method, target):
    assert raw.exchange(request(target, method, Authorization=bearer)).status < 500


def test_chunked_body_is_read(raw):
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (ADA[:1], ADA[1:20], ADA[20:]))
    raw.send(request("/api/v1/sessions", **POST, Transfer_Encoding="chunked") + chunks)
    raw.send(b"0\r\nX-Trailer: x\r\n\r\n")
    assert raw.read().status == 201
    assert raw.exchange(request("/healthz")).status == 200


@pytest.mark.parametrize("path", ["/api/v1/sessions", "/login", "/api/v1/me", "/x/export"])
@pytest.mark.parametrize("length", [LIMIT, LIMIT + 1, 10**12])
def test_unsent_bodies_delay_no_other_request(live, bearer, path, length):
    """There are more such requests than threads, and each needs the rest of its body."""
    waiting = [connected(live) for _ in range(60)]
    try:
        for connection in waiting:
            head = request(path, **POST, Content_Length=str(length), Authorization=bearer)
            connection.__enter__().send(head + b"{")
        for other in ("/api/v1/me", "/api/v1/me?x=1", "/login", "/healthz", "/readyz") * 3:
            started = time.monotonic()
            with connected(live) as raw:
                assert raw.exchange(request(other, Authorization=bearer)).status == 200
            assert time.monotonic() - started < 10
    finally:
        for connection in waiting:
            connection.__exit__(None, None, None)


def test_body_in_small_pieces_is_read(raw):
    raw.send(request("/api/v1/sessions", **POST, Content_Length=str(len(ADA))))
    for index in range(len(ADA)):
        raw.send(ADA[index : index + 1])
    assert raw.read().status == 201


def test_unchanged_file_is_not_sent_again(raw):
    tag = raw.exchange(request(STATIC)).headers["ETag"]
    raw.send(request(STATIC, If_None_Match=tag))
    assert raw.read(has_body=False).status == 304
    assert raw.exchange(request("/healthz")).status == 200


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/me?x=1", "/login", STATIC])
def test_clients_that_disconnect_cause_no_error(live, bearer, path):
    for linger in (0, 1) * 20:
        with socket.create_connection(("127.0.0.1", live.port)) as client:
            # With a linger time of 0 the connection is reset.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, linger))
            client.sendall(request(path, Authorization=bearer) * 3)
    with connected(live) as raw:
        assert raw.exchange(request(path, Authorization=bearer)).status == 200
