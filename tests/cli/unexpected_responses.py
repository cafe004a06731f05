"""Responses that no Reflow server sends, and the commands to test with them."""

import random

import click

from reflow_accounts.cli.app import reflow
from tests.cli.listener import ME
from tests.helpers.faulty_proxy import Fault, says, says_raw

# A value for each argument and option.
ARGUMENT_VALUES = {
    "METHOD": "GET",
    "PATH": "/me",
    "EMAIL": "ada@acme.example",
    "EMAIL...": "ada@acme.example",
    "EMAIL_OR_ID": "inv_1",
    "RIGHTS": "view",
    "SHELL": "bash",
}
# Well-formed responses, so that commands with several requests reach the later ones.
VALID_ITEM = {
    "id": "key_1",
    "name": "x",
    "email": "ada@acme.example",
    "hint": "abcd",
    "rights": "admin",
    "user": ME["user"],
    "teams": ME["teams"],
    "authenticated_by": ME["authenticated_by"],
    "use": {"method": "GET", "path": "/me"},
    "subject": {"id": "key_1", "name": "x"},
    "last_used_at": "2026-05-01T12:00:00Z",
    "revoked_at": None,
}
VALID_RESPONSE = {**VALID_ITEM, "items": [VALID_ITEM], "next_cursor": None}


def commands() -> list[tuple[str, ...]]:
    """Return every command with a value for each argument."""
    return sorted(_commands_below(reflow, ()))


def _commands_below(command: click.Command, names: tuple[str, ...]):
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            child = command.get_command(click.Context(command), name)
            assert child
            yield from _commands_below(child, (*names, name))
        return
    words = [_value_for(argument) for argument in command.params if isinstance(argument, click.Argument)]
    options = ["--yes"] if any("--yes" in parameter.opts for parameter in command.params) else []
    if names[0] == "login":
        options += ["--with-password", "--email", "ada@acme.example"]
    yield (*names, *words, *options)


def _value_for(argument: click.Argument) -> str:
    name = argument.metavar or str(argument.name).upper()
    if isinstance(argument.type, click.Choice) and name not in ARGUMENT_VALUES:
        return str(argument.type.choices[0])
    return ARGUMENT_VALUES.get(name, "key_1")


# `token` prints the secret and `exec` passes it on; neither sends a request.
COMMANDS = [words for words in commands() if words[0] not in ("token", "exec")]
JSON = {"Content_Type": "application/json"}
PROBLEM = {"Content_Type": "application/problem+json"}


def seeded_random() -> random.Random:
    return random.Random(20260510)


def _random_bytes(size: int) -> bytes:
    return seeded_random().randbytes(size)


ODD_VALUES = [
    None,
    True,
    5,
    -0.5,
    10**400,
    "",
    "\x00",
    "\ud800\udfff\udc00",
    "x" * 5000,
    [],
    [[]],
    {},
    [None, 5, "x"],
]


def with_field_replaced(document: object, value: object) -> list[object]:
    """Return copies of `document`, each with one of its fields (at any depth) being `value`."""
    result: list[object] = [value]
    if isinstance(document, dict):
        for name in document:
            result += [{**document, name: child} for child in with_field_replaced(document[name], value)]
    if isinstance(document, list):
        for index, item in enumerate(document):
            result += [
                [*document[:index], child, *document[index + 1 :]]
                for child in with_field_replaced(item, value)
            ]
    return result


def _bodies() -> dict[str, bytes]:
    """Return bodies that no Reflow server sends, by name."""
    return {
        "nothing": b"",
        "random": _random_bytes(3000),
        "NUL": b"\0" * 50,
        "deep list": b"[" * 100_000 + b"]" * 100_000,
        "deep list 300": b'{"items": ' + b"[" * 300 + b"]" * 300 + b"}",
        "deep object": b'{"a":' * 900 + b"1" + b"}" * 900,
        "huge integer": b'{"items": [{"id": ' + b"9" * 5000 + b"}]}",
        "large integer": b'{"user": {"name": ' + b"9" * 4000 + b'}, "items": [], "next_cursor": null}',
        "no number": b'{"user": NaN, "items": Infinity}',
        "large number": b'{"user": {"name": 1e999}, "id": -1e999}',
        "lone surrogates": b'{"id": "\\ud800", "items": [{"id": "\\udfff/..", "name": "x"}], "next_cursor": "\\ud800"}',
        "wrong UTF-8": b'{"id": "\xff\xfe\xc0\x80"}',
        "UTF-16": '{"items": [], "user": {}}'.encode("utf-16"),
        "a BOM": b"\xef\xbb\xbf{}",
        "escapes": b'{"detail": "\\u001b[2J\\r\\nreflow: well\\u202e", "code": "x", "user": {"name": "\\u001b]0;x"}}',
        "twice the same": b'{"items": [], "items": 5, "id": 1, "id": []}',
    }


def faults() -> dict[str, Fault]:
    """Return faults by name: each body with each status, and invalid HTTP."""
    result: dict[str, Fault] = {
        "no HTTP": says_raw(_random_bytes(500)),
        "half a head": says_raw(b"HTTP/1.1 200 OK\r\nContent-Ty"),
        "endless head": says_raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n"),
        "long head": says_raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"),
        "odd status": says_raw(b"HTTP/1.1 99999 \xff\r\n\r\n"),
        "switching": says_raw(b"HTTP/1.1 101 Yes\r\nContent-Length: 2\r\n\r\n{}"),
        "minus length": says_raw(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}"),
        "odd chunks": says_raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
        "endless chunk": says_raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n{}"),
    }
    for name, body in _bodies().items():
        result[name] = says("200 OK", body, **JSON)
        result[f"{name} 401"] = says("401 No", body, **PROBLEM)
        result[f"{name} 422"] = says("422 No", body, Content_Type="text/html; charset=\xff")
    return result
