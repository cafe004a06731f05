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


def pasted(secret: str) -> list[str]:
    """List how a secret comes: as it is, another kind, in a line of a shell, in capitals, cut, with what is unseen."""
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
    before = rows.acts(app)
    for words in pasted(secret):
        answer = sam.get("/support", query_string={"q": words})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/support"), words
        page = sam.page("/support")
        assert NOTE in page.text
        assert page.all("table") == []
        assert secret[4:] not in answer.text + str(answer.headers) + caplog.text
    assert rows.acts(app) == before
    # Said once.
    assert NOTE not in sam.page("/support").text


def test_htmx_loads_the_page_without_the_secret(cast, sam, secret):
    answer = sam.get("/support", query_string={"q": secret}, headers=HTMX)
    assert answer.headers["HX-Redirect"] == "/support"
    assert secret not in answer.text
    [results] = [part for part in sam.page("/support").elements if part["id"] == "support-results"]
    assert NOTE in results.text


def test_api_explains_the_refusal(app, cast, api, secret):
    program = api(cast.sam.session())
    before = rows.acts(app)
    for words in pasted(secret):
        answer = program.send("GET", "/support/teams", query_string={"q": words})
        problem_of(answer, 422, "validation_failed")
        assert [fault["field"] for fault in answer.json["errors"]] == ["q"]
        assert secret[4:] not in answer.text
        assert "not for a secret" in answer.json["errors"][0]["message"]
    assert rows.acts(app) == before


def test_name_similar_to_a_secret_is_searched(app, cast, sam):
    sam.page("/support", query_string={"q": "surfs_up@acme.example"})
    assert rows.acts(app)[-1] == ("support.searched", "Sam Hale", "surfs_up@acme.example")


def test_secret_is_not_kept_through_log_in(app, cast, sam, secret):
    from datetime import timedelta

    from reflow_accounts.database import now

    cast.sam.change_sessions(proven_at=now() - timedelta(hours=13), support_active_at=None)
    asked = sam.get("/support", query_string={"q": secret})
    assert asked.status_code == 403
    assert secret not in asked.text
    cookie = sam.get_cookie("reflow").value
    sam.send("/logout")
    for words in (secret, f"a {secret}"):
        sam.set_cookie("reflow", cookie)
        answer = sam.get("/support", query_string={"q": words})
        assert answer.headers["Location"] == "/login?next=/support"


def test_secret_is_not_kept_in_dialogs(cast, sam, secret):
    path = f"/support/teams/{cast.acme.id}/subscription"
    asked = sam.get(path, query_string={"active": "false", "q": secret})
    assert secret not in asked.text
    answer = sam.submit(parse(asked.text), path, reason="Unpaid", q=secret)
    assert answer.headers["Location"] == "/support"
