"""`reflow activity`: uses of keys and events of the account, newest first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from reflow_accounts.cli.key_choice import key_named
from reflow_accounts.cli.options import common_options, pass_run
from reflow_accounts.cli.output import document, moment, table
from reflow_accounts.cli.reading import an_object
from reflow_accounts.cli.run import Run
from reflow_accounts.cli.since import moment_given

HEADINGS = ("When (UTC)", "What", "About", "By", "Request", "Answer", "Address", "From")


@click.command()
@click.option("--key", metavar="NAME_OR_ID", help="Only what was done with this key.")
@click.option("--since", metavar="TIME", help="Only from then on: 2026-05-01 (UTC), 7d, 12h.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many lines."
)
@common_options
@pass_run
def activity(run: Run, key: str | None, since: str | None, limit: int) -> None:
    """Show what was done with your account and keys.

    Newest first. Columns: when, what, about what, by whom, request, answer, address, and from which
    program, as it says itself. Times are UTC.
    """
    query = [("since", moment_given(since, datetime.now(UTC)))] if since is not None else []
    client = run.client()
    if key is not None:
        query.append(("key", str(key_named(client, key, "all").get("id"))))
    answer = client.listing("/activity", query, limit)
    if run.as_json:
        document(answer)
        return
    table(HEADINGS, map(_row, answer["items"]))
    if not answer["items"]:
        run.tell("Nothing was done in this time.")


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
