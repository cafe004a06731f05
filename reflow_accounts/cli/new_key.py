"""Making a key, one's own or a service account's, and handing its secret over once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from reflow_accounts.cli.client import Client
from reflow_accounts.cli.errors import CommandError, Unreachable
from reflow_accounts.cli.key_choice import OWN, Keyring
from reflow_accounts.cli.key_delivery import Delivery, destination
from reflow_accounts.cli.output import document, give_up_stdout
from reflow_accounts.cli.run import Run
from reflow_accounts.cli.text import clean
from reflow_accounts.contract import is_well_formed

Command = TypeVar("Command", bound=Callable[..., Any])


def where_to(command: Command) -> Command:
    """Give `command` the options that say where the secret goes: `output`, `save` and `force`."""
    for decorate in reversed(_OPTIONS):
        command = decorate(command)
    return command


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("-o", "--output", metavar="FILE", help="Write the key to FILE, readable only for you."),
    click.option(
        "--save",
        type=click.Choice(["repo", "home"]),
        help="Save it as reflow.key at the git root, or as ~/.reflow/api.key.",
    ),
    click.option("--force", is_flag=True, help="Replace the file when it exists."),
)


class NewKey:
    """One key that is to be made: what to call it, and where its secret goes.

    Raises UsageFault and CommandError when the secret could not be written; then nothing was made.
    """

    def __init__(self, run: Run, name: str, *, output: str | None, save: str | None, force: bool) -> None:
        self.run, self.name = run, name
        self.path = destination(run, output, save)
        self.overwrite = force

    def make(self, client: Client, ring: Keyring = OWN) -> None:
        """Make it in this list of the API, hand the secret over and say where it went."""
        delivery = Delivery(self.path, overwrite=self.overwrite)
        try:
            key = _created(client, self.name, ring)
            _hand_over(self.run, client, key, delivery, ring)
        finally:
            delivery.cancel()
        _say_where_it_went(self.run, key, delivery)


def _created(client: Client, name: str, ring: Keyring) -> dict[str, Any]:
    try:
        key = client.ask_object("POST", ring.path, body={"name": name})
    except Unreachable as fault:
        raise Unreachable(
            *fault.lines, f"If the key was created all the same, {ring.listing} shows it."
        ) from None
    if not is_well_formed(str(key.get("secret"))):
        raise Unreachable(f"{client.server} answered without a key, so it is not Reflow that answers.")
    return key


def _hand_over(run: Run, client: Client, key: dict[str, Any], delivery: Delivery, ring: Keyring) -> None:
    try:
        if run.as_json and delivery.path is None:
            document(key)
        else:
            delivery.hand_over(key["secret"])
    except (OSError, KeyboardInterrupt) as error:
        if delivery.path is None:
            give_up_stdout()
        reason = getattr(error, "strerror", None) or "interrupted"
        target = delivery.path or "stdout"
        raise CommandError(
            f"The key could not be written to {target} ({reason}). {_taken_back(client, key, ring)}"
        ) from None


def _taken_back(client: Client, key: dict[str, Any], ring: Keyring) -> str:
    name = clean(key.get("name"))
    try:
        client.ask("DELETE", ring.path_of(key))
    except CommandError:
        return f"It could not be revoked either: revoke {name} in {ring.page}."
    return f"The new key {name} was revoked again; nothing is left of it."


def _say_where_it_went(run: Run, key: dict[str, Any], delivery: Delivery) -> None:
    name = clean(key.get("name"))
    if delivery.path:
        run.tell(f"The key {name} was created and saved in {delivery.path}.", *delivery.cautions())
        if run.as_json:
            document({field: value for field, value in key.items() if field != "secret"})
    else:
        run.tell(f"The key {name} was created. Save it now: it is shown only this once.")
