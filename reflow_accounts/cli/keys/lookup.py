"""Which keys are meant: a list of the API, and the one in it that a person names by id or by name."""

from __future__ import annotations

from typing import Any, NamedTuple

from reflow_accounts.cli.errors import NotFound, Problem
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.text import clean, quoted, shell

ID_PREFIX = "key_"
_GONE = 410


class KeyOwner(NamedTuple):
    """The keys of one owner: their path in the API, and where a person finds them."""

    path: str
    command: str
    page: str
    # The service account, as a shell takes it; empty for one's own.
    owner: str = ""

    @property
    def listing(self) -> str:
        """The command that lists them."""
        return f"{self.command} list {self.owner}".rstrip()

    @property
    def creating(self) -> str:
        """The command that makes one, but for its name."""
        return f"{self.command} create {self.owner}".rstrip()

    def revoking(self, key: dict[str, Any]) -> str:
        """Return the command that revokes a key."""
        return f"{self.command} revoke {self.owner}".rstrip() + f" {shell(key.get('id'))}"

    def path_of(self, key: dict[str, Any]) -> str:
        """Return the path of a key in the API."""
        return f"{self.path}/{quoted(key.get('id'))}"


OWN = KeyOwner("/keys", "reflow keys", "Account > API Keys")


def key_named(client: Client, words: str, state: str = "live", ring: KeyOwner = OWN) -> dict[str, Any]:
    """Return the key with the id `words`, or the one key in the list with exactly this name.

    `state` (live, revoked, all) limits the search by name; a revoked key found by its id comes back
    with its id and `revoked_at`. Raises NotFound for none and for several.
    """
    by_id = _by_id(client, words, ring) if words.startswith(ID_PREFIX) else None
    if by_id:
        return by_id
    keys: list[dict[str, Any]] = client.listing(ring.path, [("state", state)])["items"]
    named = [key for key in keys if words in (key.get("id"), key.get("name"))]
    if len(named) == 1:
        return named[0]
    raise NotFound(_sentence(words, len(named), ring))


def _by_id(client: Client, words: str, ring: KeyOwner) -> dict[str, Any] | None:
    try:
        return client.ask_object("GET", ring.path_of({"id": words}))
    except Problem as problem:
        if problem.status == _GONE:
            return {"id": words, "revoked_at": problem.document.get("revoked_at") or "before"}
        if problem.status == 404:
            return None
        raise


def _sentence(words: str, count: int, ring: KeyOwner) -> str:
    if count:
        return f"{count} keys are named {clean(words)}. Use the id of the one you mean ({ring.listing})."
    return f"There is no key {clean(words)}. {ring.listing} shows {'its' if ring.owner else 'your'} keys."
