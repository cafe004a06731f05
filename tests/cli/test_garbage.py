"""Whatever answers: no command shows a traceback, ends with an unknown code, or tells a secret."""

import json
import random
import re
from collections.abc import Iterator

import click
import pytest

from reflow_accounts.cli.app import reflow
from reflow_accounts.contract import Exit
from tests.cli.folders import login
from tests.cli.listener import ME
from tests.cli.many_runs import ManyRuns
from tests.cli.secrets_for_tests import made_up_key, made_up_session
from tests.helpers.faulty_proxy import Fault, FaultyProxy, says, says_raw

CODES = set(Exit) | {130}
# What is given for each argument and option that takes a word.
WORDS = {
    "METHOD": "GET",
    "PATH": "/me",
    "EMAIL": "ada@acme.example",
    "EMAIL...": "ada@acme.example",
    "EMAIL_OR_ID": "inv_1",
    "RIGHTS": "view",
    "SHELL": "bash",
}
# Answers of the right shape, so that commands of several requests come to their later ones.
USUAL = {
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
RIGHT = {**USUAL, "items": [USUAL], "next_cursor": None}


def _commands() -> list[tuple[str, ...]]:
    """Return every command of the surface with something for each argument."""
    return sorted(_under(reflow, ()))


def _under(command: click.Command, names: tuple[str, ...]):
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            assert inner
            yield from _under(inner, (*names, name))
        return
    words = [_word(argument) for argument in command.params if isinstance(argument, click.Argument)]
    options = ["--yes"] if any("--yes" in parameter.opts for parameter in command.params) else []
    if names[0] == "login":
        options += ["--with-password", "--email", "ada@acme.example"]
    yield (*names, *words, *options)


def _word(argument: click.Argument) -> str:
    name = argument.metavar or str(argument.name).upper()
    if isinstance(argument.type, click.Choice) and name not in WORDS:
        return str(argument.type.choices[0])
    return WORDS.get(name, "key_1")


COMMANDS = _commands()
JSON = {"Content_Type": "application/json"}
PROBLEM = {"Content_Type": "application/problem+json"}


def _dice() -> random.Random:
    return random.Random(20260510)


def _random_bytes(size: int) -> bytes:
    return _dice().randbytes(size)


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


def _twisted(document: object, value: object) -> list[object]:
    """Return copies of `document`, each with one of its fields (at any depth) being `value`."""
    found: list[object] = [value]
    if isinstance(document, dict):
        for name in document:
            found += [{**document, name: inner} for inner in _twisted(document[name], value)]
    if isinstance(document, list):
        for place, item in enumerate(document):
            found += [[*document[:place], inner, *document[place + 1 :]] for inner in _twisted(item, value)]
    return found


def _bodies() -> dict[str, bytes]:
    """Return what no server of Reflow answers, by name."""
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


def _kinds() -> dict[str, Fault]:
    """Return faults by name: each body with each status, and what is no HTTP at all."""
    faults: dict[str, Fault] = {
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
        faults[name] = says("200 OK", body, **JSON)
        faults[f"{name} 401"] = says("401 No", body, **PROBLEM)
        faults[f"{name} 422"] = says("422 No", body, Content_Type="text/html; charset=\xff")
    return faults


@pytest.fixture
def between(listener):
    proxy = FaultyProxy(listener.url)
    yield proxy
    proxy.close()


@pytest.fixture
def seated(here, between):
    """Runs the command with a key, a login and a stubborn server."""
    here.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": between.url}
    here.login = made_up_session()
    here.many = ManyRuns(here)
    yield here
    here.many.close()


def _stands_it(terminal, *words: str, what: object = "") -> None:
    login(terminal.home, terminal.environ["REFLOW_SERVER"], terminal.login)
    outcome = terminal.many.run(*words, stdin="correct horse battery\n")

    told = f"{words} {what!r:.300}: {outcome!r:.3000}"
    assert outcome.code in CODES, told
    assert "Traceback" not in outcome.everything, told
    assert "inside the command" not in outcome.everything, told
    for secret in (terminal.environ["REFLOW_API_KEY"], terminal.login, "correct horse"):
        assert secret not in outcome.everything, told
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", outcome.everything), told


def _right(words: tuple[str, ...]) -> dict[str, object]:
    """Return an answer that is right in its shape for every request of the command."""
    return {**RIGHT, "secret": made_up_session() if words[0] == "login" else made_up_key()}


def _answers(document: object) -> Fault:
    return says("200 OK", json.dumps(document).encode(), **JSON)


def _moments(seated, between, words: tuple[str, ...]) -> Iterator[list[Fault]]:
    """Yield the right answers that come before the first request of the command, the second, and so on."""
    right = _answers(_right(words))
    between.always = right
    _stands_it(seated, *words)
    for before in range(len(between.seen)):
        yield [right] * before


def test_every_command_is_tried():
    assert len(COMMANDS) >= 24
    assert ("keys", "revoke", "key_1", "--yes") in COMMANDS


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_garbage_is_answered_with_a_sentence(seated, between, words):
    for before in _moments(seated, between, words):
        for name, fault in _kinds().items():
            between.faults, between.always = list(before), fault

            _stands_it(seated, *words, what=name)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_fields_of_another_kind_are_stood(seated, between, words):
    values = _dice()
    for before in _moments(seated, between, words):
        places = len(_twisted(_right(words), None))
        for place, value in ((place, values.choice(ODD_VALUES)) for place in range(places) for _ in range(2)):
            odd = _twisted(_right(words), value)[place]
            between.faults, between.always = list(before), _answers(odd)

            _stands_it(seated, *(["--json"] if values.random() < 0.2 else []), *words, what=odd)


@pytest.mark.parametrize("fault", _kinds().values(), ids=_kinds().keys())
def test_garbage_is_printed_by_no_process(here, between, fault):
    here.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": between.url}
    between.always = fault

    outcome = here.run("api", "GET", "/me", "-i")

    assert outcome.code in CODES
    assert "Traceback" not in outcome.everything
    assert "inside the command" not in outcome.everything
    assert here.environ["REFLOW_API_KEY"] not in outcome.everything


def _twisted_problems() -> list[object]:
    problem = {
        "code": "validation_failed",
        "detail": "No.",
        "title": "No",
        "request_id": "r",
        "errors": [{"field": "emails.0", "message": "Odd."}],
    }
    return [twisted for value in ODD_VALUES for twisted in _twisted(problem, value)]


@pytest.mark.parametrize(
    "words", [("whoami",), ("team", "invite", "a@b.example", "--team", "x")], ids=" ".join
)
def test_odd_problems_are_explained(seated, between, words):
    dice = _dice()
    for problem in dice.sample(_twisted_problems(), 80):
        refusal = says("422 No", json.dumps(problem).encode(), **PROBLEM)
        between.faults = [_answers(RIGHT)] if words[0] == "team" else []
        between.always = refusal

        _stands_it(seated, *words, what=problem)
