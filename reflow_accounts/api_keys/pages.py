"""The API Keys tab: a person's own keys."""

from typing import Any

from flask import Blueprint, url_for

from reflow_accounts.api_keys import keyring, service
from reflow_accounts.api_keys.keyring import Answer, Keyring
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.identity.caller import me
from reflow_accounts.teams.current import current_among
from reflow_accounts.teams.models import Membership, Rights, Team
from reflow_accounts.teams.service import memberships_of
from reflow_accounts.web.client import client

pages = Blueprint("api_keys", __name__, url_prefix="/api-keys")


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

    def issue(self, name: str, nonce: str) -> tuple[ApiKey, str]:
        return service.issue(self.owner, name, by=self.owner, client=client(), nonce=nonce)

    def revoke(self, key: ApiKey) -> bool:
        return service.revoke(key, by=self.owner, client=client())


@pages.get("")
def index() -> Answer:
    """List the keys."""
    mine = memberships_of(me())
    return keyring.show(OwnKeys(me()), team_count=len(mine), ci_teams=_teams_for_ci(mine))


@pages.get("/new")
def new() -> Answer:
    """Ask for the name of a new key."""
    return keyring.ask_for_name(OwnKeys(me()))


@pages.post("")
def create() -> Answer:
    """Make a key and show its secret, this once."""
    return keyring.create(OwnKeys(me()))


@pages.get("/<key_id>/revocation")
def revocation(key_id: str) -> Answer:
    """Ask before a key is revoked."""
    return keyring.ask_to_revoke(OwnKeys(me()), key_id)


@pages.post("/<key_id>/revocation")
def revoke(key_id: str) -> Answer:
    """Revoke a key."""
    return keyring.revoke(OwnKeys(me()), key_id)


def _teams_for_ci(mine: list[Membership]) -> list[Team]:
    """List the teams for which the person can make a key for CI: the current one alone when it is among them."""
    administered = [membership for membership in mine if membership.rights == Rights.ADMIN]
    if len(administered) > 1:
        current = current_among(mine)
        administered = [found for found in administered if found == current] or administered
    return [membership.team for membership in administered]
