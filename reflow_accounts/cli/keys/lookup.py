"""Finds a key by id or name, among the keys of the user or of a service account."""

from __future__ import annotations

from typing import Any, NamedTuple

from reflow_accounts.cli.errors import ApiError, NoMatch
from reflow_accounts.cli.http.client import ApiClient, as_object
from reflow_accounts.cli.text import api_path, clean, shell

ID_PREFIX = "key_"


class KeyOwner(NamedTuple):
    """The owner of keys: their path in the API, the command that manages them, and their page."""

    path: str
    command: str
    page: str
    # The argument that names the service account; empty for the user's own keys.
    account: str = ""

    @property
    def list_command(self) -> str:
        """The command that lists the keys."""
        return f"{self.command} list {self.account}".rstrip()

    @property
    def create_command(self) -> str:
        """The command that creates a key, without its name."""
        return f"{self.command} create {self.account}".rstrip()

    def command_for(self, verb: str, key: dict[str, Any]) -> str:
        """Return the command `verb` (revoke, rotate) for `key`."""
        return f"{self.command} {verb} {self.account}".rstrip() + f" {shell(key.get('id'))}"

    def path_of(self, key: dict[str, Any]) -> str:
        """Return the path of `key` in the API."""
        return api_path(self.path, key.get("id"))


OWN = KeyOwner("/keys", "reflow keys", "Account > API Keys")


def service_account_owner(accounts: str, account: dict[str, Any], *options: object) -> KeyOwner:
    """Return the owner for `account` from the list at the path `accounts`; `options` are added to commands."""
    return KeyOwner(
        api_path(accounts, account.get("id"), "keys"),
        "reflow team service-accounts keys",
        f"Account > Team > {clean(account.get('name'))}",
        shell(*options, account.get("name")),
    )


def key_named(
    client: ApiClient, id_or_name: str, state: str = "live", owner: KeyOwner = OWN
) -> dict[str, Any]:
    """Return the key with this id, or the one key in the list with exactly this name.

    `state` (live, revoked, all) limits the search by name. For the id of a revoked key, the result has only
    `id` and `revoked_at`. Raises NoMatch unless exactly one key matches.
    """
    by_id = _by_id(client, id_or_name, owner) if id_or_name.startswith(ID_PREFIX) else None
    if by_id:
        return by_id
    keys: list[dict[str, Any]] = client.listing(owner.path, [("state", state)])["items"]
    matches = [key for key in keys if id_or_name in (key.get("id"), key.get("name"))]
    if len(matches) > 1:  # a replaced key keeps its name until it ends
        matches = [key for key in matches if not key.get("replaced_by")] or matches
    if len(matches) == 1:
        return matches[0]
    name = clean(id_or_name)
    if matches:
        raise NoMatch(
            f"{len(matches)} keys are named {name}. Use the id of the one you mean ({owner.list_command})."
        )
    raise NoMatch(
        f"There is no key {name}. {owner.list_command} shows {'its' if owner.account else 'your'} keys."
    )


def _by_id(client: ApiClient, key_id: str, owner: KeyOwner) -> dict[str, Any] | None:
    try:
        return client.ask_object("GET", owner.path_of({"id": key_id}))
    except ApiError as problem:
        if problem.status == 410:
            return {"id": key_id, "revoked_at": problem.document.get("revoked_at") or "before"}
        if problem.status == 404:
            return None
        raise


def authenticates(client: ApiClient, key: dict[str, Any]) -> bool:
    """Ask the server whether `key` is the credential of `client`. Raises CommandError."""
    by = as_object(client.ask_object("GET", "/me").get("authenticated_by"))
    return "id" in by and by["id"] == key.get("id")
