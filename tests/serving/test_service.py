"""ASGI scopes and messages that the service handles before Flask."""

import pytest

from tests.helpers.asgi_client import AsgiClient


@pytest.fixture
def asgi(app):
    client = AsgiClient(app)
    yield client
    client.close()


def test_cookies_split_by_http_2_are_joined(cast, client, asgi):
    """RFC 9113, 8.2.3: they are put together with "; " before an application reads them."""
    cookie = cast.ada.sign_in(client).get_cookie("reflow").value
    cookies = [("Cookie", "a=1"), ("Cookie", f"reflow={cookie}"), ("Cookie", "b=2")]
    assert asgi.get("/account/profile", cookies[1:2], http_version="2").status == 200
    assert asgi.get("/account/profile", cookies, http_version="2").status == 200


@pytest.mark.parametrize("version", ["1.0", "1.1", "2", "3"])
def test_every_version_of_http_is_served(cast, asgi, version):
    headers = {"Authorization": f"Bearer {cast.ada.key().secret}"}
    for path in ("/api/v1/me", "/api/v1/me?x=1", "/login"):
        assert asgi.get(path, headers, http_version=version).status == 200


def test_empty_host_is_treated_as_missing(cast, asgi):
    """Servers set an empty host for HTTP/1.0 requests without one."""
    headers = {"Host": "", "Authorization": f"Bearer {cast.ada.key().secret}"}
    for path in ("/api/v1/me", "/api/v1/me?x=1", "/login"):
        assert asgi.get(path, headers).status == 200


def test_request_on_a_socket_file_is_served(cast, asgi):
    """There client and server have no address (ASGI: `client` and `server` may be None)."""
    headers = {"Authorization": f"Bearer {cast.ada.key().secret}"}
    for path in ("/api/v1/me", "/api/v1/me?x=1", "/login"):
        assert asgi.get(path, headers, client=None, server=None).status == 200
        assert asgi.get(path, headers, client=None, server=("/run/reflow.sock", None)).status == 200


def test_websocket_is_closed(asgi):
    scope = {"type": "websocket", "path": "/api/v1/me", "query_string": b"", "headers": []}
    messages = asgi.exchange(scope, {"type": "websocket.connect"})
    assert messages == [{"type": "websocket.close", "code": 1000}]


def test_client_that_disconnects_during_its_body_gets_no_response(asgi):
    scope = {"type": "http", "method": "POST", "path": "/login", "query_string": b"", "headers": []}
    part = {"type": "http.request", "body": b"x", "more_body": True}
    assert asgi.exchange(scope, part, part, {"type": "http.disconnect"}) == []
