"""Pages of very many keys and teams: more than the parameters that a statement of PostgreSQL can have (65,535)."""

import pytest
from sqlalchemy import LargeBinary, String, insert, literal, select
from sqlalchemy import cast as cast_to

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import db, now
from reflow_accounts.teams.models import Team

pytestmark = pytest.mark.slow

MANY = 70_000


def add_rows(model, **columns):
    """Add many rows; a column that is a function gets the numbers of the rows."""
    numbers = select(literal(1).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < MANY))
    values = [value(numbers.c.n) if callable(value) else literal(value) for value in columns.values()]
    db.session.execute(insert(model).from_select(list(columns), select(*values)))
    db.session.commit()


def numbered(prefix):
    return lambda n: literal(prefix) + cast_to(n, String)


@pytest.fixture
def many_keys(app, cast):
    """Ada has very many revoked keys, and one that was used."""
    with app.app_context():
        add_rows(
            ApiKey,
            public_id=numbered("key_"),
            user_id=cast.ada.row().id,
            name=numbered("key "),
            folded_name=numbered("key "),
            digest=lambda n: cast_to(numbered("digest ")(n), LargeBinary),
            hint="abcd",
            created_at=now(),
            revoked_at=now(),
        )


def test_activity_of_very_many_keys_is_shown(cast, many_keys, client, api):
    api(cast.ada.key("CI").secret).get("/me")
    page = cast.ada.sign_in(client).page("/account/activity")
    assert "GET /api/v1/me" in page.text


def test_console_filters_very_many_teams(app, cast, client):
    with app.app_context():
        add_rows(Team, public_id=numbered("team_"), name=numbered("Team "), created_at=now())
    page = cast.sam.sign_in(client).page("/support?q=team&state=inactive")
    assert "Team 1" in page.text
