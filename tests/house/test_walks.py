"""All routes: no data of others, CSRF checks, GET without side effects."""

import pytest

from tests.helpers import rows
from tests.helpers.html import parse
from tests.helpers.routes import SAFE, belongings, every_route

pytestmark = pytest.mark.postgresql_later

FRAGMENTS = ["", "div#modal", "div#dialog-panel"]
# Pages that are the same for all users.
HELP = {"/", "/healthz", "/readyz"}
# Bodies of API requests that need more than a name.
BODIES = {
    "/api/v1/keys/<key_id>/rotation": {},
    "/api/v1/teams/<team_id>/service-accounts/<account_id>/keys/<key_id>/rotation": {},
    "/api/v1/teams/<team_id>/members/<user_id>": {"rights": "view"},
    "/api/v1/teams/<team_id>/invitations": {"emails": ["eve@example.com"], "rights": "view"},
}


@pytest.fixture
def ids(app, cast):
    return belongings(app, cast)


def headers_of(target):
    return {"HX-Request": "true", "HX-Target": target} if target else {}


def test_every_kind_of_route_is_found(app, ids):
    routes = list(every_route(app, ids))
    assert len(routes) > 30
    assert sum(route.names_somebodys for route in routes) >= 10


@pytest.mark.parametrize("who", ["charlie", "ben", "sam"])
def test_pages_show_no_objects_of_others(app, cast, client, ids, who):
    """Staff see teams and people in their console only."""
    person = getattr(cast, who)
    person.sign_in(client)
    before = rows.audit_events(app)
    for route in every_route(app, ids):
        if not route.names_somebodys or route.is_api or (who == "sam" and route.path.startswith("/support")):
            continue
        for target in FRAGMENTS:
            data = {"csrf_token": client.csrf_token()} if route.method not in SAFE else None
            response = client.open(route.path, method=route.method, data=data, headers=headers_of(target))
            assert response.status_code in (403, 404), f"{route}: {response.status}"
            # Her first name alone is also found in random tokens.
            assert cast.ada.full_name not in response.text, route
            assert cast.ada.email not in response.text, route
    assert rows.audit_events(app) == before


@pytest.mark.parametrize("who", ["charlie", "ben", "sam", "ci"])
@pytest.mark.parametrize("credential", ["session", "key"])
def test_api_shows_no_objects_of_others(app, cast, api, ids, who, credential):
    person = getattr(cast, who)
    if credential == "key" and who == "sam":
        pytest.skip("Sam's team has no subscription")
    program = api(person.session() if credential == "session" else person.key().secret)
    before = rows.audit_events(app)
    for route in every_route(app, ids):
        if not route.names_somebodys or not route.is_api:
            continue
        relative = route.path.removeprefix("/api/v1")
        if who == "sam" and relative.startswith("/support"):
            # Staff may see all subscriptions.
            continue
        body = BODIES.get(route.rule.rule, {"name": "mine"})
        body = body if route.method not in SAFE | {"DELETE"} else None
        response = program.send(route.method, relative, body)
        assert response.status_code in (403, 404), f"{route}: {response.status}"
        assert cast.ada.full_name not in response.text, route
    assert rows.audit_events(app) == before


def test_own_pages_contain_no_data_of_others(app, cast, client, ids):
    """Charlie's lists, whole and as fragments, and the same lists narrowed by Ada's ids."""
    cast.charlie.sign_in(client)
    words = ["Ada Park", "Ada's", cast.acme.name, cast.ada.email, *ids.values()]
    for route in every_route(app, ids):
        if route.method != "GET" or route.is_api or route.rule.arguments or route.path in HELP:
            continue
        for target in FRAGMENTS:
            response = client.get(route.path, headers=headers_of(target))
            assert response.status_code < 500, f"{route}: {response.status}"
            assert not [word for word in words if word in response.text], route
        for id in ids.values():
            asked = {"key": id, "team": id, "user": id, "q": id}
            narrowed = client.get(route.path, query_string=asked)
            assert "Ada Park" not in narrowed.text and cast.ada.email not in narrowed.text, route


def test_api_lists_contain_no_data_of_others(app, cast, api, ids):
    program = api(cast.charlie.session())
    words = ["Ada Park", "Ada's", cast.ada.email, *ids.values()]
    for route in every_route(app, ids):
        if route.method == "GET" and route.is_api and not route.rule.arguments:
            response = program.get(route.path.removeprefix("/api/v1"))
            assert not [word for word in words if word in response.text], route


@pytest.mark.parametrize(
    ("headers", "has_token"),
    [({}, False), ({"Sec-Fetch-Site": "cross-site"}, True), ({"Sec-Fetch-Site": "same-site"}, True)],
)
@pytest.mark.parametrize("who", ["ada", "sam", "nobody"])
def test_cross_site_forms_are_refused(app, cast, client, ids, who, headers, has_token):
    """Every unsafe route of the browser, log-in included; who may not go there at all is told so first."""
    if who != "nobody":
        getattr(cast, who).sign_in(client)
    before = rows.audit_events(app)
    seen = 0
    for route in every_route(app, ids):
        # Webhooks come from other sites with their own proof.
        if route.is_api or route.method in SAFE or route.path.startswith("/marketplace"):
            continue
        data = {"csrf_token": client.csrf_token()} if has_token else {}
        response = client.open(route.path, method=route.method, data=data, headers=headers)
        refused = (400,)
        if route.path.startswith(("/account", "/device")) and who == "nobody":
            refused = (303, 401)
        if route.path.startswith("/support") and who != "sam":
            refused = (404,)
        if route.path in ("/login", "/login/passkey") and not has_token:
            # A form of an old session: the form is shown again.
            refused = (303,)
            assert response.location.startswith("/login")
        if route.path == "/logout" and who == "nobody" and not has_token:
            # There is no session to protect.
            refused = (303,)
        assert response.status_code in refused, f"{route}: {response.status}"
        seen += response.status_code == 400
    assert seen >= 2
    assert rows.audit_events(app) == before


@pytest.mark.parametrize("method", sorted(SAFE))
def test_get_requests_change_nothing(app, cast, client, ids, method):
    """A GET writes sessions' times and a support view, and nothing else (house: the shape of an edge function)."""
    cast.ada.sign_in(client)
    before = rows.audit_events(app)
    for route in every_route(app, ids):
        if route.method == "GET" and not route.is_api:
            query = {"active": "false", "reason": "x", "name": "made", "confirm": "yes", "_method": "POST"}
            response = client.open(route.path, method=method, query_string=query)
            assert response.status_code < 500, f"{route}: {response.status}"
    assert rows.audit_events(app) == before
    assert client.get("/account/profile").status_code == 200


def test_account_pages_are_not_cached(app, cast, client, ids):
    cast.ada.sign_in(client)
    for route in every_route(app, ids):
        if route.method == "GET":
            response = client.get(route.path)
            assert response.headers["Cache-Control"] == "no-store", route


@pytest.mark.parametrize("who", ["ada", "sam"])
def test_account_pages_offer_sign_out(app, cast, client, ids, who):
    """OWASP ASVS 5.0, 7.4.4."""
    getattr(cast, who).sign_in(client)
    seen = 0
    for route in every_route(app, ids):
        if route.method != "GET" or route.is_api:
            continue
        response = client.get(route.path)
        if response.mimetype != "text/html" or 300 <= response.status_code < 400:
            continue
        seen += 1
        page = parse(response.text)
        [opener] = [button for button in page.all("button") if button["popovertarget"]]
        menu = page.with_id(opener["popovertarget"])
        [form] = [form for form in menu.all("form") if form["action"] == "/logout"]
        assert (form["method"], form.all("button")[0].text) == ("post", "Sign out"), route
    assert seen >= 10


def test_password_fields_are_masked_and_allow_password_managers(app, cast, client, ids):
    """OWASP ASVS 5.0, 6.2.6 and 6.2.7."""
    seen = 0
    for _ in range(2):
        for route in every_route(app, ids):
            if route.method != "GET" or route.is_api:
                continue
            response = client.get(route.path)
            if response.status_code != 200 or response.mimetype != "text/html":
                continue
            for field in parse(response.text).all("input"):
                if "password" in field["name"]:
                    seen += 1
                    assert field["type"] == "password", f"{route}: {field}"
                    assert field["autocomplete"] in ("current-password", "new-password"), f"{route}: {field}"
                    assert "onpaste" not in field
        cast.ada.sign_in(client)
    assert seen >= 3
