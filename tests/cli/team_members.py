"""A team on the real server for one test: an Admin, members with fewer rights and a service account."""

from reflow_accounts.database import db
from reflow_accounts.teams.models import Membership, Rights
from tests import factories
from tests.cli.account import unused_name
from tests.helpers.live_server import LiveServer


class TeamMembers:
    """`team` has `admin`, `editor`, `viewer` and the service account `robot`."""

    def __init__(self, server: LiveServer) -> None:
        app = self.app = server.app
        self.admin, self.editor, self.viewer = (self._person(name) for name in ("Ann", "Eve", "Vic"))
        self.team = factories.team(app, unused_name("TeamMembers"), self.admin, active=True)
        self.team.add(self.editor, Rights.EDIT)
        self.team.add(self.viewer, Rights.VIEW)
        self.robot = factories.service_account(app, self.team, "robot")

    def other_team(self, rights: Rights = Rights.ADMIN, name: str = ""):
        """Make another team, to which the Admin of the first belongs too."""
        owner = self._person("Otto")
        team = factories.team(self.app, name or unused_name("Other"), owner, active=True)
        team.add(self.admin, rights)
        return team

    def remove(self, person: factories.Person) -> None:
        """Remove a member from the team."""
        with self.app.app_context():
            db.session.delete(db.session.get_one(Membership, (person.number, self.team.row().id)))
            db.session.commit()

    def _person(self, name: str):
        return factories.person(self.app, name, f"{unused_name(name.lower())}@example.com")
