"""Finds a team, member, service account or invitation by id or name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from reflow_accounts.cli.errors import NoMatch, UsageFault
from reflow_accounts.cli.http.client import ApiClient
from reflow_accounts.cli.text import api_path, clean

RIGHTS = ("view", "edit", "admin")  # of a member
Command = TypeVar("Command", bound=Callable[..., Any])


def team_option(command: Command) -> Command:
    """Decorate `command` with the option --team, required for members of several teams."""
    option: Callable[[Command], Command] = click.option(
        "--team", "team", metavar="NAME_OR_ID", help="The team; required if you belong to several."
    )
    return option(command)


def team_path(client: ApiClient, id_or_name: str | None, *rest: str) -> str:
    """Return the API path of the team with this id or exact name, followed by `rest`.

    For None, use the user's only team: raises UsageFault if there are several. Raises NoMatch.
    """
    teams: list[dict[str, Any]] = client.listing("/teams")["items"]
    matches = teams if id_or_name is None else _matches(teams, id_or_name)
    if len(matches) == 1:
        return api_path("/teams", matches[0].get("id"), *rest)
    if id_or_name is not None:
        why = f"You belong to {len(matches)} teams named" if matches else "You belong to no team"
        raise NoMatch(f"{why} {clean(id_or_name)}.", *_team_lines(matches or teams))
    if not teams:
        raise NoMatch("You belong to no team.")
    raise UsageFault(f"You belong to {len(teams)} teams. Say which one with --team:", *_team_lines(teams))


def account_named(client: ApiClient, accounts: str, id_or_name: str) -> dict[str, Any]:
    """Return the service account with this id or exact name in the list at `accounts`. Raises NoMatch."""
    matches = _matches(client.listing(accounts)["items"], id_or_name)
    if len(matches) == 1:
        return matches[0]
    raise NoMatch(
        f"There is no service account {clean(id_or_name)}. reflow team service-accounts list shows them."
    )


def member_named(client: ApiClient, members: str, id_or_email: str) -> dict[str, Any]:
    """Return the member with this id, address or exact name in the list at `members`. Raises NoMatch."""
    people: list[dict[str, Any]] = client.listing(members)["items"]
    address = _comparable(id_or_email)
    by_address = [person for person in people if _comparable(str(person.get("email"))) == address]
    matches = by_address or _matches(people, id_or_email)
    if len(matches) == 1:
        return matches[0]
    raise NoMatch(f"There is no single member {clean(id_or_email)}. reflow team members shows them.")


def invitation_named(client: ApiClient, invitations: str, id_or_email: str) -> dict[str, Any]:
    """Return the pending invitation with this id or to this address. Raises NoMatch."""
    pending: list[dict[str, Any]] = client.listing(invitations)["items"]
    for invitation in pending:
        is_address = _comparable(str(invitation.get("email"))) == _comparable(id_or_email)
        if is_address or id_or_email == invitation.get("id"):
            return invitation
    raise NoMatch(
        f"No invitation to {clean(id_or_email)} is pending. reflow team invitations list shows them."
    )


def _comparable(address: str) -> str:
    """Return an e-mail address for comparison: without case, and `xn--` names of its domain in Unicode (RFC 3492)."""
    name, at, domain = address.strip().lower().rpartition("@")
    labels = []
    for label in domain.split("."):
        try:
            labels.append(label[4:].encode("ascii").decode("punycode") if label.startswith("xn--") else label)
        except UnicodeError:
            labels.append(label)
    return f"{name}{at}{'.'.join(labels)}"


def _matches(items: list[dict[str, Any]], id_or_name: str) -> list[dict[str, Any]]:
    """Return the item with this id, else the items with this name. (A name may equal the id of another item.)"""
    by_id = [item for item in items if item.get("id") == id_or_name]
    return by_id or [item for item in items if item.get("name") == id_or_name]


def _team_lines(teams: list[dict[str, Any]]) -> list[str]:
    return [f"  {clean(team.get('id'))}  {clean(team.get('name'))}" for team in teams]
