"""Canary keys are refused like unknown keys, and their use is reported to their owner."""

import pytest

from reflow_accounts.api_auth import refused_keys
from reflow_accounts.auth.secrets import new_secret
from reflow_accounts.contract import API_PREFIX, KEY_PREFIX
from tests.api_auth.both_paths import AUTHORIZE, ME, BothPaths
from tests.helpers import rows
from tests.helpers.html import parse
from tests.helpers.mailbox import Mailbox, text_of

KEYS, NEW = "/account/api-keys", "/account/api-keys/new"
pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def both_paths(app):
    paths = BothPaths(app)
    yield paths
    paths.close()


@pytest.fixture(params=["own", "account"])
def canary(request, cast, api):
    """Ada's session, the path of the keys, and a canary."""
    ada = api(cast.ada.session())
    path = "/keys" if request.param == "own" else f"/teams/{cast.acme.id}/service-accounts/{cast.ci.id}/keys"
    response = ada.post(path, {"name": "bait", "canary": True})
    assert (response.status_code, response.json["canary"]) == (201, True)
    return ada, path, response.json


@pytest.mark.parametrize("path", [ME, AUTHORIZE, f"{API_PREFIX}/keys"])
def test_canary_is_refused_like_an_unknown_key(both_paths, canary, path):
    responses = [
        both_paths.event_loop(path, secret) for secret in (canary[2]["secret"], new_secret(KEY_PREFIX))
    ]
    assert responses[0].plain() == responses[1].plain()
    assert (responses[0].status, responses[0].json["code"]) == (401, "unknown_key")


def test_first_use_is_mailed_and_every_use_is_listed(app, cast, client, both_paths, canary):
    ada, path, key = canary
    mailbox = Mailbox(app)
    for agent in ("curl/8.5.0", "python-requests/2.32"):
        both_paths.event_loop(ME, key["secret"], **{"User-Agent": agent})
    [message] = mailbox.deliver()
    assert (message["To"], message["Subject"]) == (cast.ada.email, "The canary key bait was used")
    assert "From: 127.0.0.1" in text_of(message)
    assert "Client: curl/8.5.0" in text_of(message)
    keys_url = KEYS if path == "/keys" else f"/account/team?team={cast.acme.id}"
    assert mailbox.link_in(message) == keys_url
    assert ("api_key.canary_used", "Somebody", "bait") in rows.audit_events(app)
    assert rows.uses_of(app, key["id"]) == []
    page = cast.ada.sign_in(client).page(f"/account{path}".replace("/account/keys", KEYS) + f"/{key['id']}")
    assert "Presented 2 times" in page.text
    assert "python-requests/2.32" in page.text
    assert ada.post(f"{path}/{key['id']}/rotation", {}).status_code == 409


def test_canary_is_created_with_the_form_and_marked_in_the_table(cast, client):
    ada = cast.ada.sign_in(client)
    response = ada.submit(ada.page(NEW), KEYS, name="bait", canary="y")
    assert "It is a canary: it opens nothing" in parse(response.text).text
    page = ada.page(KEYS)
    [row] = page.all("tbody")[0].all("tr")
    assert "bait Canary" in row.text
    assert "Rotate bait" not in row.text
    ada.submit(ada.page(NEW), KEYS, name="plain")
    assert "plain Canary" not in ada.page(KEYS).text


def test_background_job_looks_up_canaries_after_the_request(app, both_paths, canary):
    mailbox = Mailbox(app)
    refused_keys.set_job(lambda: True)
    try:
        both_paths.event_loop(ME, canary[2]["secret"])
        assert mailbox.deliver() == []
        with app.app_context():
            refused_keys.note_waiting()
    finally:
        refused_keys.set_job(lambda: False)
    assert [message["Subject"] for message in mailbox.deliver()] == ["The canary key bait was used"]
