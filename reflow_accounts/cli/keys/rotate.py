"""Rotating a key: a new one takes its place, and at every moment one that works is in the file or on the screen."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from reflow_accounts.cli.credentials import Kind, Place
from reflow_accounts.cli.errors import CommandError, NotFound
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.keys.create import Target
from reflow_accounts.cli.keys.exchange import Exchange
from reflow_accounts.cli.keys.list_revoke import is_in_use_here, last_use_of, was_used_lately
from reflow_accounts.cli.keys.lookup import OWN, KeyOwner, key_named
from reflow_accounts.cli.keys.rotation import Rotation
from reflow_accounts.cli.keys.unfinished_rotation import Held, held_in, not_at_hand
from reflow_accounts.cli.output import document
from reflow_accounts.cli.text import clean

OVERLAPS = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}

overlap_option = click.option(
    "--overlap", type=click.Choice(list(OVERLAPS)), help="Let the old key work for this long; then it ends."
)


def rotate(
    target: Target, client: Client, words: str, ring: KeyOwner = OWN, *, overlap: str | None, yes: bool
) -> None:
    """Put a new key in the place of the one with this name or id, and end the old one.

    The new secret replaces the old one in the file from which this run has it; else it goes to `target`.
    What an earlier rotation of this key left half done there is finished instead. Raises CommandError,
    which says which key is live.
    """
    at_hand = target.path or (_file_of(client.credential.place) if client.credential else None)
    try:
        old = _live(client, words, ring)
    except NotFound as fault:
        old, held = {"name": words}, held_in(at_hand, client, ring, words)
        if held is None:
            raise not_at_hand(client, ring, words, fault) from None
    else:
        held = held_in(at_hand, client, ring, str(old.get("name")))
    if held:
        _finish(target, Rotation(client, ring, old, is_own=False), held, overlap=overlap, yes=yes)
    else:
        _begin(target, client, old, ring, overlap=overlap, yes=yes)


def _begin(
    target: Target, client: Client, old: dict[str, Any], ring: KeyOwner, *, overlap: str | None, yes: bool
) -> None:
    is_own = is_in_use_here(client, old)
    place = client.credential.place if client.credential and is_own else None
    file = _file_of(place) if place else None
    is_in_place = file is not None and (target.path is None or _is_same(file, target.path))
    exchange = (
        Exchange(file, overwrite=True, expected=client.credential.secret if client.credential else None)
        if is_in_place
        else Exchange(target.path, overwrite=target.overwrite)
    )
    try:
        _ask(target, old, is_own=is_own, overlap=overlap, yes=yes)
        rotation = Rotation(client, ring, old, is_own=is_own)
        new = rotation.make()
        rotation.prove(new, exchange, target)
        rotation.end_old(new, exchange.path, OVERLAPS.get(overlap or ""))
        shown = rotation.name_new(new, exchange.path)
    finally:
        exchange.close()
    context = target.context
    context.tell(*rotation.told(exchange), *exchange.cautions(), *_left_behind(place, exchange))
    if context.as_json and exchange.path:
        document(shown)


def _finish(target: Target, rotation: Rotation, held: Held, *, overlap: str | None, yes: bool) -> None:
    """End the old key, if it is still there, and give its name to the one that is in its place already."""
    if rotation.old.get("id"):
        _ask(target, rotation.old, is_own=False, overlap=overlap, yes=yes)
        rotation.end_old(held.key, held.file, OVERLAPS.get(overlap or ""))
    shown = rotation.name_new(held.key, held.file)
    name = clean(rotation.name)
    target.context.tell(
        f"A rotation of the key {name} had broken off and is finished now: the new one is in {held.file}."
    )
    if target.context.as_json:
        document(shown)


def _live(client: Client, words: str, ring: KeyOwner) -> dict[str, Any]:
    key = key_named(client, words, ring=ring)
    if key.get("revoked_at"):
        name = clean(key.get("name") or key.get("id"))
        raise NotFound(f"The key {name} is revoked already. Make a new one with {ring.creating} NAME.")
    return key


def _file_of(place: Place) -> Path | None:
    """Return the plain file that holds the credential in use, or None."""
    is_key_file = place.kind in (Kind.OPTION, Kind.REPOSITORY, Kind.HOME)
    return place.path if is_key_file and place.path and place.path.is_file() else None


def _is_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _ask(target: Target, old: dict[str, Any], *, is_own: bool, overlap: str | None, yes: bool) -> None:
    target.ask()
    if yes or overlap or not target.context.may_ask or not was_used_lately(old):
        return
    used = last_use_of(old, clean(old.get("name"))) + (" and is the key you are using now" if is_own else "")
    stop = "Copies elsewhere stop working at once (with --overlap 24h, a day later)"
    if not click.confirm(f"{used}. {stop}. Rotate it?", err=True):
        raise CommandError("Nothing was changed.")


def _left_behind(place: Place | None, exchange: Exchange) -> list[str]:
    """Return what to say of the place from which this run has the old secret, when that still holds it."""
    if place is None or (place.path and exchange.path and _is_same(place.path, exchange.path)):
        return []
    return [f"{place.where} still holds the old key: put the new one there."]
