"""Access matrix: every route for every member of the cast, as page, fragment and API."""

import pytest

from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.routes import SAFE
from tests.house.matrix import CAST, PAGES, PROGRAMS
from tests.house.matrix_client import Things, ask_api, ask_page, letter_of, placeholders_in

pytestmark = pytest.mark.postgresql_later

# A program has its key and nobody has none; Sam's team has no subscription, so that a key of his opens nothing.
CREDENTIALS = [
    *[(who, kind) for who in ("ada", "ben", "vic", "charlie") for kind in ("key", "session")],
    ("ci", "key"),
    ("sam", "session"),
    ("nobody", "cookie"),
]
RIGHTS = {"ada": Rights.ADMIN, "ben": Rights.EDIT, "vic": Rights.VIEW}


@pytest.fixture
def cast(app, cast):
    """The cast, with a second Admin in Acme, so that Ada may leave."""
    cast.acme.add(factories.person(app, "Dora Hill"), Rights.ADMIN)
    return cast


class Asker:
    """A member of the cast, who requests row after row; used-up objects are created again."""

    def __init__(self, app, cast, who):
        self.app, self.cast, self.who = app, cast, who
        self.person = None if who in ("ci", "nobody") else getattr(cast, who)
        self.ids = Things(app, cast, cast.acme)
        self.wrong = []

    def check(self, row, expected, ask):
        """Send the request and record a wrong result."""
        places = placeholders_in(row.rule + row.sent)
        assert all(self.ids[place] for place in places)
        before = rows.count(self.app, AuditEvent)
        found = letter_of(ask())
        if found != expected:
            self.wrong.append(f"{row}: {found} and not {expected}")
        if row.method in SAFE:
            return
        if expected in "134L" and row.rule != "/logout" and rows.count(self.app, AuditEvent) != before:
            self.wrong.append(f"{row}: refused, but something was done")
        if found == "y":
            self.ids.use_up(places)
            if row.rule.endswith("/departure"):
                self.cast.acme.add(self.person, RIGHTS[self.who])


def routes_of(app):
    return {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }


def test_table_has_one_row_for_each_route(app):
    named = [f"{row.method} {row.rule}" for row in PAGES + PROGRAMS]
    assert set(named) == routes_of(app)
    assert len({str(row) for row in PAGES + PROGRAMS}) == len(named)


@pytest.mark.parametrize("kind", ["page", pytest.param("fragment", marks=pytest.mark.slow)])
@pytest.mark.parametrize("who", CAST)
def test_pages_answer_as_the_table_says(app, cast, client, who, kind):
    """The program sends its key, which opens no page."""
    asker = Asker(app, cast, who)
    if who == "ci":
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {cast.ci.key().secret}"
    for row in PAGES:
        if asker.person and not client.get_cookie("reflow"):
            asker.person.sign_in(client)
        asker.check(
            row,
            row.letters[who],
            lambda row=row: ask_page(row, client, asker.ids, asker.person, fragment=kind == "fragment"),
        )
    assert not asker.wrong, "\n".join(["", *asker.wrong])


@pytest.mark.parametrize(("who", "credential"), CREDENTIALS)
def test_api_answers_as_the_table_says(app, cast, client, api, who, credential):
    """A browser's cookie opens nothing: nobody sends Ada's."""
    asker = Asker(app, cast, who)
    key = getattr(cast, who).key().secret if credential == "key" else None
    cookie = cast.ada.sign_in(client).get_cookie("reflow").value
    for row in PROGRAMS:
        headers = {"Cookie": f"reflow={cookie}"} if credential == "cookie" else {}
        secret = getattr(cast, who).session() if credential == "session" else key
        may = {"s": "y", "c": "f"} if credential == "session" else {"s": "3", "c": "3"}
        program = api(secret, **headers)
        expected = may.get(row.letters[who], row.letters[who])
        asker.check(row, expected, lambda row=row, program=program: ask_api(row, program, asker.ids, cast))
    assert not asker.wrong, "\n".join(["", *asker.wrong])


@pytest.mark.parametrize("kind", ["page", "fragment", "api"])
def test_objects_of_another_team_are_404_for_admins_of_both(app, cast, client, api, kind):
    """Each id of an address is exchanged in turn, of the team and of each thing below it."""
    other = factories.team(app, "Ada's own team", cast.ada, active=True)
    ours, theirs = Things(app, cast, cast.acme), Things(app, cast, other)
    program, browser = api(cast.ada.session()), cast.ada.sign_in(client)
    asked = [row for row in (PROGRAMS if kind == "api" else PAGES) if len(placeholders_in(row.rule)) > 1]
    for row in asked:
        assert all(ours[place] and theirs[place] for place in placeholders_in(row.rule))
    before, seen = rows.audit_events(app), 0
    for row in asked:
        for place in placeholders_in(row.rule):
            ids = {name: ours[name] for name in placeholders_in(row.rule)} | {place: theirs[place]}
            if kind == "api":
                response = ask_api(row, program, ids, cast)
            else:
                response = ask_page(row, browser, ids, cast.ada, fragment=kind == "fragment")
            assert letter_of(response) == "4", f"{row} with another team's {place}: {response.status}"
            seen += 1
    assert seen >= 20
    assert rows.audit_events(app) == before
