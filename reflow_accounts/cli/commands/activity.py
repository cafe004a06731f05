"""`reflow activity`: lists, follows and exports the uses of keys and the events of the account."""

from __future__ import annotations

import re
import shutil
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import click
from click.core import ParameterSource

from reflow_accounts.cli.commands.verify_activity import verify
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import UsageFault
from reflow_accounts.cli.http.client import ApiClient, as_object
from reflow_accounts.cli.keys.lookup import key_named
from reflow_accounts.cli.options import common_options, complete_file_name, pass_context
from reflow_accounts.cli.output import document, is_terminal, moment, row_alone, tell
from reflow_accounts.cli.tables import Column, table, when
from reflow_accounts.contract import API_PREFIX

_COLUMNS = (
    Column("When"),
    Column("What"),  # not shortened: "API key r…" could be refused, revoked, restored, rotated or renamed
    Column("About", is_text=True, rank=1),
    Column("By", is_text=True, rank=4),
    Column("Request", is_text=True, rank=2),
    Column("Answer", rank=3),
    Column("Address", rank=6),
    Column("From", is_text=True, rank=5),
)
# Below this terminal width, paths are shown without the prefix of the API.
_SHORT_PATHS = 140
EVENTS = ("requests", "keys", "sign-ins", "security", "team", "subscription")
_AGO = re.compile(r"([0-9]{1,6})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.group(invoke_without_command=True)
@click.option("--key", metavar="NAME_OR_ID", help="Only activity of this key.")
@click.option("--since", metavar="TIME", help="Only activity since this time: 2026-05-01 (UTC), 7d, 12h.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Maximum number of lines; with --follow, at the start.",
)
@click.option("-f", "--follow", is_flag=True, help="Keep running and show new activity as it happens.")
@click.option(
    "--outcome", type=click.Choice(["accepted", "refused"]), help="Only requests with this outcome."
)
@click.option("--event", type=click.Choice(EVENTS), help="Only events of this group.")
@click.option(
    "--export",
    "export_file",
    metavar="FILE",
    shell_complete=complete_file_name,
    help="Write all activity to FILE: CSV for NAME.csv, else JSON Lines.",
)
@click.option("--force", is_flag=True, help="With --export, replace FILE.")
@common_options
@pass_context
def activity(
    context: Context, /, limit: int, follow: bool, export_file: str | None, force: bool, **filters: str | None
) -> None:
    """Show the activity of your account and keys.

    Newest first. Columns: time, action, subject, actor, request, status, address, and the program as it
    names itself. In a pipe, times are exact (UTC).

    --follow shows the newest lines, oldest first, and then each new one until Ctrl-C. With --json, each line
    is one object. Its own requests are not shown, but with an API key they count as uses.

    --export writes all activity, or what the other options select, to a file that only you can read.
    reflow activity verify checks an export as JSON Lines.
    """
    ctx = click.get_current_context()
    if ctx.invoked_subcommand:
        options = [
            name for name in ctx.params if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
        ]
        if options:
            raise UsageFault("Options of activity do not apply to verify: leave them out.")
        return
    if export_file is not None or force:
        from reflow_accounts.cli.commands.export_activity import checked_path, export

        has_limit = ctx.get_parameter_source("limit") is not ParameterSource.DEFAULT
        others = {"--limit": has_limit, "--follow": follow, "--json": context.as_json}
        path = checked_path(export_file, others, force=force)
        export(*_read_filters(context, **filters)[:2], path)
        return
    client, query, chosen = _read_filters(context, **filters)
    if follow:
        from reflow_accounts.cli.commands.follow_activity import feed_of

        feed = feed_of(client, query, chosen)
        feed.follow(limit, partial(document, indent=None) if context.as_json else _print_row)
        return
    data = client.listing("/activity", query, limit)
    if context.as_json:
        document(data)
        return
    table(_COLUMNS, map(_row, data["items"]))
    if not data["items"]:
        tell("There was no activity in this time.")


activity.add_command(verify)


def _read_filters(
    context: Context, key: str | None, since: str | None, outcome: str | None, event: str | None
) -> tuple[ApiClient, list[tuple[str, str]], dict[str, Any] | None]:
    """Return the client, the filters as a query, and the key of --key, if given."""
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
        # Not strftime: it writes years before 1000 with fewer digits.
        return f"{aware.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
    except (ValueError, OverflowError):
        raise UsageFault(
            "--since is a date, a time or how long ago: 2026-05-01, 2026-05-01T12:00Z, 7d, 12h."
        ) from None


def _print_row(entry: dict[str, Any]) -> None:
    row_alone((moment(entry.get("at"), seconds=True), *_row(entry)[1:]))


def _row(entry: dict[str, Any]) -> tuple[object, ...]:
    use = as_object(entry.get("use"))
    request = " ".join(str(use[part]) for part in ("method", "path") if use.get(part))
    if is_terminal(sys.stdout) and shutil.get_terminal_size().columns < _SHORT_PATHS:
        request = request.replace(f" {API_PREFIX}/", " …/", 1)
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
