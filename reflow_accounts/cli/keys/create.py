"""Creates a key for the user or for a service account, and outputs its secret once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reflow_accounts.cli.credentials import Credential, Kind, Source
from reflow_accounts.cli.errors import CommandError, Unreachable, UsageFault
from reflow_accounts.cli.http.client import ApiClient
from reflow_accounts.cli.keys.destination import Destination, Target
from reflow_accounts.cli.keys.expiry import end_of
from reflow_accounts.cli.keys.lookup import OWN, KeyOwner
from reflow_accounts.cli.output import discard_stdout, document, say, tell
from reflow_accounts.cli.text import clean, minute_in
from reflow_accounts.contract import is_well_formed

canary_option = click.option(
    "--canary",
    is_flag=True,
    help="Make it a trap: it opens nothing, and its first use is mailed to its owner.",
)


def check_canary_place(target: Target, *, is_canary: bool) -> None:
    """Raise UsageFault for a canary key that `--save` would make the key in use, which is always refused."""
    if is_canary and target.is_standard_place:
        raise UsageFault(
            "With --save, every command would use the canary key and be refused. "
            "Use -o FILE, or leave --save out to print it."
        )


def create_key(
    client: ApiClient,
    name: str,
    target: Target,
    owner: KeyOwner = OWN,
    *,
    expires: str | None = None,
    is_canary: bool = False,
) -> None:
    """Create a key, write its secret to a file or stdout, and report where it is and when it expires.

    When the secret cannot be written, revoke the key again and raise CommandError.
    """
    payload: dict[str, Any] = {"name": name} | ({"expires_at": end} if (end := end_of(expires)) else {})
    if is_canary:
        payload["canary"] = True
    destination = Destination(target.path, overwrite=target.overwrite)
    try:
        target.ignore_in_git()
        hint = f"If the key was created anyway, {owner.list_command} shows it."
        try:
            key = request_key(client, owner.path, payload)
        except Unreachable as fault:
            raise (Unreachable(*fault.lines, hint) if fault.was_sent else fault) from None
        except KeyboardInterrupt:
            say(hint)
            raise
        _output_secret(target, client, key, destination, owner)
    finally:
        destination.close()
    name = clean(key.get("name"))
    end = minute_in(key, "expires_at")
    ends = [f"It expires {end}."] if end else []
    if destination.path is None:
        tell(f"The key {name} was created. Save it now: it is shown only this once.", *ends)
        return
    tell(f"The key {name} was created and saved in {destination.path}.", *ends, *destination.warnings())
    if target.context.as_json:
        document({field: value for field, value in key.items() if field != "secret"})


def _output_secret(
    target: Target, client: ApiClient, key: dict[str, Any], destination: Destination, owner: KeyOwner
) -> None:
    try:
        destination.write(key["secret"], client.server)
        if target.context.as_json and destination.path is None:
            document(key)
        else:
            destination.show(key["secret"])
    except (OSError, KeyboardInterrupt) as error:
        if destination.holds(key["secret"]):
            raise
        if destination.path is None:
            discard_stdout()
        raise CommandError(
            f"{not_written(destination.path, error)} {revoke_again(client, key, owner)}"
        ) from None


def request_key(client: ApiClient, path: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Request a new key from the API and return it with its secret. Raises ApiError and Unreachable."""
    key = client.ask_object("POST", path, body=payload)
    if not is_well_formed(str(key.get("secret"))):
        raise Unreachable(f"{client.server} answered without a key, so it is not a Reflow server.")
    return key


def with_secret(client: ApiClient, new: dict[str, Any]) -> ApiClient:
    """Return a client of the same server that uses the new key."""
    credential = Credential(Source(Kind.ANSWER, "the new key"), new["secret"], client.server)
    return ApiClient(client.server, credential)


def not_written(path: Path | None, error: BaseException) -> str:
    """Return the message for a secret that could not be written."""
    reason = getattr(error, "strerror", None) or "interrupted"
    return f"The key could not be written to {path or 'stdout'} ({reason})."


def revoke_again(client: ApiClient, key: dict[str, Any], owner: KeyOwner) -> str:
    """Revoke a key that was just created, and return the message about the outcome."""
    name = clean(key.get("name"))
    # The credential of this run may have become invalid; every key may revoke itself.
    for by, path in ((client, owner.path_of(key)), (with_secret(client, key), OWN.path_of(key))):
        try:
            by.ask("DELETE", path)
        except CommandError:
            continue
        return f"The new key {name} was revoked again."
    return f"It could not be revoked either: revoke {name} in {owner.page}."
