"""`reflow keys`: list, create and revoke API keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from reflow_accounts.cli.client import Client
from reflow_accounts.cli.errors import CommandError, Unreachable
from reflow_accounts.cli.key_choice import key_named, path_of
from reflow_accounts.cli.key_delivery import Delivery, destination
from reflow_accounts.cli.options import common_options, pass_run
from reflow_accounts.cli.output import document, give_up_stdout, moment, table
from reflow_accounts.cli.run import Run
from reflow_accounts.cli.text import clean
from reflow_accounts.contract import is_well_formed

RECENT = timedelta(hours=24)


@click.group()
@common_options
def keys() -> None:
    """List, create and revoke API keys."""


@keys.command("list")
@click.option("--state", type=click.Choice(["live", "revoked", "all"]), default="live", show_default=True)
@common_options
@pass_run
def list_keys(run: Run, state: str) -> None:
    """List your API keys.

    Columns: id, name, last four characters, times used, last used, created. Times are UTC.
    """
    answer = run.client().listing("/keys", [("state", state)])
    if run.as_json:
        document(answer)
        return
    headings = ("Id", "Name", "Ends in", "Times used", "Last used (UTC)", "Created (UTC)")
    table(headings, map(_row, answer["items"]))
    if not answer["items"]:
        run.tell("No API keys. Create one with reflow keys create NAME.")


def _row(key: dict[str, Any]) -> tuple[object, ...]:
    last_used = moment(key.get("last_used_at")) or "Never"
    created = moment(key.get("created_at"))
    return key.get("id"), key.get("name"), key.get("hint"), key.get("use_count"), last_used, created


@keys.command("create")
@click.argument("name")
@click.option("-o", "--output", metavar="FILE", help="Write the key to FILE, readable only for you.")
@click.option(
    "--save",
    type=click.Choice(["repo", "home"]),
    help="Save it as reflow.key at the git root, or as ~/.reflow/api.key.",
)
@click.option("--force", is_flag=True, help="Replace the file when it exists.")
@common_options
@pass_run
def create_key(run: Run, name: str, output: str | None, save: str | None, force: bool) -> None:
    """Create an API key called NAME and print it.

    The key is shown this once. Only the key goes to stdout, so it can be piped.
    """
    path = destination(run, output, save)
    client = run.client()
    delivery = Delivery(path, overwrite=force)
    try:
        key = _created(client, name)
        _hand_over(run, client, key, delivery)
    finally:
        delivery.cancel()
    _say_where_it_went(run, key, delivery)


def _created(client: Client, name: str) -> dict[str, Any]:
    try:
        key = client.ask_object("POST", "/keys", body={"name": name})
    except Unreachable as fault:
        raise Unreachable(
            *fault.lines, "If the key was created all the same, reflow keys list shows it."
        ) from None
    if not is_well_formed(str(key.get("secret"))):
        raise Unreachable(f"{client.server} answered without a key, so it is not Reflow that answers.")
    return key


def _hand_over(run: Run, client: Client, key: dict[str, Any], delivery: Delivery) -> None:
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
            f"The key could not be written to {target} ({reason}). {_taken_back(client, key)}"
        ) from None


def _taken_back(client: Client, key: dict[str, Any]) -> str:
    name = clean(key.get("name"))
    try:
        client.ask("DELETE", path_of(key))
    except CommandError:
        return f"It could not be revoked either: revoke {name} in Account > API Keys."
    return f"The new key {name} was revoked again; nothing is left of it."


def _say_where_it_went(run: Run, key: dict[str, Any], delivery: Delivery) -> None:
    name = clean(key.get("name"))
    if delivery.path:
        run.tell(f"The key {name} was created and saved in {delivery.path}.", *delivery.cautions())
        if run.as_json:
            document({field: value for field, value in key.items() if field != "secret"})
    else:
        run.tell(f"The key {name} was created. Save it now: it is shown only this once.")


@keys.command("revoke")
@click.argument("name_or_id")
@click.option("--yes", is_flag=True, help="Do not ask, even when the key was used lately.")
@common_options
@pass_run
def revoke_key(run: Run, name_or_id: str, yes: bool) -> None:
    """Revoke the API key with this name or id, at once and for good.

    On a terminal it asks first when the key was used in the last 24 hours.
    """
    client = run.client()
    key = key_named(client, name_or_id)
    name = clean(key.get("name") or key.get("id"))
    if key.get("revoked_at"):
        run.tell(f"The key {name} is revoked already.")
        return
    is_own = _is_in_use_here(client, key)
    is_asked = not yes and run.may_ask and _is_recent(key.get("last_used_at"))
    if is_asked and not click.confirm(_question(name, key, is_own), err=True):
        raise CommandError("Nothing was revoked.")
    client.ask("DELETE", path_of(key))
    run.tell(f"The key {name} was revoked.", *([_own_key_is_gone(client)] if is_own else []))


def _question(name: str, key: dict[str, Any], is_own: bool) -> str:
    used = f"{name} was last used {moment(key.get('last_used_at'))} UTC"
    return f"{used}{' and is the key you are using now' if is_own else ''}. Revoke it?"


def _is_recent(time: object) -> bool:
    try:
        return datetime.now(UTC) - datetime.fromisoformat(str(time)) < RECENT
    except (ValueError, TypeError):
        return False


def _is_in_use_here(client: Client, key: dict[str, Any]) -> bool:
    secret = client.credential.secret if client.credential else ""
    if not key.get("hint") or not secret.endswith(str(key["hint"])):
        return False
    by = client.ask_object("GET", "/me").get("authenticated_by")
    return isinstance(by, dict) and by.get("id") == key.get("id")


def _own_key_is_gone(client: Client) -> str:
    place = client.credential.place if client.credential else ""
    return f"It was {place}, the one in use here: the next command will be refused."
