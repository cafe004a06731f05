"""Actions on the Team tab, in a browser without JavaScript."""

from sqlalchemy import select
from werkzeug.test import TestResponse

from reflow_accounts.database import db
from reflow_accounts.teams.models import Invitation, Membership
from reflow_accounts.teams.service import memberships_of
from tests.factories import Group, Person
from tests.helpers.page_client import PageClient

PASSWORD = "a kettle on the moon"  # pragma: allowlist secret
ROW_SWAP = {"HX-Request": "true", "HX-Target": "section#teams-members"}
DIALOG = {"HX-Request": "true", "HX-Target": "div#modal"}
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}


def tab_path(group: Group) -> str:
    return f"/account/team?team={group.id}"


def rights_path(group: Group, person: Person) -> str:
    return f"/account/teams/{group.id}/members/{person.id}/rights"


def removal_path(group: Group, person: Person) -> str:
    return f"/account/teams/{group.id}/members/{person.id}/removal"


def departure_path(group: Group) -> str:
    return f"/account/teams/{group.id}/departure"


def change_rights(
    browser: PageClient, group: Group, person: Person, rights: str, **more: object
) -> TestResponse:
    return browser.submit(browser.page(tab_path(group)), rights_path(group, person), rights=rights, **more)


def remove(browser: PageClient, group: Group, person: Person) -> TestResponse:
    path = removal_path(group, person)
    return browser.submit(browser.page(path), path)


def leave(browser: PageClient, group: Group) -> TestResponse:
    return browser.send(departure_path(group))


def invite(browser: PageClient, group: Group, *emails: str, rights: str = "view") -> TestResponse:
    page = browser.page(f"/account/teams/{group.id}/invitations/new")
    return browser.submit(
        page, f"/account/teams/{group.id}/invitations", emails="\n".join(emails), rights=rights
    )


def rights_of(person: Person, group: Group) -> str | None:
    """Return a person's rights to a team, or None."""
    with person.app.app_context():
        rights_by_team = {row.team.public_id: row.rights for row in memberships_of(person.row())}
    return rights_by_team.get(group.id)


def admins_of(group: Group) -> list[str]:
    with group.app.app_context():
        query = select(Membership).where(Membership.rights == "admin")
        rows = db.session.scalars(query.where(Membership.team_id == group.row().id))
        return [str(row.user_id) for row in rows]


def invitations_to(group: Group) -> list[Invitation]:
    """List every invitation to a team, oldest first."""
    with group.app.app_context():
        query = select(Invitation).where(Invitation.team_id == group.row().id)
        return list(db.session.scalars(query.order_by(Invitation.id)))
