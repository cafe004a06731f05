"""What the event loop and Flask take from X-Forwarded-… headers with 0, 1 and 2 trusted proxies."""

import pytest

from reflow_accounts.web.request_info import client_address
from tests.api_auth.both_paths import AUTHORIZE, ME, BothPaths
from tests.helpers import rows

pytestmark = pytest.mark.postgresql_later

PEER = "127.0.0.1"


@pytest.fixture
def with_proxies(another):
    """`behind(1)`: both paths of the application with that many trusted proxies."""
    clients = []

    def make(proxies):
        clients.append(BothPaths(another(trusted_proxies=proxies)))
        return clients[-1]

    yield make
    for both_paths in clients:
        both_paths.close()


# X-Forwarded-For, and the address that is recorded with 0, 1 and 2 trusted proxies.
FORWARDED = {
    "203.0.113.9": (PEER, "203.0.113.9", PEER),
    "203.0.113.9, 192.0.2.7": (PEER, "192.0.2.7", "203.0.113.9"),
    "203.0.113.9,192.0.2.7,192.0.2.8": (PEER, "192.0.2.8", "192.0.2.7"),
    " 203.0.113.9 ,\t192.0.2.7 ": (PEER, "192.0.2.7", "203.0.113.9"),
    "203.0.113.8:40001": (PEER, "203.0.113.8", PEER),
    "203.0.113.8:40001, 192.0.2.7:1": (PEER, "192.0.2.7", "203.0.113.8"),
    "2001:db8::1, [2001:db8::2]:443": (PEER, "2001:db8::2", "2001:db8::1"),
    "[2001:DB8::0:3], [::ffff:192.0.2.9]:5": (PEER, "192.0.2.9", "2001:db8::3"),
    # Invalid addresses are ignored: the address of the peer is recorded.
    "2001:db8::1]:443, [2001:db8::2": (PEER, PEER, PEER),
    "203.0.113.999, 203.0.113.8:": (PEER, PEER, PEER),
    "unknown, _hidden": (PEER, PEER, PEER),
    "localhost, 1.2.3": (PEER, PEER, PEER),
    "a" * 300 + ", " + "1" * 300: (PEER, PEER, PEER),
    "caf\u00e9, \u00b2.0.0.1": (PEER, PEER, PEER),
    "": (PEER, PEER, PEER),
}
# Peer, X-Forwarded-For, and the address of the client behind one proxy.
PEERS = {
    ("::ffff:192.0.2.7", ""): "192.0.2.7",
    ("::ffff:192.0.2.7", "unknown"): "192.0.2.7",
    ("::ffff:192.0.2.7", "203.0.113.9"): "203.0.113.9",
    ("2001:DB8::0:3", ""): "2001:db8::3",
    ("local", ""): "local",
    ("", ""): "",
}
# A client can send any beginning of the header; the proxy appends to it.
MALFORMED = [
    ",",
    "203.0.113.9,",
    "203.0.113.9,,192.0.2.7",
    '"203.0.113.9", "192.0.2.7"',
    '"203.0.113.9, 192.0.2.7"',
    '"203.0.113.9, 192.0.2.7',
    '203.0.113.9, x", 192.0.2.7',
    '"203.0.113.9\\", 192.0.2.7',
]


@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_forwarded_address_is_recorded_the_same(app, cast, with_proxies, proxies):
    both_paths, key = with_proxies(proxies), cast.ada.key()
    for header in FORWARDED:
        both_paths.same(ME, key.secret, in_flask=0, **{"X-Forwarded-For": header})
    from_event_loop, from_flask = rows.uses_of(app, key.id)[::2], rows.uses_of(app, key.id)[1::2]
    assert from_event_loop == from_flask
    assert [use.address for use in from_event_loop] == [
        addresses[proxies] for addresses in FORWARDED.values()
    ]


@pytest.mark.parametrize(("peer", "forwarded"), PEERS)
def test_ipv4_client_of_an_ipv6_socket_has_its_ipv4_address(peer, forwarded):
    assert client_address(peer, forwarded, 1) == PEERS[peer, forwarded]


@pytest.mark.parametrize("proxies", [1, 2])
def test_malformed_forwarded_address_is_recorded_the_same(app, cast, with_proxies, proxies):
    both_paths, key = with_proxies(proxies), cast.ada.key()
    for header in MALFORMED:
        both_paths.same(ME, key.secret, **{"X-Forwarded-For": header})
    addresses = [use.address for use in rows.uses_of(app, key.id)]
    from_event_loop, from_flask = (dict(zip(MALFORMED, addresses[half::2], strict=True)) for half in (0, 1))
    assert from_event_loop == from_flask


# Host, X-Forwarded-Host, and the status with 0, 1 and 2 trusted proxies.
HOSTS = {
    ("localhost", "evil.example"): (200, 400, 200),
    ("localhost", "evil.example, localhost"): (200, 200, 400),
    ("localhost", "localhost, evil.example"): (200, 400, 200),
    ("localhost", "evil.example, localhost, localhost"): (200, 200, 200),
    ("localhost", ""): (200, 200, 200),
    ("localhost", '"evil.example"'): (200, 400, 200),
    ("localhost", "a b"): (200, 400, 200),
    ("evil.example", "localhost, localhost"): (400, 200, 200),
    ("evil.example", ""): (400, 400, 400),
}


@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_foreign_host_is_refused_on_both_paths(app, cast, with_proxies, proxies):
    both_paths, key = with_proxies(proxies), cast.ada.key()
    statuses = {}
    for host, forwarded in HOSTS:
        response = both_paths.same(ME, key.secret, **{"Host": host, "X-Forwarded-Host": forwarded})
        assert "evil" not in str(response)
        statuses[host, forwarded] = response.status
    assert statuses == {names: expected[proxies] for names, expected in HOSTS.items()}
    from_event_loop, from_flask = rows.uses_of(app, key.id)[::2], rows.uses_of(app, key.id)[1::2]
    assert from_event_loop == from_flask
    outcomes = {200: "accepted", 400: "bad_request"}
    assert [use.outcome for use in from_event_loop] == [outcomes[status] for status in statuses.values()]


def test_malformed_forwarded_host_is_refused_on_both_paths(cast, with_proxies):
    headers = {"X-Forwarded-Host": "evil.example,"}
    assert with_proxies(1).same(ME, cast.ada.key().secret, **headers).status == 400


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_headers_with_underscores_are_ignored(app, cast, with_proxies, scheme):
    key = cast.ada.key()
    headers = {
        "Authorization": f"{scheme} {key.secret}",
        "X-Forwarded-For": "192.0.2.7",
        "X_Forwarded_For": "6.6.6.6",
        "X-Forwarded_For": "6.6.6.6",
        "X_Forwarded_Host": "evil.example",
        "X_Original_URI": "/forged",
        "X_Original_Method": "PUT",
        "Content_Length": "99",
        "User_Agent": "forged",
        "Transfer_Encoding": "chunked",
    }
    path = f"{AUTHORIZE}?team={cast.acme.id}&rights=view"
    both_paths = with_proxies(1)
    with both_paths.requests_in_flask() as seen:
        assert both_paths.asgi.get(path, headers).status == 204
    assert len(seen) == (scheme == "bearer")
    [use] = rows.uses_of(app, key.id)
    assert (use.method, use.path, use.address, use.user_agent) == ("GET", AUTHORIZE, "192.0.2.7", "")


def test_header_with_underscores_is_no_credential(cast, with_proxies):
    both_paths = with_proxies(0)
    secret = cast.ada.key().secret
    assert (
        both_paths.asgi.get(ME, {"X_Authorization": f"Bearer {secret}"}).json["code"] == "missing_credentials"
    )
    repeated = [("X_Forwarded_For", "6.6.6.6"), ("X_Forwarded_For", "6.6.6.7")]
    assert both_paths.asgi.get(ME, [("Authorization", f"Bearer {secret}"), *repeated]).status == 200
