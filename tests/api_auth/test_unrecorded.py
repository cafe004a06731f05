"""When a use cannot be recorded, the response is 503 and the request changes nothing."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from reflow_accounts.database import db
from tests.helpers import rows
from tests.helpers.api import problem_of

# IF NOT EXISTS makes SQLite reread the schema: a pooled connection may remember a trigger that another
# connection has dropped.
_FULL = "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
MAKE_UNWRITABLE = {
    "sqlite": [f"CREATE TRIGGER IF NOT EXISTS no_uses BEFORE INSERT ON uses {_FULL}"],
    "postgresql": [
        "CREATE FUNCTION no_uses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$",
        "CREATE TRIGGER no_uses BEFORE INSERT ON uses FOR EACH ROW EXECUTE FUNCTION no_uses()",
    ],
}
MAKE_WRITABLE = {
    "sqlite": ["DROP TRIGGER no_uses"],
    "postgresql": ["DROP TRIGGER no_uses ON uses", "DROP FUNCTION no_uses()"],
}


def execute(app, statements: dict[str, list[str]]) -> None:
    with app.app_context(), db.engine.begin() as connection:
        for statement in statements[connection.dialect.name]:
            connection.execute(text(statement))


@pytest.fixture
def unwritable(app, cast) -> Iterator[None]:
    """`unwritable()`: from now on no use can be recorded."""
    calls = []

    def make_unwritable() -> None:
        execute(app, MAKE_UNWRITABLE)
        calls.append(True)

    yield make_unwritable
    if calls:
        execute(app, MAKE_WRITABLE)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/me", None), ("GET", "/nothing", None), ("POST", "/keys", {"name": ""})],
)
def test_request_is_503_when_its_use_cannot_be_recorded(cast, api, unwritable, method, path, body):
    key = cast.ada.key()
    unwritable()
    problem_of(api(key.secret).send(method, path, body), 503, "unavailable")


def test_key_creation_is_undone_when_its_use_cannot_be_recorded(app, cast, api, unwritable):
    key = cast.ada.key("first")
    events = rows.audit_events(app)
    unwritable()
    response = api(key.secret).post("/keys", {"name": "second"})
    problem_of(response, 503, "unavailable")
    assert "rfk_" not in response.text
    assert [item["name"] for item in api(cast.ada.session()).get("/keys").json["items"]] == ["first"]
    assert rows.audit_events(app)[: len(events)] == events
    assert "second" not in str(rows.audit_events(app))


def test_revocation_is_undone_when_its_use_cannot_be_recorded(app, cast, api, unwritable):
    key, other = cast.ada.key(), cast.ada.key()
    unwritable()
    problem_of(api(key.secret).delete(f"/keys/{other.id}"), 503, "unavailable")
    execute(app, MAKE_WRITABLE)
    assert api(other.secret).get("/me").status_code == 200
    execute(app, MAKE_UNWRITABLE)


def test_requests_without_a_key_are_not_affected(cast, api, unwritable):
    session = cast.ada.session()
    unwritable()
    assert api(session).get("/me").status_code == 200
    problem_of(api().get("/me"), 401, "missing_credentials")


def test_key_works_again_when_uses_can_be_recorded(app, cast, api, unwritable):
    key = cast.ada.key()
    unwritable()
    problem_of(api(key.secret).get("/me"), 503, "unavailable")
    execute(app, MAKE_WRITABLE)
    assert api(key.secret).get("/me").status_code == 200
    assert len(rows.uses_of(app, key.id)) == 1
    execute(app, MAKE_UNWRITABLE)
