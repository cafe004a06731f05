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
def test_path_of_a_mailed_link_is_not_sent_as_referrer(client, path):
    assert client.get(f"/{path}/the-token").headers["Referrer-Policy"] == "strict-origin"


def test_missing_asset_is_not_cached(client):
    assert client.get("/static/nothing.0123456789ab.css").headers["Cache-Control"] == "no-store"


def test_icon_opened_as_a_page_runs_and_loads_nothing(client):
    headers = client.get("/static/icons/favicon.svg").headers
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_cookie_and_site_are_secure_only_behind_https(app, another, cast):
    https_app = another(base_url="https://accounts.example.com")
    https_app.test_client_class = type(app.test_client())
    client = https_app.test_client()
    response = client.get("/login", base_url="https://accounts.example.com")
    assert response.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
    assert response.headers["Set-Cookie"].startswith("__Host-reflow=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(response.headers["Set-Cookie"].split("; "))


def test_api_responses_have_security_headers(cast, api, client):
    response, other = api(cast.ada.key().secret).get("/me"), client.get("/healthz")
    own_headers = {"Content-Type", "Content-Length", "Vary"}
    assert set(response.headers.items()) >= {
        item for item in other.headers.items() if item[0] not in own_headers
    }


def test_page_is_not_served_as_file(cast, client):
    cast.ada.sign_in(client)
    for path in ("/account/profile?v=1", "/help/api?v=1", "/healthz?v=1"):
        assert client.get(path).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/static", "/static/", "/static/js", "/static/js/", "/static/../wsgi.py"])
def test_static_folder_is_not_listed_or_escaped(client, path):
    assert client.get(path).status_code == 404


def test_plain_http_is_not_redirected(another):
    """A redirect would hide that the key was sent unencrypted (OWASP ASVS 5.0, 4.1.2)."""
    https_app = another(base_url="https://accounts.example.com")
    client = https_app.test_client()
    for path in ("/api/v1/me", "/api/v1/keys", "/api/v1/keys/", "/api/v1//keys", "/api", "/api/v1/sessions"):
        for method in ("GET", "POST"):
            response = client.open(path, method=method, base_url="http://accounts.example.com")
            assert response.status_code >= 400 and "Location" not in response.headers, f"{method} {path}"


def test_double_slashes_are_not_merged(cast, client):
    cast.ada.sign_in(client)
    response = client.get("/account//profile")
    assert (response.status_code, response.headers.get("Location")) == (404, None)


@pytest.mark.parametrize("path", ["/x%00", "/login?%00=x", "/login?x=%00", "/login?x=a&x=%00"])
def test_nul_in_a_url_is_refused(client, path):
    response = client.get(path)
    assert (response.status_code, "Leave out NUL characters" in response.text) == (400, True)


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
@pytest.mark.parametrize("field", [{"x\0": "y"}, {"x": "y\0"}, {"x": ["y", "\0"]}])
def test_nul_in_a_form_is_refused(client, kind, field):
    response = client.post("/login", data=field | {"csrf_token": client.csrf_token()}, content_type=kind)
    assert (response.status_code, "Leave out NUL characters" in response.text) == (400, True)


def test_health_and_readiness_pages_work(client):
    assert client.get("/healthz").json == {"status": "ok", "version": __version__}
    assert client.get("/readyz").json == {"status": "ok"}


def test_missing_page_is_404_for_htmx_too(client):
    assert client.page("/nothing", status=404).all("h1")[0].text == "Page not found"
    assert "There is nothing at this address" in client.get("/nothing").text
    response = client.get("/nothing", headers={"HX-Request": "true", "HX-Target": "div#modal"})
    assert response.status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/login"), ("POST", "/help/api"), ("DELETE", "/account/profile")]
)
def test_method_not_allowed_lists_allowed_methods(client, method, path):
    response = client.open(path, method=method)
    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize(
    "path", ["/%00", "/login?next=%00", "/%ff", "/account/api-keys/%00/revocation", "/support?q=%00"]
)
def test_malformed_urls_are_refused(cast, client, path):
    cast.sam.sign_in(client)
    assert client.get(path).status_code in (303, 400, 404)


def test_form_above_64_kilobytes_is_refused(cast, client):
    assert client.send("/login", email="x" * 70_000, password="x").status_code == 413


def test_page_lint_finds_mistakes():
    html = """<html><head><title>x</title></head><body><h1>a</h1><h3>b</h3><p id="a" style="x"></p><p id="a"></p>
    <img src="x"><button></button><input name="q"><label for="none">y</label><form method="post"></form>
    <a href="javascript:x">z</a><svg></svg><script>1</script><p onclick="x" aria-describedby="gone"></p></body>"""
    mistakes = "\n".join(mistakes_in(html))
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
        assert word in mistakes, word


def test_scripts_have_security_headers(client):
    headers = client.get("/static/js/app.js").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Content-Type"].startswith("text/javascript")
