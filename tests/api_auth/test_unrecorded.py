"""What happens when a use cannot be written down: the answer is 503 and the request did nothing."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from reflow_accounts.database import db
from tests.helpers import rows
from tests.helpers.api import problem_of

# IF NOT EXISTS: without it SQLite believes what a connection of the pool remembers of triggers, and looks no
# further; the trigger may have been dropped over another one since.
_FULL = "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
BREAK = {
    "sqlite": [f"CREATE TRIGGER IF NOT EXISTS no_uses BEFORE INSERT ON uses {_FULL}"],
    "postgresql": [
        "CREATE FUNCTION no_uses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$",
        "CREATE TRIGGER no_uses BEFORE INSERT ON uses FOR EACH ROW EXECUTE FUNCTION no_uses()",
    ],
}
MEND = {
    "sqlite": ["DROP TRIGGER no_uses"],
    "postgresql": ["DROP TRIGGER no_uses ON uses", "DROP FUNCTION no_uses()"],
}


def execute(app, statements: dict[str, list[str]]) -> None:
    with app.app_context(), db.engine.begin() as connection:
        for statement in statements[connection.dialect.name]:
            connection.execute(text(statement))


@pytest.fixture
def unwritable(app, cast) -> Iterator[None]:
    """No use can be written while a test asks for this by calling it."""
    broken = []

    def break_it() -> None:
        execute(app, BREAK)
        broken.append(True)

    yield break_it
    if broken:
        execute(app, MEND)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/me", None), ("GET", "/nothing", None), ("POST", "/keys", {"name": ""})],
)
def test_no_answer_goes_out_without_its_use(cast, api, unwritable, method, path, body):
    key = cast.ada.key()
    unwritable()
    problem_of(api(key.secret).send(method, path, body), 503, "unavailable")


def test_key_that_was_being_made_is_not_there(app, cast, api, unwritable):
    key = cast.ada.key("first")
    acts = rows.acts(app)
    unwritable()
    answer = api(key.secret).post("/keys", {"name": "second"})
    problem_of(answer, 503, "unavailable")
    assert "rfk_" not in answer.text
    assert [item["name"] for item in api(cast.ada.session()).get("/keys").json["items"]] == ["first"]
    assert rows.acts(app)[: len(acts)] == acts
    assert "second" not in str(rows.acts(app))


def test_key_that_was_being_revoked_still_works(app, cast, api, unwritable):
    key, other = cast.ada.key(), cast.ada.key()
    unwritable()
    problem_of(api(key.secret).delete(f"/keys/{other.id}"), 503, "unavailable")
    execute(app, MEND)
    assert api(other.secret).get("/me").status_code == 200
    execute(app, BREAK)


def test_sessions_and_strangers_do_not_notice(cast, api, unwritable):
    session = cast.ada.session()
    unwritable()
    assert api(session).get("/me").status_code == 200
    problem_of(api().get("/me"), 401, "missing_credentials")


def test_it_works_again_when_the_table_does(app, cast, api, unwritable):
    key = cast.ada.key()
    unwritable()
    problem_of(api(key.secret).get("/me"), 503, "unavailable")
    execute(app, MEND)
    assert api(key.secret).get("/me").status_code == 200
    assert len(rows.uses_of(app, key.id)) == 1
    execute(app, BREAK)
