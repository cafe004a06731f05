"""Where logging in leads: back to the page that was asked for, and never to another site."""

import pytest

from reflow_accounts.web.redirects import local_path

pytestmark = pytest.mark.postgresql_later


@pytest.mark.parametrize(
    "path", ["/account/api-keys", "/account/activity?period=7d", "/account/profile?a=b&c=%2F"]
)
def test_logging_in_leads_back_to_the_page_that_was_asked_for(cast, client, path):
    away = client.get(path).headers["Location"]
    answer = client.submit(client.page(away), "/login", email=cast.ada.email, password=cast.ada.password)
    assert (answer.status_code, answer.headers["Location"]) == (303, path)


ELSEWHERE = [
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


@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_no_address_leads_to_another_site(wanted):
    assert local_path(wanted) is None


@pytest.mark.parametrize("wanted", [address for address in ELSEWHERE if "\x00" not in address])
def test_logging_in_leads_nowhere_else(cast, client, wanted):
    answer = client.post(
        "/login",
        query_string={"next": wanted},
        data={"email": cast.ada.email, "password": cast.ada.password, "csrf_token": client.csrf_token()},
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/profile")


def test_home_and_the_log_in_page_lead_on_who_is_signed_in(cast, client):
    assert client.get("/").headers["Location"] == "/login"
    cast.ada.sign_in(client)
    assert client.get("/").headers["Location"] == "/account/profile"
    assert client.get("/login").headers["Location"] == "/account/profile"
    assert client.get("/login?next=/account/api-keys").headers["Location"] == "/account/api-keys"


def test_htmx_without_a_session_is_sent_to_the_log_in_page(cast, client):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost/account/api-keys"}
    answer = client.get("/account/api-keys/new", headers=headers)
    assert answer.headers["HX-Redirect"] == "/login?next=/account/api-keys"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_tab_of_an_ended_session_leaves_the_log_in_of_another_tab_alone(cast, client, method):
    cast.ada.sign_in(client)
    client.submit(client.page("/account/profile"), "/logout")
    page = client.page("/login")
    client.open("/account/api-keys/new", method=method, headers={"HX-Request": "true"})
    answer = client.submit(page, "/login", email=cast.ada.email, password=cast.ada.password)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/profile")


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
def test_form_without_a_session_leads_back_to_its_page(cast, client, referer, next_page):
    cast.ada.sign_in(client)
    client.set_cookie("reflow", "of an ended session")
    answer = client.post("/account/profile", headers={"Referer": referer} if referer else {})
    assert answer.headers["Location"] == f"/login{next_page}"


def test_form_of_htmx_without_a_session_keeps_what_was_typed(cast, client):
    answer = client.post("/account/api-keys", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers.get("HX-Redirect")) == (401, None)
    assert "Your session ended" in answer.text


@pytest.mark.parametrize(
    ("shown", "header"), [("/account/profile", "HX-Refresh"), ("/account/team", "HX-Redirect")]
)
def test_form_of_htmx_loads_the_page_that_it_leads_to(cast, client, shown, header):
    """With its header and URL; a page at the same URL would not be loaded by a redirect to another fragment."""
    cast.ada.sign_in(client)
    answer = client.post(
        "/account/profile",
        data={"csrf_token": client.csrf_token(), "full_name": "Ada P", "email": cast.ada.email}
        | {"appearance": "device", "time_zone": "UTC"},
        headers={
            "HX-Request": "true",
            "HX-Target": "main#main",
            "HX-Current-URL": f"http://localhost{shown}",
        },
    )
    assert answer.status_code == 200
    assert answer.text == ""
    assert answer.headers.get(header) == ("true" if header == "HX-Refresh" else "/account/profile")


@pytest.mark.parametrize(
    "shown", ["http://[", "http://localhost//evil.example", "http://localhost/\\evil.example", "x"]
)
def test_page_that_htmx_names_leads_nowhere_else_either(cast, client, shown):
    answer = client.get("/account/profile", headers={"HX-Request": "true", "HX-Current-URL": shown})
    assert answer.headers["HX-Redirect"] == "/login"


def test_neither_a_form_nor_an_endless_address_is_gone_back_to(client):
    assert client.post("/account/profile").headers["Location"] == "/login"
    assert client.get("/account/profile?x=" + "y" * 3000).headers["Location"] == "/login"
