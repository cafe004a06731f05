"""Log-in redirects to the requested page, and never to another site."""

import pytest

from reflow_accounts.web.redirects import local_path

pytestmark = pytest.mark.postgresql_later


@pytest.mark.parametrize(
    "path", ["/account/api-keys", "/account/activity?period=7d", "/account/profile?a=b&c=%2F"]
)
def test_log_in_redirects_to_the_requested_page(cast, client, path):
    log_in_path = client.get(path).headers["Location"]
    response = client.submit(
        client.page(log_in_path), "/login", email=cast.ada.email, password=cast.ada.password
    )
    assert (response.status_code, response.headers["Location"]) == (303, path)


@pytest.mark.parametrize("page", ["/account/activity", "/account/profile"])
def test_log_in_leads_from_a_download_to_the_page_that_offers_it(client, page):
    """A download would leave the log-in page in the browser, as if nothing had happened."""
    location = client.get(f"{page}/export?period=7d").headers["Location"]
    assert location == f"/login?next={page}?period%3D7d"


FOREIGN_TARGETS = [
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example",
    "https:evil.example",
    "http:///evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    " //evil.example",
    "/ /evil.example",
    "evil.example",
    "///evil.example",
    "/\x00/evil.example",
    "?x",
    "/x\\y",
    "/\x7f/evil.example",
    "",
    "/" + "x" * 3000,
]


@pytest.mark.parametrize("target", FOREIGN_TARGETS)
def test_foreign_target_is_no_local_path(target):
    assert local_path(target) is None


@pytest.mark.parametrize("target", [address for address in FOREIGN_TARGETS if "\x00" not in address])
def test_log_in_ignores_foreign_targets(cast, client, target):
    response = client.post(
        "/login",
        query_string={"next": target},
        data={"email": cast.ada.email, "password": cast.ada.password, "csrf_token": client.csrf_token()},
    )
    assert (response.status_code, response.headers["Location"]) == (303, "/account/profile")


def test_home_and_log_in_page_redirect_a_signed_in_user(cast, client):
    assert client.get("/").headers["Location"] == "/login"
    cast.ada.sign_in(client)
    assert client.get("/").headers["Location"] == "/account/profile"
    assert client.get("/login").headers["Location"] == "/account/profile"
    assert client.get("/login?next=/account/api-keys").headers["Location"] == "/account/api-keys"


def test_htmx_request_without_a_session_redirects_to_log_in(cast, client):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost/account/api-keys"}
    response = client.get("/account/api-keys/new", headers=headers)
    assert response.headers["HX-Redirect"] == "/login?next=/account/api-keys"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_request_of_an_ended_session_keeps_the_log_in_of_another_tab(cast, client, method):
    cast.ada.sign_in(client)
    client.submit(client.page("/account/profile"), "/logout")
    page = client.page("/login")
    client.open("/account/api-keys/new", method=method, headers={"HX-Request": "true"})
    response = client.submit(page, "/login", email=cast.ada.email, password=cast.ada.password)
    assert (response.status_code, response.headers["Location"]) == (303, "/account/profile")


@pytest.mark.parametrize(
    ("referer", "next_page"),
    [
        ("http://localhost/account/team?cursor=c1", "?next=/account/team?cursor%3Dc1"),
        ("http://elsewhere.example/account/team", ""),
        ("http://localhost//elsewhere.example", ""),
        ("http://[", ""),
        ("", ""),
    ],
)
def test_form_without_a_session_returns_to_its_page(cast, client, referer, next_page):
    cast.ada.sign_in(client)
    client.set_cookie("reflow", "of an ended session")
    response = client.post("/account/profile", headers={"Referer": referer} if referer else {})
    assert response.headers["Location"] == f"/login{next_page}"


def test_htmx_form_without_a_session_keeps_the_input(cast, client):
    response = client.post("/account/api-keys", headers={"HX-Request": "true"})
    assert (response.status_code, response.headers.get("HX-Redirect")) == (401, None)
    assert "Your session ended" in response.text


@pytest.mark.parametrize(
    ("current_url", "header"), [("/account/profile", "HX-Refresh"), ("/account/team", "HX-Redirect")]
)
def test_htmx_form_loads_the_page_that_it_redirects_to(cast, client, current_url, header):
    """The whole page; a redirect that changes only the fragment would not reload it."""
    cast.ada.sign_in(client)
    response = client.post(
        "/account/profile",
        data={"csrf_token": client.csrf_token(), "full_name": "Ada P", "email": cast.ada.email}
        | {"appearance": "device", "time_zone": "UTC"},
        headers={
            "HX-Request": "true",
            "HX-Target": "main#main",
            "HX-Current-URL": f"http://localhost{current_url}",
        },
    )
    assert response.status_code == 200
    assert response.text == ""
    assert response.headers.get(header) == ("true" if header == "HX-Refresh" else "/account/profile")


@pytest.mark.parametrize(
    "current_url", ["http://[", "http://localhost//evil.example", "http://localhost/\\evil.example", "x"]
)
def test_foreign_url_of_htmx_is_ignored(cast, client, current_url):
    response = client.get("/account/profile", headers={"HX-Request": "true", "HX-Current-URL": current_url})
    assert response.headers["HX-Redirect"] == "/login"


def test_form_and_overlong_url_are_no_targets(client):
    assert client.post("/account/profile").headers["Location"] == "/login"
    assert client.get("/account/profile?x=" + "y" * 3000).headers["Location"] == "/login"
