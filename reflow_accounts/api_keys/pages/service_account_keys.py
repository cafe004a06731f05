"""The keys of a service account: the pages of keys, for another owner."""

from typing import Any

from flask import url_for

from reflow_accounts.api_keys import keyring, service_accounts
from reflow_accounts.api_keys.forms import KeyForm
from reflow_accounts.api_keys.keyring import Answer, Keyring
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.pages.blueprints import service_account_pages
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.teams.models import Membership
from reflow_accounts.teams.service import admin_membership_of
from reflow_accounts.teams.service_accounts import live_account_of, rights_of
from reflow_accounts.users.models import User
from reflow_accounts.web.redirects import origin
from reflow_accounts.web.request_info import client


class AccountKeys(Keyring):
    """The keys of a service account, in the hands of an Admin of its team."""

    tab = "team"
    template = "api_keys/service_account.html"

    def __init__(self, membership: Membership, owner: User) -> None:
        super().__init__(owner)
        self._membership = membership

    @classmethod
    def of(cls, team_id: str, account_id: str) -> "AccountKeys":
        """Return those of a service account that is not deleted, for who is signed in and an Admin."""
        membership = admin_membership_of(current_user(), team_id)
        return cls(membership, live_account_of(membership.team, account_id))

    def index(self, **query: str | None) -> str:
        return self._address("show", **query)

    def new(self) -> str:
        return self._address("new_key")

    def create(self) -> str:
        return self._address("create_key")

    def revocation(self, key_id: str) -> str:
        return self._address("revocation", key_id=key_id)

    def activity(self) -> str:
        team_id = self._membership.team.public_id
        return url_for("account.activity.index", account=self.owner.public_id, team=team_id)

    def issue(self, form: KeyForm) -> tuple[ApiKey, str]:
        name, nonce = form.name.data or "", form.nonce.data or ""
        return service_accounts.issue_key(
            self._membership.team, self.owner, name, by=current_user(), client=client(), nonce=nonce
        )

    def revoke(self, key: ApiKey) -> bool:
        return service_accounts.revoke_key(self._membership.team, key, by=current_user(), client=client())

    def around(self) -> dict[str, Any]:
        return {"tab": "team", "membership": self._membership, "account": self.owner}

    def _address(self, view: str, **values: Any) -> str:
        values |= {"team_id": self._membership.team.public_id, "account_id": self.owner.public_id}
        return url_for(f"account.service_account_keys.{view}", **values)


@service_account_pages.get("/service-accounts/<account_id>")
def show(team_id: str, account_id: str) -> Answer:
    """Show a service account with its keys."""
    keys = AccountKeys.of(team_id, account_id)
    return keyring.show(keys, rights=rights_of(keys.owner), server=origin())


@service_account_pages.get("/service-accounts/<account_id>/keys/new")
def new_key(team_id: str, account_id: str) -> Answer:
    """Ask for the name of a new key."""
    return keyring.ask_for_name(AccountKeys.of(team_id, account_id))


@service_account_pages.post("/service-accounts/<account_id>/keys")
def create_key(team_id: str, account_id: str) -> Answer:
    """Make a key and show its secret, this once."""
    return keyring.create(AccountKeys.of(team_id, account_id))


@service_account_pages.get("/service-accounts/<account_id>/keys/<key_id>/revocation")
def revocation(team_id: str, account_id: str, key_id: str) -> Answer:
    """Ask before a key is revoked."""
    return keyring.ask_to_revoke(AccountKeys.of(team_id, account_id), key_id)


@service_account_pages.post("/service-accounts/<account_id>/keys/<key_id>/revocation")
def revoke_key(team_id: str, account_id: str, key_id: str) -> Answer:
    """Revoke a key."""
    return keyring.revoke(AccountKeys.of(team_id, account_id), key_id)
