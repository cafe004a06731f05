"""Accepted and refused API credentials (RFC 6750; contract, 6 and 7)."""

import pytest

from reflow_accounts.api_keys.models import Use
from reflow_accounts.auth.secrets import new_secret
from reflow_accounts.contract import KEY_PREFIX, SESSION_PREFIX, checksum
from reflow_accounts.database import now
from tests.helpers import rows
from tests.helpers.api import Api, problem_of

pytestmark = pytest.mark.postgresql_later

INVALID = 'Bearer realm="reflow", error="invalid_token", error_description="{code}"'


def test_request_without_a_credential_is_401(app, api):
    response = api().get("/me")
    problem_of(response, 401, "missing_credentials")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="reflow"'


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "Token x", "Digest x", "rfk_x"])
def test_other_scheme_is_no_credential(app, header):
    problem_of(Api(app, Authorization=header).get("/me"), 401, "missing_credentials")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_scheme_is_case_insensitive(app, cast, scheme):
    secret = cast.ada.key().secret
    assert Api(app, Authorization=f"{scheme} {secret}").get("/me").status_code == 200


def test_unknown_key_is_refused(api):
    response = api(new_secret(KEY_PREFIX)).get("/me")
    problem_of(response, 401, "unknown_key")
    assert response.headers["WWW-Authenticate"] == INVALID.format(code="unknown_key")


def malformed() -> list[str]:
    secret = new_secret(KEY_PREFIX)
    other = "rfx_" + secret[4:47]
    return [
        secret[:-1],
        secret + "0",
        secret[:-1] + ("0" if secret[-1] != "0" else "1"),
        secret.swapcase(),
        other + checksum(other),
        "é" * 53,
        "x",
        "x" * 5000,
        secret + ", " + secret,
    ]


@pytest.mark.parametrize("number", range(9))
def test_wrong_checksum_is_refused_without_a_query(app, api, number):
    with rows.collect_statements(app) as statements:
        response = api(malformed()[number]).get("/me")
    problem_of(response, 401, "malformed_key")
    assert response.headers["WWW-Authenticate"] == INVALID.format(code="malformed_key")
    assert statements.seen == []


@pytest.mark.parametrize("location", ["query", "cookie", "x-api-key", "body"])
def test_key_is_accepted_only_in_the_authorization_header(app, cast, location):
    secret = cast.ada.key().secret
    if location == "query":
        response = Api(app).get(f"/me?access_token={secret}&api_key={secret}")
    elif location == "cookie":
        response = Api(app, Cookie=f"key={secret}").get("/me")
    elif location == "x-api-key":
        response = Api(app, **{"X-Api-Key": secret}).get("/me")
    else:
        response = Api(app).post("/keys", {"name": "x", "access_token": secret})
    problem_of(response, 401, "missing_credentials")


def test_browser_cookie_is_no_credential_of_the_api(app, cast, client):
    cast.ada.sign_in(client)
    cookie = client.get_cookie("reflow")
    problem_of(Api(app, Cookie=f"reflow={cookie.value}").get("/me"), 401, "missing_credentials")


def test_key_is_no_credential_of_pages(cast, client):
    secret = cast.ada.key().secret
    response = client.get("/account/profile", headers={"Authorization": f"Bearer {secret}"})
    assert (response.status_code, response.headers["Location"].partition("?")[0]) == (303, "/login")


def test_session_of_the_command_is_accepted_and_not_recorded(app, cast, api):
    me = api(cast.ada.session()).get("/me").json
    assert me["authenticated_by"] == {
        "type": "session",
        "id": me["authenticated_by"]["id"],
        "name": None,
        "hint": None,
    }
    assert rows.count(app, Use) == 0


def test_unknown_session_with_a_valid_checksum_is_refused(api):
    problem_of(api(new_secret(SESSION_PREFIX)).get("/me"), 401, "unknown_key")


def test_value_of_a_browser_session_is_refused(app, cast, client, api):
    cast.ada.sign_in(client)
    with client.session_transaction() as session:
        value = session["_user_id"]
    problem_of(api(value).get("/me"), 401, "malformed_key")


def test_credentials_of_a_disabled_user_are_refused(app, cast, api):
    key, session = cast.ada.key(), cast.ada.session()
    cast.ada.change(disabled_at=now())
    problem_of(api(key.secret).get("/me"), 401, "account_disabled")
    problem_of(api(session).get("/me"), 401, "unknown_key")
    assert rows.uses_of(app, key.id) == []


def test_every_api_route_requires_a_credential(app):
    open_to_all = {f"/api/v1/{name}" for name in ("sessions", "openapi.json", "device/code", "device/token")}
    request_count = 0
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/api/") or rule.rule in open_to_all:
            continue
        path = rule.rule.removeprefix("/api/v1").replace("<key_id>", "key_x")
        for method in rule.methods - {"OPTIONS", "HEAD"}:
            problem_of(Api(app).send(method, path), 401, "missing_credentials")
            request_count += 1
    assert request_count >= 9


def test_missing_path_requires_a_credential_first(api, cast):
    problem_of(api().get("/nothing"), 401, "missing_credentials")
    problem_of(api(cast.ada.key().secret).get("/nothing"), 404, "not_found")
