"""Finding the team, the service account and the invitation that a person names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from reflow_accounts.cli.errors import NotFound, UsageFault
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.text import clean, quoted

Command = TypeVar("Command", bound=Callable[..., Any])


def team_option(command: Command) -> Command:
    """Give `command` the option that names a team, needed by who belongs to several."""
    option: Callable[[Command], Command] = click.option(
        "--team", "team", metavar="NAME_OR_ID", help="The team; needed when you belong to several."
    )
    return option(command)


def path_of_team(client: Client, words: str | None, *rest: str) -> str:
    """Return the path, in the API, of the team meant, or of what is in it (`rest`: words and ids).

    `words` is its id or exact name. Without them it is the only team of the caller. Raises UsageFault
    when there are several: which one is never guessed; NotFound for none.
    """
    return _path("/teams", _team_meant(client, words).get("id"), *rest)


def path_in(path: str, item: dict[str, Any], *rest: str) -> str:
    """Return the path of one item of the list at `path`, or of what is in it."""
    return _path(path, item.get("id"), *rest)


def account_named(client: Client, accounts: str, words: str) -> dict[str, Any]:
    """Return the service account with this id or exact name in the list at `accounts`. Raises NotFound."""
    named = _named(client.listing(accounts)["items"], words)
    if len(named) == 1:
        return named[0]
    raise NotFound(
        f"There is no service account {clean(words)}. reflow team service-accounts list shows them."
    )


def invitation_named(client: Client, invitations: str, words: str) -> dict[str, Any]:
    """Return the pending invitation with this id or to this address. Raises NotFound."""
    pending: list[dict[str, Any]] = client.listing(invitations)["items"]
    for invitation in pending:
        is_address = str(invitation.get("email")).casefold() == words.strip().casefold()
        if is_address or words == invitation.get("id"):
            return invitation
    raise NotFound(f"No invitation to {clean(words)} is pending. reflow team invitations list shows them.")


def _team_meant(client: Client, words: str | None) -> dict[str, Any]:
    teams: list[dict[str, Any]] = client.listing("/teams")["items"]
    named = teams if words is None else _named(teams, words)
    if len(named) == 1:
        return named[0]
    if words is not None:
        why = f"You belong to {len(named)} teams named" if named else "You belong to no team"
        raise NotFound(f"{why} {clean(words)}.", *_listed(named or teams))
    if not teams:
        raise NotFound("You belong to no team.")
    raise UsageFault(f"You belong to {len(teams)} teams. Say which one with --team:", *_listed(teams))


def _named(items: list[dict[str, Any]], words: str) -> list[dict[str, Any]]:
    """Return the item with this id; else those with this name, which may be like another's id."""
    by_id = [item for item in items if item.get("id") == words]
    return by_id or [item for item in items if item.get("name") == words]


def _listed(teams: list[dict[str, Any]]) -> list[str]:
    return [f"  {clean(team.get('id'))}  {clean(team.get('name'))}" for team in teams]


def _path(*parts: object) -> str:
    first, *others = parts
    return "/".join([str(first), *(quoted(part) for part in others)])
