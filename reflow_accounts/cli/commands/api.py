"""`reflow api`: sends any request to the API, also those without a command of their own."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import CommandError, Problem, UnexpectedAnswer, UsageFault
from reflow_accounts.cli.http.client import LARGEST_PAGE, Client, Query
from reflow_accounts.cli.options import common_options, pass_context
from reflow_accounts.cli.output import document, result
from reflow_accounts.cli.text import clean, redacted
from reflow_accounts.contract import API_PREFIX

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_WITH_BODY = ("POST", "PUT", "PATCH")


@click.command()
@click.argument("method", type=click.Choice(METHODS, case_sensitive=False), metavar="METHOD")
@click.argument("path")
@click.option("-f", "texts", metavar="KEY=VALUE", multiple=True, help="A field with a text.")
@click.option(
    "-F", "values", metavar="KEY=JSON", multiple=True, help="A field with a number, true, null, a list…"
)
@click.option("-i", "--include", is_flag=True, help="Print the status and the headers of the answer first.")
@click.option("--paginate", is_flag=True, help="Request all pages of a list and print them as one.")
@common_options
@pass_context
def api(
    context: Context,
    method: str,
    path: str,
    texts: tuple[str, ...],
    values: tuple[str, ...],
    include: bool,
    paginate: bool,
) -> None:
    """Send one request to the API and print the answer.

    PATH is /me, me or /api/v1/me. Fields become a JSON object for POST, PUT and PATCH, and the query
    for GET and DELETE. A refusal prints the problem document; the exit code depends on its status.
    """
    method = method.upper()
    if paginate and (method != "GET" or include):
        raise UsageFault("--paginate goes with GET alone, and not with --include.")
    target = _target(path, context)
    fields = [*map(_text_field, texts), *map(_json_field, values)]
    body = dict(fields) if fields and method in _WITH_BODY else None
    query = [
        (name, value if isinstance(value, str) else json.dumps(value))
        for name, value in fields
        if method not in _WITH_BODY
    ]
    client = context.client()
    try:
        if paginate:
            answer = _all_pages(client, target, query)
        else:
            answer = _answer(client, method, target, query, body, include)
    except Problem as problem:
        document(problem.document)
        raise
    if answer is not None:
        document(answer)
    if paginate and answer["next_cursor"]:
        raise CommandError(
            f"The list goes on after {len(answer['items'])} items. Go on with -f cursor= and the next_cursor."
        )


def _answer(client: Client, method: str, path: str, query: Query, body: object, include: bool) -> Any:
    reply = client.send(method, path, query, body)
    if include:
        # Redacted: a server may repeat our secret in a header.
        for line in (reply.status_line, *map(": ".join, reply.headers.items()), ""):
            result(redacted(clean(line)))
    return client.read(reply)


def _all_pages(client: Client, path: str, query: Query) -> dict[str, Any]:
    """Return all pages of a list as one; its `next_cursor` is null unless there were too many."""
    path, _, text = path.partition("?")
    query = [*parse_qsl(text, keep_blank_values=True), *query]
    has_size = any(name == "limit" for name, _ in query)
    whole: dict[str, Any] = {}
    try:
        for page in client.pages(path, query, size=0 if has_size else LARGEST_PAGE):
            whole = page | {"items": whole.get("items", []) + page["items"]}
    except UnexpectedAnswer:
        if whole:
            raise
        raise UsageFault(f"{clean(path)} answers with no list. Leave --paginate out.") from None
    return whole


def _target(path: str, context: Context) -> str:
    """Return PATH below the API's prefix, percent-encoded. Raises UsageFault for any other address."""
    path = path.removeprefix(context.server)
    if "://" in path.partition("?")[0] or path.startswith("//") or "\\" in path or "#" in path:
        raise UsageFault("PATH is a path of the API, such as /me; other addresses are refused.")
    path = "/" + path.lstrip("/")
    if path == API_PREFIX or path.startswith((f"{API_PREFIX}/", f"{API_PREFIX}?")):
        path = path.removeprefix(API_PREFIX)
    if ".." in unquote(path.partition("?")[0]).split("/"):
        raise UsageFault("PATH must not climb with ..")
    return quote(path, safe="/?&=%:@!$'()*+,;~-._[]", errors="surrogatepass")


def _text_field(field: str) -> tuple[str, Any]:
    name, equals, value = field.partition("=")
    if not equals or not name:
        raise UsageFault("-f takes KEY=VALUE.")
    return name, value


def _json_field(field: str) -> tuple[str, Any]:
    name, equals, value = field.partition("=")
    try:
        if equals and name:
            return name, json.loads(value)
    except (ValueError, RecursionError):
        pass
    raise UsageFault("-F takes KEY=JSON, for example -F active=true or -F tags='[\"a\"]'.")
