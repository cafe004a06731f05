"""`reflow activity`: uses of keys and events of the account, newest first, or as they happen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.http.client import Client
from reflow_accounts.cli.http.json_values import an_object
from reflow_accounts.cli.keys.lookup import key_named
from reflow_accounts.cli.options import common_options, pass_context
from reflow_accounts.cli.output import document, document_line, moment, row_alone, table
from reflow_accounts.cli.since import moment_given
from reflow_accounts.contract import KEY_PREFIX

HEADINGS = ("When (UTC)", "What", "About", "By", "Request", "Answer", "Address", "From")


@click.command()
@click.option("--key", metavar="NAME_OR_ID", help="Only what was done with this key.")
@click.option("--since", metavar="TIME", help="Only from then on: 2026-05-01 (UTC), 7d, 12h.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="At most so many lines; with --follow, to begin with.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on and show what is done as it happens.")
@common_options
@pass_context
def activity(context: Context, key: str | None, since: str | None, limit: int, follow: bool) -> None:
    """Show what was done with your account and keys.

    Newest first. Columns: when, what, about what, by whom, request, answer, address, and from which
    program, as it says itself. Times are UTC.

    --follow shows the newest lines, oldest first, and then each new one until Ctrl-C; with --json each
    is one object on one line. Its own questions are left out; with an API key they are uses like others.
    """
    query = [("since", moment_given(since, datetime.now(UTC)))] if since is not None else []
    client = context.client()
    chosen = key_named(client, key, "all") if key is not None else None
    if chosen:
        query.append(("key", str(chosen.get("id"))))
    if follow:
        _follow(context, client, query, limit, chosen)
        return
    answer = client.listing("/activity", query, limit)
    if context.as_json:
        document(answer)
        return
    table(HEADINGS, map(_row, answer["items"]))
    if not answer["items"]:
        context.tell("Nothing was done in this time.")


def _follow(
    context: Context, client: Client, query: list[tuple[str, str]], limit: int, chosen: dict[str, Any] | None
) -> None:
    from reflow_accounts.cli.commands.follow_activity import Following, follow

    following = Following(client, query, is_recorded=_is_recorded(client, chosen))
    follow(following, limit, document_line if context.as_json else _show, context.tell)


def _is_recorded(client: Client, chosen: dict[str, Any] | None) -> bool:
    """Say whether our own requests are in the list: uses of the key that it is about."""
    secret = client.credential.secret if client.credential else ""
    return secret.startswith(KEY_PREFIX) and (chosen is None or secret.endswith(chosen.get("hint") or "?"))


def _show(entry: dict[str, Any]) -> None:
    row_alone((moment(entry.get("at"), seconds=True), *_row(entry)[1:]))


def _row(entry: dict[str, Any]) -> tuple[object, ...]:
    use = an_object(entry.get("use"))
    request = " ".join(str(use[part]) for part in ("method", "path") if use.get(part))
    return (
        moment(entry.get("at")),
        _words(entry.get("title") or entry.get("action")),
        _words(entry.get("subject")),
        _words(entry.get("by")),
        request,
        use.get("status"),
        use.get("address"),
        use.get("program") or use.get("user_agent"),
    )


def _words(value: object) -> object:
    return value.get("name") or value.get("id") if isinstance(value, dict) else value
