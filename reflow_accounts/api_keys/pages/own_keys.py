"""The API Keys tab: a person's own keys."""

from typing import Any

from flask import url_for
from wtforms.fields.choices import SelectChoice

from reflow_accounts.api_keys import keyring, service
from reflow_accounts.api_keys.forms import KeyForm, OwnKeyForm
from reflow_accounts.api_keys.keyring import Answer, Keyring
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.pages.blueprints import pages
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.teams.current import current_among
from reflow_accounts.teams.models import Membership, Rights, Team
from reflow_accounts.teams.service import memberships_of
from reflow_accounts.teams.service_accounts import ensure_usable, owning_team, usable_accounts_of
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import client


class OwnKeys(Keyring):
    """The keys of the person who is signed in."""

    tab = "api-keys"
    template = "api_keys/index.html"

    def index(self, **query: Any) -> str:
        return url_for("account.api_keys.index", **query)

    def new(self) -> str:
        return url_for("account.api_keys.new")

    def create(self) -> str:
        return url_for("account.api_keys.create")

    def revocation(self, key_id: str) -> str:
        return url_for("account.api_keys.revocation", key_id=key_id)

    def activity(self) -> str:
        return url_for("account.activity.index")

    def form(self, **options: Any) -> KeyForm:
        form, accounts = OwnKeyForm(**options), usable_accounts_of(self.owner)
        has_one_team = len({team.id for team, _ in accounts}) == 1
        form.owner.choices += [
            SelectChoice(
                user.public_id, user.full_name if has_one_team else f"{user.full_name} ({team.name})"
            )
            for team, user in accounts
        ]
        return form

    def issue(self, form: KeyForm) -> tuple[ApiKey, str]:
        name, nonce = form.name.data or "", form.nonce.data or ""
        owner = self._chosen(form["owner"].data)
        return service.issue(owner, name, by=self.owner, client=client(), nonce=nonce)

    def done(self, key: ApiKey) -> str:
        return self.index() if key.user == self.owner else _account_page(key.user)

    def revoke(self, key: ApiKey) -> bool:
        return service.revoke(key, by=self.owner, client=client())

    def around(self) -> dict[str, Any]:
        return {"ci_teams": _teams_for_ci(memberships_of(self.owner)), "account_page": _account_page}

    def _chosen(self, account_id: str | None) -> User:
        """Return for whom the key is: oneself, or a service account that one manages."""
        if not account_id:
            return self.owner
        for team, account in usable_accounts_of(self.owner):
            if account.public_id == account_id:
                ensure_usable(team, account, by=self.owner)
                return account
        raise ValidationFailed(owner="Choose yourself, or a service account that you manage")


@pages.get("")
def index() -> Answer:
    """List the keys."""
    return keyring.show(OwnKeys(current_user()))


@pages.get("/new")
def new() -> Answer:
    """Ask for the name of a new key."""
    return keyring.ask_for_name(OwnKeys(current_user()))


@pages.post("")
def create() -> Answer:
    """Make a key and show its secret, this once."""
    return keyring.create(OwnKeys(current_user()))


@pages.get("/<key_id>/revocation")
def revocation(key_id: str) -> Answer:
    """Ask before a key is revoked."""
    return keyring.ask_to_revoke(OwnKeys(current_user()), key_id)


@pages.post("/<key_id>/revocation")
def revoke(key_id: str) -> Answer:
    """Revoke a key."""
    return keyring.revoke(OwnKeys(current_user()), key_id)


def _account_page(account: User) -> str:
    """Return the address of the page with the keys of a service account."""
    return url_for(
        "account.service_account_keys.show",
        team_id=owning_team(account).public_id,
        account_id=account.public_id,
    )


def _teams_for_ci(mine: list[Membership]) -> list[Team]:
    """List the teams for which the person can make a key for CI: the current one alone when it is among them."""
    administered = [membership for membership in mine if membership.rights == Rights.ADMIN]
    if len(administered) > 1:
        current = current_among(mine)
        administered = [found for found in administered if found == current] or administered
    return [membership.team for membership in administered]
