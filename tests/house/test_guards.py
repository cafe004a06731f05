"""Every route stands behind a guard (house: the doors)."""

import pytest

from reflow_accounts import blueprints
from reflow_accounts.contract import API_PREFIX
from tests.helpers.api import Api

# What the API answers without a credential, by its own word; everything else asks for one.
OPEN_TO_ALL = {
    f"{API_PREFIX}{path}" for path in ("/openapi.json", "/sessions", "/device/code", "/device/token")
}


def rules(app):
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]


def test_every_page_hangs_on_a_door_and_every_door_has_a_guard(app):
    for rule in rules(app):
        if rule.rule.startswith(API_PREFIX):
            continue
        door = rule.endpoint.partition(".")[0]
        assert door in blueprints.BEFORE_REQUEST, f"{rule.rule} ({rule.endpoint}) hangs on no door"
        assert blueprints.BEFORE_REQUEST[door] in app.before_request_funcs[door]
        assert rule.rule.startswith(blueprints.URL_PREFIXES[door])
    assert set(blueprints.BEFORE_REQUEST) == set(blueprints.BLUEPRINTS) == set(blueprints.URL_PREFIXES)


def test_each_doors_address_holds_only_its_own_routes(app):
    for door, address in blueprints.URL_PREFIXES.items():
        for rule in rules(app):
            if address and (rule.rule == address or rule.rule.startswith(f"{address}/")):
                assert rule.endpoint.startswith(f"{door}."), f"{rule.rule} is not behind {door}"


def test_every_endpoint_of_the_api_asks_for_a_credential(app):
    paths = {rule.rule: rule for rule in rules(app) if rule.rule.startswith("/api")}
    assert set(paths) > OPEN_TO_ALL
    for path, rule in paths.items():
        relative = path.removeprefix(API_PREFIX).replace("<key_id>", "x")
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            answer = Api(app).send(method, relative)
            if path in OPEN_TO_ALL:
                assert answer.status_code != 401
            else:
                assert answer.json["code"] == "missing_credentials", f"{method} {path}"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_strangers_are_asked_to_log_in_and_find_no_console(app, method):
    client = app.test_client()
    for rule in rules(app):
        if method not in rule.methods:
            continue
        path = rule.rule.replace("<key_id>", "x").replace("<team_id>", "x")
        if rule.endpoint.startswith("account."):
            answer = client.open(path, method=method)
            assert answer.headers.get("Location", "").startswith("/login"), f"{method} {path}"
        if rule.endpoint.startswith("support."):
            assert client.open(path, method=method).status_code == 404, f"{method} {path}"


def test_no_view_takes_a_number_from_an_address(app):
    """Public ids in addresses, never sequence numbers."""
    for rule in rules(app):
        assert "<int:" not in rule.rule
