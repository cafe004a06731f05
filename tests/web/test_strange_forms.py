"""Random form input never causes a server error."""

from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.routes import SAFE, belongings, every_route

pytestmark = [pytest.mark.postgresql_later, pytest.mark.slow]

EXAMPLES = 60
NAMES = (
    "email", "password", "full_name", "team_name", "name", "nonce", "appearance", "time_zone", "code", "otp",
    "current_password", "new_password", "credential", "reason", "active", "seen", "next", "cursor", "", "x",
)  # fmt: skip
# Lone surrogates too: a client can send their bytes.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)
SPECIAL_TEXT = st.sampled_from(
    ["\0", "\r\nX: y", "\u2028", "\ud800", "9" * 5000, "NaN", "-1", "{" * 500, "' OR 1=1 --"]
)
FIELDS = st.lists(st.tuples(st.sampled_from(NAMES), ANY_TEXT | SPECIAL_TEXT), max_size=8)


@pytest.mark.parametrize("user", ["ada", "sam", "nobody"])
def test_random_forms_cause_no_server_error(app, cast, client, user):
    ids = belongings(app, cast)
    if user != "nobody":
        getattr(cast, user).sign_in(client)
    # After sign-out every page is the log-in page.
    routes = [
        route
        for route in every_route(app, ids)
        if route.method not in SAFE and not route.is_api and route.path != "/logout"
    ]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(route=st.sampled_from(routes), fields=FIELDS, query=FIELDS)
    def send(route, fields, query):
        body = urlencode([("csrf_token", client.csrf_token()), *fields], errors="surrogatepass")
        response = client.open(
            route.path,
            method=route.method,
            data=body,
            query_string=urlencode(query, errors="surrogatepass"),
            content_type="application/x-www-form-urlencoded",
        )
        assert response.status_code < 500, f"{route}: {response.status}"

    send()


@pytest.mark.parametrize("user", ["ada", "sam"])
def test_random_queries_cause_no_server_error(app, cast, client, user):
    ids = belongings(app, cast)
    getattr(cast, user).sign_in(client)
    routes = [route for route in every_route(app, ids) if route.method == "GET" and not route.is_api]
    names = st.sampled_from(["q", "name", "cursor", "key", "period", "created", "active", "next", "page", ""])

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        route=st.sampled_from(routes), query=st.lists(st.tuples(names, ANY_TEXT | SPECIAL_TEXT), max_size=5)
    )
    def read(route, query):
        response = client.get(route.path, query_string=urlencode(query, errors="surrogatepass"))
        assert response.status_code < 500, f"{route}: {response.status}"

    read()


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "multipart/form-data", "x", ""])
def test_malformed_bodies_cause_no_server_error(app, cast, client, content_type):
    ids = belongings(app, cast)
    cast.ada.sign_in(client)
    for route in every_route(app, ids):
        if route.method in SAFE or route.is_api or route.path == "/logout":
            continue
        for body in (b"[" * 20_000, b"\xff\xfe\x00", b"--x\r\n", b"a=" + b"9" * 5000):
            response = client.open(route.path, method=route.method, data=body, content_type=content_type)
            assert response.status_code < 500, f"{route}: {response.status}"
