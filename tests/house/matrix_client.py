"""Request a row of the matrix as a page, a fragment or through the API."""

import re
from collections.abc import Iterable, Mapping
from itertools import count

from flask import Flask
from werkzeug.test import TestResponse

from reflow_accounts.auth.models import Passkey, UserSession
from reflow_accounts.contract import API_PREFIX, DEVICE_GRANT
from reflow_accounts.database import db
from reflow_accounts.teams.invitations import invite
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.cast import Cast
from tests.factories import Group, Person
from tests.helpers.api import Api
from tests.helpers.page_client import PageClient
from tests.helpers.routes import ANYBODYS, SAFE
from tests.house.matrix import Row

DIALOG = {"HX-Request": "true", "HX-Target": "div#modal"}
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}
PLACEHOLDER = "<([a-z_]+)>"
_numbers = count(1)


class Things(dict[str, str]):
    """One object for each URL parameter: of the team, or of Ada.

    Each is created when first used.
    """

    def __init__(self, app: Flask, cast: Cast, team: Group) -> None:
        super().__init__(ANYBODYS | {"team_id": team.id})
        self._app, self._ada, self._team = app, cast.ada, team
        self._robot: Person | None = None

    def __missing__(self, name: str) -> str:
        made: str = getattr(self, f"_make_{name}")()
        return self.setdefault(name, made)

    def use_up(self, names: Iterable[str]) -> None:
        """Create these again."""
        for name in set(names) - {"team_id", *ANYBODYS}:
            self.pop(name, None)
            if name == "account_id":
                self.pop("account_key_id", None)

    def _make_user_id(self) -> str:
        member = factories.person(self._app)
        self._team.add(member, Rights.VIEW)
        return member.id

    def _make_account_id(self) -> str:
        self._robot = factories.service_account(self._app, self._team, f"robot {next(_numbers)}")
        return self._robot.id

    def _make_account_key_id(self) -> str:
        assert self["account_id"]
        assert self._robot
        return self._robot.key().id

    def _make_key_id(self) -> str:
        return self._ada.key().id

    def _make_invitation_id(self) -> str:
        with self._app.app_context():
            team, address = self._team.row(), f"invited{next(_numbers)}@example.com"
            [made] = invite(team, [address], Rights.VIEW, by=self._ada.row(), client=factories.CLIENT)
            db.session.commit()
            return made.public_id

    def _make_session_id(self) -> str:
        self._ada.session()
        with self._app.app_context():
            newest = db.select(UserSession.public_id).order_by(UserSession.id.desc())
            return str(db.session.scalars(newest).first())

    def _make_login_id(self) -> str:
        return factories.device_login(self._ada)

    def _make_passkey_id(self) -> str:
        number = next(_numbers)
        with self._app.app_context():
            made = Passkey(
                user_id=self._ada.number,
                name=f"laptop {number}",
                credential_id=str(number).encode(),
                public_key=b"",
                sign_count=0,
            )
            db.session.add(made)
            db.session.commit()
            return made.public_id


def words(person: Person | None) -> dict[str, str]:
    """Return values for all form fields, without passwords."""
    number = next(_numbers)
    return {
        "name": f"made {number}",
        "nonce": f"nonce {number}",
        "overlap": "0",
        "key_name": "ci",
        "rights": "edit",
        "disabled": "true",
        "emails": f"guest{number}@example.com",
        "full_name": person.full_name if person else "Guest",
        "email": person.email if person else "guest@example.com",
        "appearance": "device",
        "time_zone": "UTC",
    }


def body(row: Row, cast: Cast) -> object:
    """Return the JSON body of an API request."""
    number = next(_numbers)
    bodies = {
        "POST /sessions": {"email": cast.ada.email, "password": cast.ada.password},
        "PATCH /teams/<team_id>/members/<user_id>": {"rights": "edit"},
        "POST /device/code": {"host": f"machine {number}"},
        "POST /device/token": {"grant_type": DEVICE_GRANT, "device_code": "unknown"},
        "POST /teams/<team_id>/invitations": {"emails": [f"guest{number}@example.com"], "rights": "edit"},
        "PUT /support/teams/<team_id>/subscription": {"active": True, "reason": "as asked for"},
        "POST /teams/<team_id>/invitations/<invitation_id>/sending": None,
    }
    if row.rule.endswith("/rotation"):
        return {}
    named = {"name": f"made {number}"} if row.method in ("POST", "PATCH") else None
    return bodies.get(f"{row.method} {row.rule.removeprefix(API_PREFIX)}", named)


def placeholders_in(text: str) -> list[str]:
    """Return the names of the placeholders in a path."""
    below = {"key_id": "account_key_id"} if "<account_id>" in text else {}
    return [below.get(name, name) for name in re.findall(PLACEHOLDER, text)]


def fill(text: str, ids: Mapping[str, str]) -> str:
    """Put ids into the placeholders of a path."""
    names = iter(placeholders_in(text))
    return re.sub(PLACEHOLDER, lambda _: ids[next(names)], text)


def ask_page(
    row: Row, browser: PageClient, ids: Mapping[str, str], person: Person | None, *, fragment: bool = False
) -> TestResponse:
    """Ask as one of our pages would, with its token and, for a fragment, with the headers of htmx."""
    path, sent = fill(row.rule, ids), fill(row.sent, ids)
    if row.method in SAFE:
        headers = DIALOG if fragment else None
        return browser.open(f"{path}?{sent}", method=row.method, headers=headers)
    data = {"csrf_token": browser.csrf_token()} | words(person) | dict([sent.split("=")] if sent else [])
    return browser.open(path, method=row.method, data=data, headers=PANEL if fragment else None)


def ask_api(row: Row, program: Api, ids: Mapping[str, str], cast: Cast) -> TestResponse:
    path = fill(row.rule, ids).removeprefix(API_PREFIX)
    return program.send(row.method, f"{path}?{fill(row.sent, ids)}", body(row, cast))


def letter_of(response: TestResponse) -> str:
    """Return the letter of the matrix for a response."""
    place = response.headers.get("Location", "") or response.headers.get("HX-Redirect", "")
    if place.partition("?")[0] == "/login":
        return "L"
    # A form that htmx sent stays on its page, with a link to the log-in page.
    if (
        response.status_code == 401
        and "Your session ended" in response.text
        and 'href="/login"' in response.text
    ):
        return "L"
    if response.status_code < 400:
        return "y"
    return {400: "f", 401: "1", 403: "3", 404: "4", 409: "f", 410: "f", 422: "f"}.get(
        response.status_code, response.status
    )
