"""`reflow activity verify FILE`: checks an exported log and its hash chains offline."""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import CommandError
from reflow_accounts.cli.options import common_options, complete_file_name, pass_context
from reflow_accounts.cli.output import document, say
from reflow_accounts.contract import (
    EVENT_FIELDS,
    FIRST_PREVIOUS,
    LINK_FIELDS,
    LOG_VERSION,
    USE_FIELDS,
    digest_of_fields,
)

_TYPES: dict[str, dict[str, type | tuple[type, ...]]] = {
    "log": {
        "version": int,
        "complete": list,
        "complete_uses": list,
        "kept_from": (str, type(None)),
        "links": dict,
    },
    "use": {**dict.fromkeys(USE_FIELDS, object), "id": str, "account": str},
    "event": {**dict.fromkeys(EVENT_FIELDS, object), "id": str},
    "link": {**dict.fromkeys((*LINK_FIELDS, "hash"), str), "number": int, "count": int},
}
_ID = re.compile(r"(?:use|evt)_[0-9]{1,20}", re.ASCII)
# Fields with the id of a use or event, if they have a value.
_IDS = ("id", "first", "last", "kept_from")


class Tampered(Exception):
    """The file differs from what the server wrote; the message says where."""


class NotJsonLines(Tampered):
    """The first line is not JSON."""


@click.command()
@click.argument("file", shell_complete=complete_file_name)
@click.option(
    "--head", metavar="HASH", help="Also require that this hash of an earlier export is in the chains."
)
@common_options
@pass_context
def verify(context: Context, file: str, head: str | None) -> None:
    """Check that FILE, an export of the activity as JSON Lines, is unchanged.

    Needs no server. Prints the last hash of each chain. Keep these hashes: passing one to --head when you
    check a later export proves that the history up to it was not rewritten.
    """
    try:
        with Path(file).open("rb") as lines:
            result = check(lines, head)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
    except NotJsonLines:
        raise CommandError(
            f"{file} is not an export as JSON Lines, and only those have hash chains. "
            "Export with reflow activity --export NAME.jsonl."
        ) from None
    except Tampered as fault:
        raise CommandError(f"{file} was changed or is incomplete: {fault}") from None
    if context.as_json:
        document(result)
        return
    click.echo(
        f"{result['events']} events and {result['uses']} uses agree with the hash chains. In no chain of this file: "
        f"{result['unlinked_events']} events, {result['unlinked_uses']} uses. Digests of pruned uses: "
        f"{result['pruned_digests']}."
    )
    for chain, last in result["heads"].items():
        click.echo(f"{chain} {last}")
    if not result["complete"]:
        say("The file was filtered or belongs to a member, so missing entries cannot be detected.")


def check(lines: Iterable[bytes], head: str | None = None) -> dict[str, Any]:
    """Check the lines of an exported log and return a summary. Raises Tampered.

    Keeps a digest of each entry in memory, about 200 bytes each.
    """
    log = _Log()
    for number, line in enumerate(_read_lines(lines), 1):
        _check_fields(line, f"line {number}")
        try:
            log.add(line)
        except (KeyError, TypeError, ValueError):
            raise Tampered(f"line {number} is not a line of an exported log.") from None
    return log.result(head)


def _check_fields(line: dict[str, Any], name: str) -> None:
    """Raise Tampered for a line with a missing or wrong field."""
    kind = line.get("type")
    types = _TYPES.get(kind) if isinstance(kind, str) else None
    for field, type_ in {"type": str, **(types or {})}.items():
        if field not in line:
            raise Tampered(f'{name} has no "{field}".')
        value = line[field]
        is_id = field not in _IDS or value is None or _ID.fullmatch(str(value))
        if types is None or not isinstance(value, type_) or not is_id:
            raise Tampered(f'{name} has a wrong "{field}".')


def _read_lines(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the lines before the last one, and check their number and SHA-256 in it. Raises Tampered."""
    seal, number, end = hashlib.sha256(), 0, None
    for raw in lines:
        if end is not None:
            raise Tampered("there are lines after its end.")
        try:
            line = json.loads(raw)
        except (ValueError, RecursionError):
            if number == 0:
                raise NotJsonLines from None
            raise Tampered(f"line {number + 1} is not JSON.") from None
        if not isinstance(line, dict):
            raise Tampered(f"line {number + 1} is not a JSON object.")
        if line.get("type") == "end":
            end = line
            continue
        seal.update(raw)
        number += 1
        yield line
    if end is None:
        raise Tampered("its last line is missing: it was cut off, or the export ended early.")
    if end.get("lines") != number or end.get("sha256") != seal.hexdigest():
        raise Tampered("its lines do not have the SHA-256 of the last line.")


class _Log:
    """Collects the digests of entries, and checks the links against them."""

    def __init__(self) -> None:
        self._header: dict[str, Any] = {}
        # Digests of uses, by account and number; the numbers of each account in order.
        self._uses: dict[str, dict[int, bytes]] = {}
        self._ordered: dict[str, list[int]] = {}
        # Digests of each event with its address (for its account) and without (for the team).
        self._events: dict[str, tuple[bytes, bytes]] = {}
        self._linked_events: set[str] = set()
        self._linked_with_address: set[str] = set()
        self._linked_uses: dict[str, int] = {}
        self._heads: dict[str, tuple[int, str]] = {}
        self._hashes: set[str] = set()
        self._pruned = self._checked_uses = 0

    def add(self, line: dict[str, Any]) -> None:
        """Add a line with checked fields. Raises Tampered, and ValueError for values without a digest."""
        kind = line["type"]
        if not self._header:
            if kind != "log" or line["version"] != LOG_VERSION:
                raise Tampered("it does not begin like an exported log of version 1.")
            self._header = line
        elif kind in ("use", "event") and self._heads:
            raise Tampered("an entry comes after the links.")
        elif kind == "use":
            numbers = self._uses.setdefault(line["account"], {})
            number = _number(line["id"])
            if number in numbers:
                raise Tampered(f"{line['id']} is in it twice.")
            numbers[number] = digest_of_fields(line, USE_FIELDS)
        elif kind == "event":
            if line["id"] in self._events:
                raise Tampered(f"{line['id']} is in it twice.")
            self._events[line["id"]] = (
                digest_of_fields(line, EVENT_FIELDS),
                digest_of_fields({**line, "address": ""}, EVENT_FIELDS),
            )
        elif kind == "link":
            self._add_link(line)
        else:
            raise ValueError(kind)

    def _add_link(self, link: dict[str, Any]) -> None:
        chain, name = link["chain"], f"link {link['number']} of {link['chain']}"
        number, previous = self._heads.get(chain, (0, FIRST_PREVIOUS))
        if link["number"] != number + 1 or link["previous"] != previous:
            raise Tampered(f"{name} does not follow the link before it.")
        if digest_of_fields(link, LINK_FIELDS).hex() != link["hash"]:
            raise Tampered(f"{name} does not have its hash.")
        self._heads[chain] = (number + 1, link["hash"])
        self._hashes.add(link["hash"])
        if link["kind"] == "event":
            self._compare_event(link, name)
        else:
            self._compare_uses(link, name)

    def _compare_event(self, link: dict[str, Any], name: str) -> None:
        digests = self._events.get(link["first"])
        if digests is None:
            if link["chain"] in self._header["complete"]:
                raise Tampered(f"{link['first']}, of {name}, is missing.")
            return
        if link["sha256"] not in [digest.hex() for digest in digests]:
            raise Tampered(f"{link['first']} was changed: it does not have the digest of {name}.")
        self._linked_events.add(link["first"])
        if link["sha256"] == digests[0].hex():
            self._linked_with_address.add(link["first"])

    def _compare_uses(self, link: dict[str, Any], name: str) -> None:
        first, last = _number(link["first"]), _number(link["last"])
        chain = link["chain"]
        if first <= self._linked_uses.get(chain, 0):
            raise Tampered(f"{name} covers uses that an earlier link covers.")
        self._linked_uses[chain] = last
        numbers = self._uses.get(chain, {})
        ordered = self._ordered.setdefault(chain, sorted(numbers))  # entries come before links
        covered = ordered[bisect_left(ordered, first) : bisect_right(ordered, last)]
        if len(covered) != link["count"]:
            kept_from = self._header["kept_from"]
            is_pruned = kept_from is not None and first < _number(kept_from)
            if len(covered) > link["count"] or (chain in self._header["complete_uses"] and not is_pruned):
                raise Tampered(
                    f"{len(covered)} uses from {link['first']} to {link['last']}, but {name} has {link['count']}."
                )
            self._pruned += is_pruned
            return
        digest = hashlib.sha256(b"".join(numbers[number] for number in covered))
        if digest.hexdigest() != link["sha256"]:
            raise Tampered(
                f"the uses from {link['first']} to {link['last']} do not have the digest of {name}."
            )
        self._checked_uses += len(covered)

    def result(self, head: str | None) -> dict[str, Any]:
        """Return the summary, after the checks that need the whole file. Raises Tampered."""
        if not self._header:
            raise Tampered("it has no lines.")
        for chain, number in self._header["links"].items():
            if self._heads.get(chain, (0, ""))[0] != number:
                raise Tampered(f"the last links of {chain} are missing.")
        for event in self._linked_events - self._linked_with_address:
            raise Tampered(f"{event} was changed: no link has its address.")
        if head is not None and head.lower() not in self._hashes:
            raise Tampered("the hash after --head is not in its chains.")
        unlinked = sum(
            number > self._linked_uses.get(chain, 0)
            for chain, numbers in self._uses.items()
            for number in numbers
        )
        return {
            "events": len(self._linked_events),
            "uses": self._checked_uses,
            "unlinked_events": len(self._events) - len(self._linked_events),
            "unlinked_uses": unlinked,
            "pruned_digests": self._pruned,
            "complete": bool(self._header["complete"]),
            "heads": {chain: last for chain, (_, last) in sorted(self._heads.items())},
        }


def _number(entry_id: str) -> int:
    return int(entry_id.partition("_")[2])
