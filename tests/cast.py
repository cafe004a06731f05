"""The people that every test knows: owner, teammates, outsider, one who did not pay, staff, a program."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Flask

from reflow_accounts.database import now
from reflow_accounts.teams.models import Rights
from reflow_accounts.users.models import User
from tests import factories
from tests.factories import Group, Person
from tests.helpers import databases, rows

# The services take a tenth of a second to make everybody, for thousands of tests; their rows are put back instead
# while the clock has hardly moved, so that nobody joined at a time that a test does not expect.
_FRESH = timedelta(minutes=1)


@dataclass(frozen=True)
class Cast:
    """Ada (admin), Ben (edit) and Vic (view) of Acme, which pays; `ci` is its service account.

    Charlie belongs to Globex, which pays too, and is a stranger to Acme. Nina's team Solo does not
    pay. Sam is support staff.
    """

    ada: Person
    ben: Person
    vic: Person
    ci: Person
    charlie: Person
    nina: Person
    sam: Person
    acme: Group
    globex: Group
    solo: Group

    @classmethod
    def of(cls, app: Flask) -> "Cast":
        """Put everybody into the database."""
        if rows.count(app, User):
            return cls._made(app)
        kept: _Kept | None = app.extensions.get("tests.cast")
        if kept is None or abs(now() - kept.at) > _FRESH:
            at, cast = now(), cls._made(app)
            kept = app.extensions["tests.cast"] = _Kept(at, cast, databases.rows(app))
        else:
            databases.fill(app, kept.rows)
        return kept.cast

    @classmethod
    def _made(cls, app: Flask) -> "Cast":
        ada = factories.person(app, "Ada Park", "ada@acme.example")
        ben = factories.person(app, "Ben Cole", "ben@acme.example")
        vic = factories.person(app, "Vic Moss", "vic@acme.example")
        charlie = factories.person(app, "Charlie Reed", "charlie@globex.example")
        nina = factories.person(app, "Nina Roy", "nina@solo.example")
        sam = factories.person(app, "Sam Hale", "sam@support.example", is_staff=True)
        acme = factories.team(app, "Acme", ada, active=True)
        acme.add(ben, Rights.EDIT)
        acme.add(vic, Rights.VIEW)
        ci = factories.service_account(app, acme, "acme-ci")
        globex = factories.team(app, "Globex", charlie, active=True)
        solo = factories.team(app, "Solo", nina)
        return cls(ada, ben, vic, ci, charlie, nina, sam, acme, globex, solo)


@dataclass(frozen=True)
class _Kept:
    """Everybody, as they were made, and the rows that this left."""

    at: datetime
    cast: Cast
    rows: databases.Rows
