"""The people that every test knows: owner, teammates, outsider, one who did not pay, staff, a program."""

from dataclasses import dataclass

from flask import Flask

from reflow_accounts.teams.models import Rights
from tests import factories
from tests.factories import Group, Person


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
        """Put everybody into an empty database."""
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
