"""Every route belongs to an entry point with an authorization handler."""

import pytest

from reflow_accounts import blueprints
from reflow_accounts.contract import API_PREFIX
from tests.helpers.api import Api

# API paths that need no credential.
OPEN_TO_ALL = {
    f"{API_PREFIX}{path}" for path in ("/openapi.json", "/sessions", "/device/code", "/device/token")
}


def rules(app):
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]


def test_pages_belong_to_guarded_entry_points(app):
    for rule in rules(app):
        if rule.rule.startswith(API_PREFIX):
            continue
        name = rule.endpoint.partition(".")[0]
        assert name in blueprints.BEFORE_REQUEST, f"{rule.rule} ({rule.endpoint}) has no entry point"
        assert blueprints.BEFORE_REQUEST[name] in app.before_request_funcs[name]
        assert rule.rule.startswith(blueprints.URL_PREFIXES[name])
    assert set(blueprints.BEFORE_REQUEST) == set(blueprints.BLUEPRINTS) == set(blueprints.URL_PREFIXES)


def test_url_prefixes_hold_only_routes_of_their_entry_point(app):
    for name, prefix in blueprints.URL_PREFIXES.items():
        for rule in rules(app):
            if prefix and (rule.rule == prefix or rule.rule.startswith(f"{prefix}/")):
                assert rule.endpoint.startswith(f"{name}."), f"{rule.rule} does not belong to {name}"


def test_every_endpoint_of_the_api_asks_for_a_credential(app):
    paths = {rule.rule: rule for rule in rules(app) if rule.rule.startswith("/api")}
    assert set(paths) > OPEN_TO_ALL
    for path, rule in paths.items():
        relative = path.removeprefix(API_PREFIX).replace("<key_id>", "x")
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            response = Api(app).send(method, relative)
            if path in OPEN_TO_ALL:
                assert response.status_code != 401
            else:
                assert response.json["code"] == "missing_credentials", f"{method} {path}"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_visitors_are_sent_to_log_in_and_get_404_for_the_console(app, method):
    client = app.test_client()
    for rule in rules(app):
        if method not in rule.methods:
            continue
        path = rule.rule.replace("<key_id>", "x").replace("<team_id>", "x")
        if rule.endpoint.startswith("account."):
            response = client.open(path, method=method)
            assert response.headers.get("Location", "").startswith("/login"), f"{method} {path}"
        if rule.endpoint.startswith("support."):
            assert client.open(path, method=method).status_code == 404, f"{method} {path}"


def test_views_take_no_row_ids_from_urls(app):
    """Public ids in addresses, never sequence numbers."""
    for rule in rules(app):
        assert "<int:" not in rule.rule
