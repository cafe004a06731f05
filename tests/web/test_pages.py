"""All pages: access, title, and fragments for htmx."""

import re

import pytest

from reflow_accounts.cli.main import INTERRUPTED
from reflow_accounts.contract import Exit

pytestmark = pytest.mark.postgresql_later

PUBLIC = ["/login", "/signup", "/forgot-password", "/help/api-keys", "/help/cli", "/help/api", "/privacy"]
ACCOUNT = [
    "/account/profile",
    "/account/profile/deletion",
    "/account/security",
    "/account/api-keys",
    "/account/api-keys/new",
    "/account/activity",
]


def all_paths(cast) -> list[str]:
    key = cast.sam.key("CI")
    revocation = f"/account/api-keys/{key.id}/revocation"
    team = f"/support/teams/{cast.globex.id}"
    return [*PUBLIC[3:], *ACCOUNT, revocation, "/support", team, f"{team}/subscription?active=false"]


@pytest.fixture
def sam(cast, client):
    """Sam, who is also in a team with a subscription, so that every page is accessible."""
    from reflow_accounts.teams.models import Rights

    cast.acme.add(cast.sam, Rights.VIEW)
    return cast.sam.sign_in(client)


def test_pages_have_unique_titles(cast, sam):
    titles = [sam.page(path).all("title")[0].text for path in all_paths(cast)]
    assert len(set(titles)) == len(titles), titles


def test_pages_are_available_as_fragments(cast, sam):
    for path in all_paths(cast):
        for target in ("", "div#modal", "div#dialog-panel"):
            response = sam.get(path, headers={"HX-Request": "true", "HX-Target": target})
            assert response.status_code == 200, path


def test_history_restore_gets_the_whole_page(sam):
    headers = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    with pytest.raises(AssertionError):  # the linting client expects a fragment
        sam.get("/account/profile", headers=headers)


@pytest.mark.parametrize("path", PUBLIC)
def test_public_pages_open_without_signing_in(client, path):
    assert client.page(path).all("h1")


@pytest.mark.parametrize("path", [*ACCOUNT, "/account"])
def test_account_pages_require_log_in(client, path):
    response = client.get(path, follow_redirects=False)
    while response.status_code == 308:
        response = client.get(response.headers["Location"])
    assert response.status_code == 303
    assert response.headers["Location"].startswith("/login?next=/")


def test_address_of_a_form_is_explained(cast, client):
    """It is in the address bar after an error without scripts."""
    page = cast.ada.sign_in(client).page("/account/security/password", 405)
    assert page.with_id("heading").text == "This page cannot be shown"
    assert "This address only takes what a form sends." in page.text


def test_name_in_header_links_to_the_account(cast, client):
    cast.ada.sign_in(client)
    [link] = [link for link in client.page("/help/cli").all("a") if link.text == "Ada Park"]
    assert client.get(link["href"], follow_redirects=True).request.path == "/account/profile"


def test_help_explains_all_exit_codes(client):
    page = client.get("/help/cli").text
    for code in [*map(int, Exit), INTERRUPTED]:
        assert re.search(rf"<th scope=\"row\">{code}</th><td>\w", page), code


def test_console_link_is_shown_to_staff_only(cast, client):
    cast.ada.sign_in(client)
    assert "Support console" not in client.page("/account/profile").text
    cast.sam.sign_in(client)
    assert "Support console" in client.page("/account/profile").text


def test_internal_links_work(cast, sam):
    checked = set()
    for path in all_paths(cast):
        for link in sam.page(path).all("a", "link", "form"):
            url = (link["href"] or link["action"]).partition("#")[0]
            if not url.startswith("/") or url in checked or link["method"] == "post":
                continue
            checked.add(url)
            # 403: staff do not change their own team's subscription.
            assert sam.get(url).status_code in (200, 303, 403), f"{path} leads to {url}"
    assert len(checked) > 10
