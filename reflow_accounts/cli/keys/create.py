"""Making a key, one's own or a service account's, and handing its secret over once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from reflow_accounts.cli import git
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.credentials import Credential, Kind, Place
from reflow_accounts.cli.errors import CommandError, Unreachable
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.keys.destination import Delivery, destination
from reflow_accounts.cli.keys.gitignore import ignore, ignore_file_for
from reflow_accounts.cli.keys.lookup import OWN, KeyOwner
from reflow_accounts.cli.output import document, give_up_stdout, say
from reflow_accounts.cli.text import clean
from reflow_accounts.contract import is_well_formed

Command = TypeVar("Command", bound=Callable[..., Any])


def where_to(command: Command) -> Command:
    """Give `command` the options that say where the secret goes: `output`, `save`, `force` and `yes`."""
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
    click.option("--yes", is_flag=True, help="Ask nothing; with --save repo, add the file to .gitignore."),
)


class Target:
    """Where the options want a secret to go. Raises UsageFault when they make no sense."""

    def __init__(
        self,
        context: Context,
        *,
        output: str | None,
        save: str | None,
        force: bool = False,
        yes: bool = False,
    ) -> None:
        self.context, self.overwrite = context, force
        self.path = destination(context, output, save)
        self.is_named = self.path is not None
        self._root = git.root_of(context.folder) if save == "repo" else None
        self._yes = yes
        self._ignore_file: Path | None = None

    def ask(self) -> None:
        """Ask where git shall ignore the file, when it does not yet and somebody is there."""
        if self.path and self._root:
            self._ignore_file = ignore_file_for(self.context, self.path, self._root, yes=self._yes)

    def have_git_ignore_it(self) -> None:
        """Do what was answered. What fails is a warning."""
        if self.path and self._ignore_file:
            ignore(self.context, self._ignore_file, self.path.name)


def make_key(client: Client, name: str, target: Target, ring: KeyOwner = OWN) -> None:
    """Make a key in this list of the API, hand its secret over and say where it went.

    Raises CommandError when the secret could not be written; then no key is left.
    """
    context = target.context
    delivery = Delivery(target.path, overwrite=target.overwrite)
    try:
        target.ask()
        key = created(client, name, ring)
        _hand_over(target, client, key, delivery, ring)
    finally:
        delivery.cancel()
    _say_where_it_went(context, key, delivery)


def created(client: Client, name: str, ring: KeyOwner, end: datetime | None = None) -> dict[str, Any]:
    """Make a key, which ends by itself at `end` if that is given; return it with its secret.

    Raises Problem, Unreachable.
    """
    wanted = {"name": name} | ({"expires_at": end.isoformat()} if end else {})
    hint = f"If the key was created all the same, {ring.listing} shows it."
    try:
        key = client.ask_object("POST", ring.path, body=wanted)
    except Unreachable as fault:
        raise (Unreachable(*fault.lines, hint) if fault.was_asked else fault) from None
    except KeyboardInterrupt:
        say(hint)
        raise
    if not is_well_formed(str(key.get("secret"))):
        raise Unreachable(f"{client.server} answered without a key, so it is not Reflow that answers.")
    return key


def not_written(path: Path | None, error: BaseException) -> str:
    """Return the sentence for a secret that did not get where it should."""
    reason = getattr(error, "strerror", None) or "interrupted"
    return f"The key could not be written to {path or 'stdout'} ({reason})."


def taken_back(client: Client, key: dict[str, Any], ring: KeyOwner) -> str:
    """Revoke a key just made; say what came of it."""
    name = clean(key.get("name"))
    place = Place(Kind.OPTION, "the answer of the server")
    by_itself = Client(client.server, Credential(place, key["secret"]))
    # The caller's own credential may have ended meanwhile; every key may revoke itself.
    for who, path in ((client, ring.path_of(key)), (by_itself, OWN.path_of(key))):
        try:
            who.ask("DELETE", path)
        except CommandError:
            continue
        return f"The new key {name} was revoked again; nothing is left of it."
    return f"It could not be revoked either: revoke {name} in {ring.page}."


def _hand_over(
    target: Target, client: Client, key: dict[str, Any], delivery: Delivery, ring: KeyOwner
) -> None:
    try:
        target.have_git_ignore_it()
        if target.context.as_json and delivery.path is None:
            document(key)
        else:
            delivery.hand_over(key["secret"])
    except (OSError, KeyboardInterrupt) as error:
        if delivery.has_arrived(key["secret"]):
            raise
        if delivery.path is None:
            give_up_stdout()
        raise CommandError(f"{not_written(delivery.path, error)} {taken_back(client, key, ring)}") from None


def _say_where_it_went(context: Context, key: dict[str, Any], delivery: Delivery) -> None:
    name = clean(key.get("name"))
    if delivery.path:
        context.tell(f"The key {name} was created and saved in {delivery.path}.", *delivery.cautions())
        if context.as_json:
            document({field: value for field, value in key.items() if field != "secret"})
    else:
        context.tell(f"The key {name} was created. Save it now: it is shown only this once.")
