"""Another user's key is answered with 404, like a missing key."""

import pytest

from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later

REQUESTS = [
    ("GET", "/keys/{id}", None),
    ("PATCH", "/keys/{id}", {"name": "mine"}),
    ("DELETE", "/keys/{id}", None),
    ("GET", "/keys/{id}/uses", None),
    ("GET", "/activity?key={id}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
@pytest.mark.parametrize("name", ["ben", "vic", "charlie", "sam", "ci"])
def test_other_users_key_is_404(cast, api, name, method, path, body):
    key = cast.ada.key("CI")
    stranger = api(getattr(cast, name).session())
    problem = problem_of(stranger.send(method, path.format(id=key.id), body), 404, "not_found")
    missing = problem_of(
        stranger.send(method, path.format(id="key_0000000000000000"), body), 404, "not_found"
    )
    assert problem == missing
    assert api(key.secret).get("/me").status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_other_users_key_is_404_with_a_key_of_a_teammate(cast, api, method, path, body):
    key = cast.ada.key("CI")
    stranger = api(cast.ben.key("CI").secret)
    problem_of(stranger.send(method, path.format(id=key.id), body), 404, "not_found")


def test_lists_contain_no_keys_of_others(cast, api):
    key = cast.ada.key("Ada's key")
    api(key.secret).get("/me")
    for stranger in (cast.ben, cast.charlie, cast.sam):
        program = api(stranger.session())
        assert program.get("/keys").json["items"] == []
        assert key.id not in program.get("/activity").text
        assert "Ada's key" not in program.get("/activity").text


@pytest.mark.parametrize("path", ["/account/api-keys/{id}/revocation", "/account/activity?key={id}"])
@pytest.mark.parametrize("name", ["ben", "charlie", "sam"])
def test_page_of_another_users_key_is_404(cast, client, name, path):
    key = cast.ada.key("Ada's key")
    getattr(cast, name).sign_in(client)
    response = client.get(path.format(id=key.id))
    assert response.status_code == 404
    assert "Ada's key" not in response.text


def test_other_users_key_is_not_revoked_on_a_page(cast, client, api):
    key = cast.ada.key("Ada's key")
    cast.charlie.sign_in(client)
    assert client.send(f"/account/api-keys/{key.id}/revocation").status_code == 404
    assert api(key.secret).get("/me").status_code == 200
