"""The MDN HTTP Observatory grades the site A+ behind https, at least 125 points."""

from dataclasses import replace

import pytest

from tests.helpers.html import parse
from tests.web import observatory
from tests.web.observatory import ObservedResponse

pytestmark = pytest.mark.postgresql_later

BASE_URL = "https://accounts.example.com"
WEAKER_HEADERS = [
    ("Content-Security-Policy", None),
    ("Content-Security-Policy", "default-src 'self' 'unsafe-inline'"),
    ("Strict-Transport-Security", None),
    ("Strict-Transport-Security", "max-age=3600"),
    ("Referrer-Policy", "unsafe-url"),
    ("Cross-Origin-Resource-Policy", None),
    ("X-Content-Type-Options", None),
]


@pytest.fixture
def https_client(another):
    """A browser at the same site behind https."""
    app = another(base_url=BASE_URL)
    app.testing = True
    return app.test_client()


def observe(client, path):
    response = client.get(path, base_url=BASE_URL)
    return ObservedResponse(
        dict(response.headers), response.headers.getlist("Set-Cookie"), parse(response.text)
    )


@pytest.mark.parametrize(
    "path", ["/", "/login", "/help/api-keys", "/help/cli", "/help/api", "/privacy", "/nothing"]
)
def test_pages_are_graded_a_plus(https_client, path):
    points = observatory.score(observe(https_client, path))
    assert (observatory.grade(points), points >= 125) == ("A+", True), points


def test_log_in_page_has_full_score(https_client):
    response = observe(https_client, "/login")
    assert len(response.cookies) == 1
    assert observatory.score(response) == 135


@pytest.mark.parametrize(("name", "value"), WEAKER_HEADERS)
def test_weak_header_lowers_the_score(https_client, name, value):
    response = observe(https_client, "/login")
    headers = {key: text for key, text in response.headers.items() if key != name}
    weaker = replace(response, headers=headers | ({name: value} if value else {}))
    assert observatory.score(weaker) < observatory.score(response)


@pytest.mark.parametrize("flag", ["Secure", "HttpOnly", "SameSite=Lax"])
def test_weak_cookie_lowers_the_score(https_client, flag):
    response = observe(https_client, "/login")
    weaker = replace(response, cookies=[text.replace(f"; {flag}", "") for text in response.cookies])
    assert observatory.score(weaker) < observatory.score(response)
