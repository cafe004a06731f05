"""All routes, with URLs of one person's objects. New URL parameters must be added here."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask
from werkzeug.routing import Rule

from reflow_accounts.auth.models import Passkey, UserSession
from reflow_accounts.contract import API_PREFIX
from reflow_accounts.database import db
from reflow_accounts.teams.invitations import invite
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.cast import Cast

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FILES = {"static", "public.distribution.download"}
# Everybody who has them may use mailed links and files; other tests check what they grant.
ANYBODYS = {"token": "no-such-token", "name": "reflow.pyz"}


@dataclass(frozen=True)
class Route:
    """One method of one path."""

    method: str
    rule: Rule
    path: str

    @property
    def is_api(self) -> bool:
        return self.rule.rule.startswith(API_PREFIX)

    @property
    def names_somebodys(self) -> bool:
        """Whether the path contains the id of a person's object."""
        return bool(self.rule.arguments - set(ANYBODYS))

    def __str__(self) -> str:
        return f"{self.method} {self.rule.rule} ({self.rule.endpoint})"


def belongings(app: Flask, cast: Cast) -> dict[str, str]:
    """Give Ada one object of each kind and return the ids by URL parameter."""
    key = cast.ada.key("Ada's own key")
    cast.ada.session()
    team = factories.team(app, "Ada's own team", cast.ada, active=True)
    robot = factories.service_account(app, team, "Ada's robot")
    login = factories.device_login(cast.ada)
    with app.app_context():
        [invitation] = invite(
            team.row(), ["guest@example.com"], Rights.VIEW, by=cast.ada.row(), client=factories.CLIENT
        )
        passkey = Passkey(
            user_id=cast.ada.number, name="Ada's laptop", credential_id=b"ada", public_key=b"", sign_count=0
        )
        db.session.add(passkey)
        db.session.commit()
        session = db.session.scalars(db.select(UserSession.public_id)).first()
        return {
            "key_id": key.id,
            "team_id": team.id,
            "account_id": robot.id,
            "invitation_id": invitation.public_id,
            "user_id": cast.ada.id,
            "session_id": str(session),
            "passkey_id": passkey.public_id,
            "login_id": login,
        }


def every_route(app: Flask, ids: dict[str, str]) -> Iterator[Route]:
    """Yield each method of each path, except files. `ids` must have a value for every other URL parameter."""
    values = ANYBODYS | ids
    for rule in app.url_map.iter_rules():
        if rule.endpoint in FILES:
            continue
        unknown = rule.arguments - set(values)
        assert not unknown, f"{rule.rule}: say in tests/helpers/routes.py whose {unknown} is"
        path = rule.rule
        for name in rule.arguments:
            path = path.replace(f"<{name}>", values[name])
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            yield Route(method, rule, path)
