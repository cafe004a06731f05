"""Lists by cursor: nothing is missed or repeated while rows come in; the SQL does not grow with the rows."""

import pytest

from tests.helpers import rows
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later

BAD_CURSORS = [
    "x",
    "!!!!",
    "bnVsbA",
    "W10",
    "WyIxIiwiYSJd",
    "A" * 5000,
    "é",
    "WzFlOTk5LDFd",
    "Wy05OTk5OTk5OTk5OTk5OTk5OTk5LDFd",
]


@pytest.fixture
def ada(cast, api):
    return api(cast.ada.session())


def test_keys_are_paginated_newest_first(cast, ada):
    ids = [cast.ada.key().id for _ in range(7)]
    pages = ada.pages("/keys", limit=3)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [key["id"] for page in pages for key in page] == ids[::-1]


def test_full_last_page_has_no_next_cursor(cast, ada):
    for _ in range(4):
        cast.ada.key()
    assert [len(page) for page in ada.pages("/keys", limit=2)] == [2, 2]


def test_keys_created_between_pages_shift_nothing(cast, ada):
    ids = [cast.ada.key().id for _ in range(4)]
    first = ada.get("/keys?limit=2").json
    cast.ada.key("new in between")
    second = ada.get(f"/keys?limit=2&cursor={first['next_cursor']}").json
    assert [key["id"] for key in first["items"] + second["items"]] == ids[::-1]


def test_uses_are_paginated_while_more_are_recorded(cast, api, ada):
    key = cast.ada.key("CI")
    for number in range(5):
        api(key.secret).get(f"/keys/missing{number}")
    first = ada.get(f"/keys/{key.id}/uses?limit=3").json
    api(key.secret).get("/me")
    second = ada.get(f"/keys/{key.id}/uses?limit=3&cursor={first['next_cursor']}").json
    paths = [use["path"] for use in first["items"] + second["items"]]
    assert paths == [f"/api/v1/keys/missing{number}" for number in (4, 3, 2, 1, 0)]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("path", ["/keys", "/keys/{id}/uses", "/activity"])
@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1.5", "9" * 5000, ""])
def test_limit_must_be_a_number_from_1_to_200(cast, ada, path, limit):
    url = path.format(id=cast.ada.key().id)
    problem = problem_of(ada.get(f"{url}?limit={limit}"), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == ["limit"]


@pytest.mark.parametrize("path", ["/keys", "/keys/{id}/uses", "/activity"])
@pytest.mark.parametrize("cursor", BAD_CURSORS)
def test_invalid_cursor_is_refused(cast, ada, path, cursor):
    url = path.format(id=cast.ada.key().id)
    problem = problem_of(ada.get(url, query_string={"cursor": cursor}), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == ["cursor"]


@pytest.mark.parametrize("path", ["/keys", "/activity", "/me", "/keys/{id}/uses"])
def test_unknown_parameter_causes_no_server_error(cast, ada, path):
    url = path.format(id=cast.ada.key().id)
    assert ada.get(f"{url}?colour=red").status_code in (200, 422)


def statements_for(app, request) -> int:
    request()
    with rows.collect_statements(app) as statements:
        request()
    return statements.count


@pytest.mark.parametrize("path", ["/keys", "/keys?state=all", "/activity", "/me"])
def test_statements_of_a_list_do_not_grow_with_its_rows(app, cast, api, ada, path):
    def request() -> None:
        assert ada.get(path).status_code == 200

    api(cast.ada.key().secret).get("/me")
    count = statements_for(app, request)
    for _ in range(12):
        api(cast.ada.key().secret).get("/me")
    assert statements_for(app, request) == count


@pytest.mark.parametrize("path", ["/account/api-keys", "/account/activity"])
def test_statements_of_a_page_do_not_grow_with_its_rows(app, cast, api, client, path):
    def request() -> None:
        assert client.get(path).status_code == 200

    cast.ada.sign_in(client)
    api(cast.ada.key().secret).get("/me")
    count = statements_for(app, request)
    for _ in range(12):
        api(cast.ada.key().secret).get("/me")
    assert statements_for(app, request) == count
