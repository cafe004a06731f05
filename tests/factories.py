"""Make people, teams and keys through the services, in a transaction of their own."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select, update

from reflow_accounts.api_keys import service as api_keys
from reflow_accounts.auth import device_flow, login
from reflow_accounts.auth.login_manager import VALUE
from reflow_accounts.auth.models import Factor, SessionKind, UserSession
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.database import db, now
from reflow_accounts.demo import PASSWORD
from reflow_accounts.mail.models import OutboxMessage
from reflow_accounts.subscriptions.overrides import set_active
from reflow_accounts.teams import service as teams
from reflow_accounts.teams.models import Membership, Rights, Team
from reflow_accounts.teams.service_accounts import owning_team
from reflow_accounts.users import profile
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import Client

CLIENT = Client("192.0.2.1", "tests")
_numbers = count(1)


@dataclass(frozen=True)
class Issued:
    """A key and its secret."""

    id: str
    name: str
    secret: str


@dataclass(frozen=True)
class Person:
    """A user, as tests speak of one: no row, so that nothing hangs on a transaction."""

    app: Flask
    number: int
    id: str
    full_name: str
    email: str
    password: str = PASSWORD

    def sign_in(self, client: FlaskClient) -> FlaskClient:
        """Start a session as the log-in page does, in a fraction of its time; the client keeps the cookie."""
        with self.app.app_context():
            factors = [Factor.PASSWORD]
            _, value = login.start_session(self.row(), SessionKind.BROWSER, factors, client=CLIENT)
            db.session.commit()
        with client.session_transaction(base_url=client.base_url) as session:
            session[VALUE] = value
        return client

    def log_in(self, client: FlaskClient) -> FlaskClient:
        """Log in with the form of the log-in page; the client keeps the cookie."""
        response = client.send("/login", email=self.email, password=self.password)
        assert response.status_code == 303, response.text
        return client

    def key(self, name: str = "", *, expires_at: datetime | None = None, is_canary: bool = False) -> Issued:
        """Issue an API key."""
        name = name or f"key {next(_numbers)}"
        with self.app.app_context():
            user = self.row()
            # Only Admins of its team create keys of a service account.
            by = user if user.is_person else teams.admins_of(owning_team(user))[0]
            row, secret = api_keys.issue(
                user, name, by=by, client=CLIENT, expires_at=expires_at, is_canary=is_canary
            )
            issued = Issued(row.public_id, row.name, secret)
            # What a test asks of mail begins with the test.
            db.session.execute(delete(OutboxMessage).where(OutboxMessage.kind == "keys_created"))
            db.session.commit()
        return issued

    def revoke(self, key: Issued) -> None:
        with self.app.app_context():
            user = self.row()
            api_keys.revoke(api_keys.key_of(user, key.id), by=user, client=CLIENT)
            db.session.commit()

    def session(self) -> str:
        """Begin a session of the command and return its secret."""
        with self.app.app_context():
            _, secret = login.start_session(self.row(), SessionKind.COMMAND, [Factor.PASSWORD], client=CLIENT)
            db.session.commit()
        return secret

    def change_sessions(self, **columns: Any) -> None:
        """Set columns of every session of the user."""
        with self.app.app_context():
            db.session.execute(
                update(UserSession).where(UserSession.user_id == self.number).values(**columns)
            )
            db.session.commit()

    def change(self, **columns: Any) -> None:
        """Set columns of the user's row."""
        with self.app.app_context():
            for name, value in columns.items():
                setattr(self.row(), name, value)
            db.session.commit()

    def row(self) -> User:
        """Return the row; an application context must be open."""
        return db.session.get_one(User, self.number)


@dataclass(frozen=True)
class Group:
    """A team, as tests speak of one."""

    app: Flask
    id: str
    name: str

    def add(self, person: Person, rights: Rights) -> None:
        with self.app.app_context():
            teams.add_member(self.row(), person.row(), rights)
            db.session.commit()

    def give(self, person: Person, rights: Rights) -> None:
        """Change the rights of a member."""
        with self.app.app_context():
            db.session.get_one(Membership, (person.number, self.row().id)).rights = rights
            db.session.commit()

    def subscribe(self, active: bool = True) -> None:
        with self.app.app_context():
            # Longer than any test travels.
            until = now() + timedelta(days=3650) if active else None
            set_active(self.row(), active, "for a test", by=None, until=until)
            db.session.commit()

    def unsubscribe(self) -> None:
        self.subscribe(active=False)

    def row(self) -> Team:
        return db.session.scalars(select(Team).where(Team.public_id == self.id)).one()


def person(app: Flask, full_name: str = "", email: str = "", *, is_staff: bool = False) -> Person:
    number = next(_numbers)
    email = email or f"person{number}@example.com"
    with app.app_context():
        user = profile.add_person(
            full_name or f"Person {number}", email, PASSWORD, hasher(), is_staff=is_staff
        )
        made = Person(app, user.id, user.public_id, user.full_name, email)
        db.session.commit()
    return made


def team(app: Flask, name: str, owner: Person, *, active: bool = False) -> Group:
    with app.app_context():
        row = teams.add_team(name, owner.row())
        made = Group(app, row.public_id, row.name)
        db.session.commit()
    if active:
        made.subscribe()
        with app.app_context():
            # What a test asks of mail begins with the test.
            db.session.execute(delete(OutboxMessage).where(OutboxMessage.kind == "subscription_changed"))
            db.session.commit()
    return made


def service_account(app: Flask, group: Group, name: str, rights: Rights = Rights.EDIT) -> Person:
    with app.app_context():
        user = teams.add_service_account(group.row(), name, rights)
        made = Person(app, user.id, user.public_id, user.full_name, "")
        db.session.commit()
    return made


def device_login(person: Person) -> str:
    """Have a terminal ask for a login and the person type its code; return the login's id."""
    with person.app.app_context():
        _, _, code = device_flow.ask("a machine", client=CLIENT)
        made = device_flow.reserve(person.row(), code).public_id
        db.session.commit()
    return made
