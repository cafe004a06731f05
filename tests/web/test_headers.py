"""Security headers of all responses."""

import pytest

from reflow_accounts import __version__
from tests.helpers.page_lint import mistakes_in

pytestmark = pytest.mark.postgresql_later

PATHS = [
    "/login",
    "/account/profile",
    "/nothing",
    "/help/api",
    "/healthz",
    "/api/v1/me",
    "/api/v1/openapi.json",
    "/",
]
POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "object-src 'none'",
    "frame-ancestors 'none'",
}


@pytest.mark.parametrize("path", PATHS)
def test_responses_have_security_headers(client, path):
    headers = client.get(path).headers
    assert set(headers["Content-Security-Policy"].split("; ")) == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Permissions-Policy"] == "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
    assert headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in headers


@pytest.mark.parametrize("path", ["reset-password", "verify-email", "confirm-email", "invitations"])
def test_address_of_a_mailed_link_is_not_sent_as_referrer(client, path):
    assert client.get(f"/{path}/the-token").headers["Referrer-Policy"] == "strict-origin"


def test_missing_asset_is_not_cached(client):
    assert client.get("/static/nothing.0123456789ab.css").headers["Cache-Control"] == "no-store"


def test_behind_https_the_cookie_and_the_site_are_secure_only(app, another, cast):
    secure = another(base_url="https://accounts.example.com")
    secure.test_client_class = type(app.test_client())
    client = secure.test_client()
    answer = client.get("/login", base_url="https://accounts.example.com")
    assert answer.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
    assert answer.headers["Set-Cookie"].startswith("__Host-reflow=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(answer.headers["Set-Cookie"].split("; "))


def test_api_responses_have_security_headers(cast, api, client):
    answer, other = api(cast.ada.key().secret).get("/me"), client.get("/healthz")
    own = {"Content-Type", "Content-Length", "Vary"}
    assert set(answer.headers.items()) >= {item for item in other.headers.items() if item[0] not in own}


def test_page_is_not_served_as_file(cast, client):
    cast.ada.sign_in(client)
    for path in ("/account/profile?v=1", "/help/api?v=1", "/healthz?v=1"):
        assert client.get(path).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/static", "/static/", "/static/js", "/static/js/", "/static/../wsgi.py"])
def test_static_folder_is_not_listed_or_escaped(client, path):
    assert client.get(path).status_code == 404


def test_plain_http_is_not_redirected(another):
    """A redirect would hide that the key was sent unencrypted (OWASP ASVS 5.0, 4.1.2)."""
    secure = another(base_url="https://accounts.example.com")
    client = secure.test_client()
    for path in ("/api/v1/me", "/api/v1/keys", "/api/v1/keys/", "/api/v1//keys", "/api", "/api/v1/sessions"):
        for method in ("GET", "POST"):
            answer = client.open(path, method=method, base_url="http://accounts.example.com")
            assert answer.status_code >= 400 and "Location" not in answer.headers, f"{method} {path}"


def test_double_slashes_are_not_merged(cast, client):
    cast.ada.sign_in(client)
    answer = client.get("/account//profile")
    assert (answer.status_code, answer.headers.get("Location")) == (404, None)


@pytest.mark.parametrize("where", ["/x%00", "/login?%00=x", "/login?x=%00", "/login?x=a&x=%00"])
def test_nul_in_an_address_is_refused(client, where):
    answer = client.get(where)
    assert (answer.status_code, "Leave out NUL characters" in answer.text) == (400, True)


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
@pytest.mark.parametrize("field", [{"x\0": "y"}, {"x": "y\0"}, {"x": ["y", "\0"]}])
def test_nul_in_a_form_is_refused(client, kind, field):
    answer = client.post("/login", data=field | {"csrf_token": client.csrf_token()}, content_type=kind)
    assert (answer.status_code, "Leave out NUL characters" in answer.text) == (400, True)


def test_healthz_and_readyz_answer_operators(client):
    assert client.get("/healthz").json == {"status": "ok", "version": __version__}
    assert client.get("/readyz").json == {"status": "ok"}


def test_missing_page_is_404_also_for_htmx(client):
    assert client.page("/nothing", status=404).all("h1")[0].text == "Page not found"
    assert "There is nothing at this address" in client.get("/nothing").text
    answer = client.get("/nothing", headers={"HX-Request": "true", "HX-Target": "div#modal"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/login"), ("POST", "/help/api"), ("DELETE", "/account/profile")]
)
def test_405_names_allowed_methods(client, method, path):
    answer = client.open(path, method=method)
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "path", ["/%00", "/login?next=%00", "/%ff", "/account/api-keys/%00/revocation", "/support?q=%00"]
)
def test_strange_addresses_are_refused(cast, client, path):
    cast.sam.sign_in(client)
    assert client.get(path).status_code in (303, 400, 404)


def test_form_above_64_kilobytes_is_refused(cast, client):
    assert client.send("/login", email="x" * 70_000, password="x").status_code == 413


def test_page_lint_finds_faults():
    bad = """<html><head><title>x</title></head><body><h1>a</h1><h3>b</h3><p id="a" style="x"></p><p id="a"></p>
    <img src="x"><button></button><input name="q"><label for="none">y</label><form method="post"></form>
    <a href="javascript:x">z</a><svg></svg><script>1</script><p onclick="x" aria-describedby="gone"></p></body>"""
    found = "\n".join(mistakes_in(bad))
    for word in (
        "no language",
        "one title",
        "<main>",
        "follows level 1",
        'id="a" is used 2',
        "style is inline",
        "has no alt",
        "<button> has no name",
        "has no label",
        "the id none",
        "no csrf_token",
        "a script in an address",
        "<svg> has neither",
        "<script> is inline",
        "onclick is inline",
        "the id gone",
        "<html> is not closed",
    ):
        assert word in found, word


def test_scripts_have_the_headers_that_they_heed(client):
    headers = client.get("/static/js/app.js").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Content-Type"].startswith("text/javascript")
