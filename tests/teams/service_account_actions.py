"""Actions on service accounts, and their paths."""

import re

from werkzeug.test import TestResponse

from reflow_accounts.api_keys import service_accounts
from reflow_accounts.database import db
from reflow_accounts.teams import service_accounts as accounts
from reflow_accounts.teams.service import service_accounts_of
from tests.factories import CLIENT, Group, Person
from tests.helpers.page_client import PageClient

SECRET = re.compile(r"rfk_[0-9A-Za-z]{49}")
DIALOG = {"HX-Request": "true", "HX-Target": "div#modal"}
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}


def section_path(group: Group) -> str:
    return f"/account/teams/{group.id}/service-accounts"


def tab_path(group: Group) -> str:
    """Return the path of the tab that lists the team's service accounts."""
    return f"/account/team?team={group.id}"


def account_path(group: Group, account: Person) -> str:
    return f"{section_path(group)}/{account.id}"


def ci_key_path(group: Group) -> str:
    return f"/account/teams/{group.id}/ci-key"


def create(browser: PageClient, group: Group, name: str, **more: object) -> TestResponse:
    return browser.submit(browser.page(f"{section_path(group)}/new"), section_path(group), name=name, **more)


def names_in(group: Group) -> list[str]:
    """List the names of the team's service accounts, oldest first."""
    with group.app.app_context():
        return [account.full_name for account in service_accounts_of(group.row())]


def delete(group: Group, account: Person, by: Person) -> None:
    with group.app.app_context():
        service_accounts.delete(group.row(), account.row(), by=by.row(), client=CLIENT)
        db.session.commit()


def set_disabled(group: Group, account: Person, disabled: bool, by: Person) -> None:
    with group.app.app_context():
        accounts.set_disabled(group.row(), account.row(), disabled, by=by.row(), client=CLIENT)
        db.session.commit()
