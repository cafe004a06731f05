"""`reflow activity`: uses of keys and events of the account, newest first, as they happen, or exported to a file."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Any

import click

from reflow_accounts.cli.commands.verify_activity import verify
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import CommandError, UsageFault
from reflow_accounts.cli.http.client import Client, as_object
from reflow_accounts.cli.http.transport import Download
from reflow_accounts.cli.keys.lookup import key_named
from reflow_accounts.cli.options import common_options, complete_file_name, pass_context
from reflow_accounts.cli.output import document, is_quiet, is_terminal, moment, row_alone, tell
from reflow_accounts.cli.tables import Column, table, when
from reflow_accounts.contract import EXPORT_SIZE_HEADER, KEY_PREFIX

_COLUMNS = (
    Column("When"),
    Column("What", is_text=True),
    Column("About", is_text=True),
    Column("By", is_text=True, rank=1),
    Column("Request", is_text=True),
    Column("Answer"),
    Column("Address", rank=3),
    Column("From", is_text=True, rank=2),
)
EVENTS = ("requests", "keys", "sign-ins", "security", "team", "subscription")
_AGO = re.compile(r"([0-9]{1,6})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_WIDTH = 30
# Stands in the last line of a file that the server ended early.
_CUT_SHORT = b"This file is not complete."


@click.group(invoke_without_command=True)
@click.option("--key", metavar="NAME_OR_ID", help="Only activity of this key.")
@click.option("--since", metavar="TIME", help="Only from this time on: 2026-05-01 (UTC), 7d, 12h.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="The most lines to show; with --follow, at the start.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on and show new activity as it happens.")
@click.option(
    "--outcome", type=click.Choice(["accepted", "refused"]), help="Only requests with this outcome."
)
@click.option("--event", type=click.Choice(EVENTS), help="Only events of this group.")
@click.option(
    "--export",
    "export_file",
    metavar="FILE",
    shell_complete=complete_file_name,
    help="Write all of it to FILE: CSV for NAME.csv, else JSON Lines.",
)
@click.option("--force", is_flag=True, help="With --export, replace FILE.")
@common_options
@pass_context
def activity(
    context: Context, /, limit: int, follow: bool, export_file: str | None, force: bool, **filters: str | None
) -> None:
    """Show the activity of your account and keys.

    Newest first. Columns: time, action, subject, actor, request, status, address, and the program as it
    names itself.
    In a pipe, times are exact (UTC).

    --follow shows the newest lines, oldest first, and then each new one until Ctrl-C; with --json each
    is one object on one line. Its own requests are left out, although with an API key they count as uses.

    --export writes the whole activity, or what the other options select, to a file that only you can read.
    reflow activity verify checks an export as JSON Lines.
    """
    if click.get_current_context().invoked_subcommand:
        return
    client, query, chosen = _filtered(context, **filters)
    if export_file is not None:
        from reflow_accounts.cli.commands.activity import export

        export(client, query, export_file, force=force)
        return
    if follow:
        from reflow_accounts.cli.commands.follow_activity import ActivityFeed

        # Our own requests are in the list if it includes the uses of the key in use.
        secret = client.credential.secret if client.credential else ""
        if secret.startswith(KEY_PREFIX):
            tell(
                "warning: each poll of --follow counts as a use of the key. A login (--as login) has no uses."
            )
        is_listed = chosen is None or secret.endswith(chosen.get("hint") or "?")
        feed = ActivityFeed(client, query, is_recorded=secret.startswith(KEY_PREFIX) and is_listed)
        feed.follow(limit, partial(document, indent=None) if context.as_json else _print_row)
        return
    answer = client.listing("/activity", query, limit)
    if context.as_json:
        document(answer)
        return
    table(_COLUMNS, map(_row, answer["items"]))
    if not answer["items"]:
        tell("There was no activity in this time.")


activity.add_command(verify)


def _filtered(
    context: Context, key: str | None, since: str | None, outcome: str | None, event: str | None
) -> tuple[Client, list[tuple[str, str]], dict[str, Any] | None]:
    """Return the client, the query of the filters, and the key that they select."""
    query = [("since", parse_since(since, datetime.now(UTC)))] if since is not None else []
    query += [(name, value) for name, value in (("outcome", outcome), ("event", event)) if value]
    client = context.client()
    chosen = key_named(client, key, "all") if key is not None else None
    return client, [*query, ("key", str(chosen.get("id")))] if chosen else query, chosen


def parse_since(text: str, now: datetime) -> str:
    """Return `text` (2026-05-01, 2026-05-01T12:00, 7d, 12h, 30m, 2w) as RFC 3339 in UTC.

    A time without an offset is UTC. `now` is aware. Raises UsageFault.
    """
    ago = _AGO.fullmatch(text)
    try:
        time = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])}) if ago else datetime.fromisoformat(text)
        aware = time if time.tzinfo else time.replace(tzinfo=UTC)
        return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        raise UsageFault(
            "--since is a date, a time or how long ago: 2026-05-01, 2026-05-01T12:00Z, 7d, 12h."
        ) from None


def _print_row(entry: dict[str, Any]) -> None:
    row_alone((moment(entry.get("at"), seconds=True), *_row(entry)[1:]))


def _row(entry: dict[str, Any]) -> tuple[object, ...]:
    use = as_object(entry.get("use"))
    request = " ".join(str(use[part]) for part in ("method", "path") if use.get(part))
    return (
        when(entry.get("at")),
        _label(entry.get("title") or entry.get("action")),
        _label(entry.get("subject")),
        _label(entry.get("by")),
        request,
        use.get("status"),
        use.get("address"),
        use.get("program") or use.get("user_agent"),
    )


def _label(value: object) -> object:
    return value.get("name") or value.get("id") if isinstance(value, dict) else value


def export(client: Client, query: list[tuple[str, str]], file: str, *, force: bool) -> None:
    """Write the activity to `file`: CSV for a name that ends in .csv, else JSON Lines.

    The file appears as a whole, readable by its owner alone. Raises UsageFault for an existing file without
    `force`, CommandError when the file cannot be written or the download is incomplete.
    """
    path = Path(file)
    if path.exists() and not force:
        raise UsageFault(f"{file} exists. Choose another name, or add --force to replace it.")
    form = "csv" if path.suffix.lower() == ".csv" else "jsonl"
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with os.fdopen(os.open(temporary, _CREATE, 0o600), "wb") as target:
            progress = _Progress()

            def write(piece: bytes) -> None:
                target.write(piece)
                progress.add(piece)

            try:
                client.download(
                    "/activity/export", [*query, ("format", form)], Download(progress.begin, write)
                )
            finally:
                progress.end()
            target.flush()
            os.fsync(target.fileno())
        if progress.is_cut_short:
            raise CommandError("The server ended the export early. Run the command again.")
        temporary.replace(path)
    except OSError as error:
        raise CommandError(f"{file} cannot be written ({os.strerror(error.errno or 0)}).") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    tell(f"{progress.lines:,} lines were written to {file}.")


class _Progress:
    """Counts the lines, and on a terminal shows a bar on stderr."""

    def __init__(self) -> None:
        self.lines, self._total, self._shown_at, self._end = 0, 0, 0.0, b""
        self._is_shown = is_terminal(sys.stderr) and not os.environ.get("CI") and not is_quiet()

    @property
    def is_cut_short(self) -> bool:
        return _CUT_SHORT in self._end

    def begin(self, headers: Message) -> None:
        size = headers.get(EXPORT_SIZE_HEADER, "")
        self._total = int(size) if size.isascii() and size.isdecimal() and len(size) < 15 else 0

    def add(self, piece: bytes) -> None:
        self.lines += piece.count(b"\n")
        self._end = (self._end + piece)[-300:]
        if self._is_shown and time.monotonic() - self._shown_at > 0.1:
            self._shown_at = time.monotonic()
            bar = f"{self.lines:,} lines"
            if self._total:
                share = min(1.0, self.lines / self._total)
                filled = int(share * _WIDTH)
                bar = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {share:4.0%}, {bar}"
            self._show(bar)

    def end(self) -> None:
        if self._shown_at:
            self._show(" " * 79 + "\r")

    def _show(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"\r{text}")
            sys.stderr.flush()
