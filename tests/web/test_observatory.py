"""The MDN HTTP Observatory grades the site A+ behind https, at least 125 points."""

from dataclasses import replace

import pytest

from tests.helpers.html import parse
from tests.web import observatory
from tests.web.observatory import Answer

pytestmark = pytest.mark.postgresql_later

BASE_URL = "https://accounts.example.com"
WEAKER = [
    ("Content-Security-Policy", None),
    ("Content-Security-Policy", "default-src 'self' 'unsafe-inline'"),
    ("Strict-Transport-Security", None),
    ("Strict-Transport-Security", "max-age=3600"),
    ("Referrer-Policy", "unsafe-url"),
    ("Cross-Origin-Resource-Policy", None),
    ("X-Content-Type-Options", None),
]


@pytest.fixture
def secure(another):
    """A browser at the same site behind https."""
    made = another(base_url=BASE_URL)
    made.testing = True
    return made.test_client()


def judged(client, path):
    answer = client.get(path, base_url=BASE_URL)
    return Answer(dict(answer.headers), answer.headers.getlist("Set-Cookie"), parse(answer.text))


@pytest.mark.parametrize(
    "path", ["/", "/login", "/help/api-keys", "/help/cli", "/help/api", "/privacy", "/nothing"]
)
def test_pages_are_graded_a_plus(secure, path):
    points = observatory.score(judged(secure, path))
    assert (observatory.grade(points), points >= 125) == ("A+", True), points


def test_log_in_page_has_full_score(secure):
    answer = judged(secure, "/login")
    assert len(answer.cookies) == 1
    assert observatory.score(answer) == 135


@pytest.mark.parametrize(("name", "value"), WEAKER)
def test_weak_header_lowers_the_score(secure, name, value):
    answer = judged(secure, "/login")
    headers = {key: text for key, text in answer.headers.items() if key != name}
    weaker = replace(answer, headers=headers | ({name: value} if value else {}))
    assert observatory.score(weaker) < observatory.score(answer)


@pytest.mark.parametrize("flag", ["Secure", "HttpOnly", "SameSite=Lax"])
def test_weak_cookie_lowers_the_score(secure, flag):
    answer = judged(secure, "/login")
    weaker = replace(answer, cookies=[text.replace(f"; {flag}", "") for text in answer.cookies])
    assert observatory.score(weaker) < observatory.score(answer)
