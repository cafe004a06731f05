"""Secrets in searches match nothing, are not stored, and are removed from the URL."""

import pytest

from reflow_accounts.contract import SESSION_PREFIX
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.html import parse

pytestmark = pytest.mark.postgresql_later

NOTE = "A secret was in the address"
HTMX = {"HX-Request": "true", "HX-Target": "div#support-results"}


@pytest.fixture
def secret(cast):
    return cast.ada.key("nightly").secret


def queries_with(secret: str) -> list[str]:
    """Return queries with a secret: plain, in other text, in capitals, truncated, with invisible characters."""
    return [
        secret,
        SESSION_PREFIX + secret[4:],
        f" Authorization: Bearer {secret}",
        f"NAME_{secret}",
        secret.upper(),
        secret[:12],
        f"rf\u200bk_{secret[4:]}",
        f"https://reflow.example/reset-password/lnk_abc.{secret[4:]}",
    ]


def test_secret_is_removed_from_the_url(app, cast, sam, secret, caplog):
    before = rows.audit_events(app)
    for query in queries_with(secret):
        response = sam.get("/support", query_string={"q": query})
        assert (response.status_code, response.headers["Location"]) == (303, "/support"), query
        page = sam.page("/support")
        assert NOTE in page.text
        assert page.all("table") == []
        assert secret[4:] not in response.text + str(response.headers) + caplog.text
    assert rows.audit_events(app) == before
    # The note is shown once.
    assert NOTE not in sam.page("/support").text


def test_htmx_loads_the_page_without_the_secret(cast, sam, secret):
    response = sam.get("/support", query_string={"q": secret}, headers=HTMX)
    assert response.headers["HX-Redirect"] == "/support"
    assert secret not in response.text
    [results] = [part for part in sam.page("/support").elements if part["id"] == "support-results"]
    assert NOTE in results.text


def test_api_explains_the_refusal(app, cast, api, secret):
    program = api(cast.sam.session())
    before = rows.audit_events(app)
    for query in queries_with(secret):
        response = program.send("GET", "/support/teams", query_string={"q": query})
        problem_of(response, 422, "validation_failed")
        assert [error["field"] for error in response.json["errors"]] == ["q"]
        assert secret[4:] not in response.text
        assert "not for a secret" in response.json["errors"][0]["message"]
    assert rows.audit_events(app) == before


def test_name_similar_to_a_secret_is_searched(app, cast, sam):
    sam.page("/support", query_string={"q": "surfs_up@acme.example"})
    assert rows.audit_events(app)[-1] == ("support.searched", "Sam Hale", "surfs_up@acme.example")


def test_secret_is_not_kept_after_log_in(app, cast, sam, secret):
    from datetime import timedelta

    from reflow_accounts.database import now

    cast.sam.change_sessions(proven_at=now() - timedelta(hours=13), support_active_at=None)
    response = sam.get("/support", query_string={"q": secret})
    assert response.status_code == 403
    assert secret not in response.text
    cookie = sam.get_cookie("reflow").value
    sam.send("/logout")
    for query in (secret, f"a {secret}"):
        sam.set_cookie("reflow", cookie)
        response = sam.get("/support", query_string={"q": query})
        assert response.headers["Location"] == "/login?next=/support"


def test_secret_is_not_kept_in_dialogs(cast, sam, secret):
    path = f"/support/teams/{cast.acme.id}/subscription"
    response = sam.get(path, query_string={"active": "false", "q": secret})
    assert secret not in response.text
    response = sam.submit(parse(response.text), path, reason="Unpaid", q=secret)
    assert response.headers["Location"] == "/support"
