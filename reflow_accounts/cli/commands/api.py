"""`reflow api`: sends any request to the API."""

from __future__ import annotations

import codecs
import io
import json
import re
import sys
from email.message import Message
from errno import EBADF
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote

import click

from reflow_accounts.cli.commands.filter_response import filter_with_jq, find_jq, print_field
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.errors import ApiError, CommandError, UnexpectedAnswer, UsageFault
from reflow_accounts.cli.http.client import LARGEST_PAGE, ApiClient
from reflow_accounts.cli.http.transport import Download, is_file
from reflow_accounts.cli.options import common_options, complete_file_name, pass_context
from reflow_accounts.cli.output import document, is_terminal, result
from reflow_accounts.cli.text import clean, redact
from reflow_accounts.contract import API_PREFIX

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_WITH_BODY = ("POST", "PUT", "PATCH")
_FILE_PATH = "/activity/export"  # answers with a file
_HEADER_NAME = re.compile(r"[0-9A-Za-z!#$%&'*+.^_`|~-]+")  # RFC 9110, section 5.1
_OWN_HEADERS = (
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "host",
    "transfer-encoding",
)


@click.command()
@click.argument("args", metavar="[METHOD] PATH", nargs=-1, required=True)
@click.option("-f", "texts", metavar="KEY=VALUE", multiple=True, help="A field with a text.")
@click.option(
    "-F", "values", metavar="KEY=JSON", multiple=True, help="A field with a number, true, null, a list…"
)
@click.option(
    "--input",
    "input_file",
    metavar="FILE",
    shell_complete=complete_file_name,
    help="Send the JSON in FILE (- for stdin) as the body.",
)
@click.option("-H", "--header", "headers", metavar="NAME: VALUE", multiple=True, help="A header to send.")
@click.option("-i", "--include", is_flag=True, help="Print the status and the headers of the answer first.")
@click.option("--paginate", is_flag=True, help="Request all pages of a list and print them as one.")
@click.option("--field", metavar="A.B", help="Print only this field of the answer: user.name, items.0.id.")
@click.option("--jq", metavar="FILTER", help="Filter the answer with jq, which must be installed.")
@common_options
@pass_context
def api(
    context: Context,
    args: tuple[str, ...],
    texts: tuple[str, ...],
    values: tuple[str, ...],
    input_file: str | None,
    headers: tuple[str, ...],
    include: bool,
    paginate: bool,
    field: str | None,
    jq: str | None,
) -> None:
    """Send one request to the API and print the answer.

    METHOD defaults to GET. PATH is /me, me or /api/v1/me. Fields become a JSON object for POST, PUT and
    PATCH, and the query for GET and DELETE and for any request with --input. If the API refuses the request,
    its problem document is printed, and the exit code depends on its status. A file (/activity/export) is
    printed as it is.
    """
    method, path = _method_and_path(args)
    if paginate and (method != "GET" or include):
        raise UsageFault("--paginate works only with GET, and not with --include.")
    fields = [*map(_text_field, texts), *map(_json_field, values)]
    body = _content_of(input_file, method) if input_file is not None else None
    # A key in a pipe can be read only once.
    client = context.client() if _is_address(path) and context.sources() else None
    target = _target(path.removeprefix(client.server) if client else path)
    request = _request(method, target, fields, body, dict(map(_header, headers)))
    option = _option_needing_json(request.path, field, jq, paginate)
    client = client or context.client()
    try:
        data = _all_pages(client, request) if paginate else _send_and_read(client, request, include, option)
    except ApiError as problem:
        document(problem.document)
        raise
    if field is not None:
        print_field(data, field)
    elif jq is not None:
        filter_with_jq(data, jq)
    elif data is not None:
        document(data)
    if paginate and data["next_cursor"]:
        raise CommandError(
            f"The list has more than {len(data['items'])} items. Continue with -f cursor= and the next_cursor."
        )


def _option_needing_json(path: str, field: str | None, jq: str | None, paginate: bool) -> str:
    """Return the name of the option that needs JSON as the answer, or "". Raises UsageFault."""
    if field is not None and jq is not None:
        raise UsageFault("Use --field or --jq, not both.")
    if field is not None and not field.strip("."):
        raise UsageFault("--field takes the name of a field, such as user.name.")
    if jq is not None:
        find_jq()
    readers = {"--field": field is not None, "--jq": jq is not None, "--paginate": paginate}
    option = next((name for name, is_used in readers.items() if is_used), "")
    if option and path.partition("?")[0] == _FILE_PATH:
        raise UsageFault(f"{option} needs JSON, and {_FILE_PATH} answers with a file. Leave {option} out.")
    return option


class Request(NamedTuple):
    """A request to the API: a path below its prefix, and a body as JSON or as bytes."""

    method: str
    path: str
    query: list[tuple[str, str]]
    body: object
    headers: dict[str, str]


def _request(
    method: str, path: str, fields: list[tuple[str, Any]], body: bytes | None, headers: dict[str, str]
) -> Request:
    """Return the request. The fields are its body, or its query if it has a body or its method allows none."""
    if fields and method in _WITH_BODY and body is None:
        return Request(method, path, [], dict(fields), headers)
    query = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in fields]
    return Request(method, path, query, body, headers)


def _method_and_path(args: tuple[str, ...]) -> tuple[str, str]:
    method, path = ("GET", args[0]) if len(args) == 1 else (args[0].upper(), args[1])
    if len(args) > 2 or method not in METHODS:
        raise UsageFault(f"Give a PATH, or one of {', '.join(METHODS)} and a PATH.")
    return method, path


def _content_of(name: str, method: str) -> bytes:
    """Return the bytes of the JSON file `name`, or of stdin. Raises UsageFault."""
    if method not in _WITH_BODY:
        raise UsageFault(f"--input works only with {', '.join(_WITH_BODY)}: write the method before PATH.")
    try:
        if name == "-":
            content = sys.stdin.buffer.read() if sys.stdin else b""
        else:
            content = Path(name).read_bytes()
        json.loads(content)
    except OSError as error:
        raise UsageFault(f"--input {name} cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError):
        raise UsageFault(f"--input {name} does not contain JSON.") from None
    return content


def _header(text: str) -> tuple[str, str]:
    name, colon, value = (part.strip() for part in text.partition(":"))
    if not colon or not _HEADER_NAME.fullmatch(name) or not value.isprintable() or not value.isascii():
        raise UsageFault("-H takes NAME: VALUE.")
    if name.lower() in _OWN_HEADERS:
        raise UsageFault(f"The header {name} is set by reflow itself.")
    return name, value


def _send_and_read(client: ApiClient, request: Request, include: bool, option: str) -> Any:
    """Return the JSON of the answer (None for 204). If the answer is a file, print it and return None."""
    file = _printed_file(client, include, option)
    reply = client.send(request.method, request.path, request.query, request.body, request.headers, file)
    if is_file(reply):
        return None
    if include:
        _print_head(reply.status_line, reply.headers)
    return client.read(reply)


def _print_head(status_line: str, headers: Message) -> None:
    # Redacted: a server may repeat our secret in a header.
    for line in (status_line, *map(": ".join, headers.items()), ""):
        result(redact(clean(line)))


def _printed_file(client: ApiClient, include: bool, option: str) -> Download:
    """Return the download that prints a file: its bytes, or on a terminal with control characters escaped.

    `option` is the option that needs JSON, or "": with it, the download raises CommandError. Also raises OSError.
    """
    on_terminal = is_terminal(sys.stdout)
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)

    def begin(headers: Message) -> None:
        if option:
            raise CommandError(
                f"The answer is a file ({headers.get_content_type()}), not JSON. Leave {option} out."
            )
        if sys.stdout is None:  # closed before the start
            raise OSError(EBADF, "there is no stdout")
        client.repeats = False  # a repetition would print the start of the file again
        if include:
            _print_head("HTTP/1.1 200 OK", headers)  # no other status starts a download

    def write(piece: bytes) -> None:
        text = "\n".join(map(clean, decoder.decode(piece).split("\n"))) if on_terminal else piece
        click.echo(text, nl=False)

    return Download(begin, write)


def _all_pages(client: ApiClient, request: Request) -> dict[str, Any]:
    """Return all pages of a list as one; its `next_cursor` is None unless there were too many."""
    path, _, text = request.path.partition("?")
    query = [*parse_qsl(text, keep_blank_values=True), *request.query]
    has_size = any(name == "limit" for name, _ in query)
    whole: dict[str, Any] = {}
    try:
        for page in client.pages(path, query, size=0 if has_size else LARGEST_PAGE):
            whole = page | {"items": whole.get("items", []) + page["items"]}
    except UnexpectedAnswer:
        if whole:
            raise
        raise UsageFault(f"{clean(path)} does not answer with a list. Leave --paginate out.") from None
    return whole


def _is_address(path: str) -> bool:
    return "://" in path.partition("?")[0]


def _target(path: str) -> str:
    """Return PATH below the API's prefix, percent-encoded. Raises UsageFault for an address."""
    if _is_address(path) or path.startswith("//") or "\\" in path or "#" in path:
        raise UsageFault("PATH is a path of the API, such as /me; other addresses are refused.")
    path = "/" + path.lstrip("/")
    if path == API_PREFIX or path.startswith((f"{API_PREFIX}/", f"{API_PREFIX}?")):
        path = path.removeprefix(API_PREFIX)
    if ".." in unquote(path.partition("?")[0]).split("/"):
        raise UsageFault("PATH must not contain ..")
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
