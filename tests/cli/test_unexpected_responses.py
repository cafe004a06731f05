"""Unexpected answers: no traceback, only known exit codes, no secret in the output."""

import json
import re
from collections.abc import Iterator

import pytest

from reflow_accounts.contract import Exit
from tests.cli.folders import login
from tests.cli.many_runs import ManyRuns
from tests.cli.secrets_for_tests import made_up_key, made_up_session
from tests.cli.unexpected_responses import (
    COMMANDS,
    JSON,
    ODD_VALUES,
    PROBLEM,
    VALID_RESPONSE,
    faults,
    seeded_random,
    with_field_replaced,
)
from tests.helpers.faulty_proxy import Fault, says

pytestmark = pytest.mark.slow

CODES = set(Exit) | {130}
# All of them take minutes.
EVERY_COMMAND = [
    words if number % 4 == 0 else pytest.param(words, marks=pytest.mark.long)
    for number, words in enumerate(COMMANDS)
]


@pytest.fixture
def prepared_terminal(listener_terminal, listener_proxy):
    """Runs the command with a key, a login and a stubborn server."""
    listener_terminal.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": listener_proxy.url}
    listener_terminal.login = made_up_session()
    listener_terminal.many = ManyRuns(listener_terminal)
    yield listener_terminal
    listener_terminal.many.close()


def _assert_explained(terminal, *words: str, detail: object = "") -> None:
    login(terminal.home, terminal.environ["REFLOW_SERVER"], terminal.login)
    outcome = terminal.many.run(*words, stdin="correct horse battery\n")

    told = f"{words} {detail!r:.300}: {outcome!r:.3000}"
    assert outcome.code in CODES, told
    assert "Traceback" not in outcome.output, told
    assert "inside the command" not in outcome.output, told
    for secret in (terminal.environ["REFLOW_API_KEY"], terminal.login, "correct horse"):
        assert secret not in outcome.output, told
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", outcome.output), told


def _valid_response(words: tuple[str, ...]) -> dict[str, object]:
    """Return an answer that is right in its shape for every request of the command."""
    return {**VALID_RESPONSE, "secret": made_up_session() if words[0] == "login" else made_up_key()}


def _json_response(document: object) -> Fault:
    return says("200 OK", json.dumps(document).encode(), **JSON)


def _fault_sequences(prepared_terminal, listener_proxy, words: tuple[str, ...]) -> Iterator[list[Fault]]:
    """Yield the right answers that come before the first request of the command, the second, and so on."""
    right = _json_response(_valid_response(words))
    listener_proxy.always = right
    _assert_explained(prepared_terminal, *words)
    for before in range(len(listener_proxy.seen)):
        yield [right] * before


def test_every_command_is_tried():
    assert len(COMMANDS) >= 24
    assert ("keys", "revoke", "key_1", "--yes") in COMMANDS


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=" ".join)
def test_unexpected_answer_is_explained_in_a_sentence(prepared_terminal, listener_proxy, words):
    for before in _fault_sequences(prepared_terminal, listener_proxy, words):
        for name, fault in faults().items():
            listener_proxy.faults, listener_proxy.always = list(before), fault

            _assert_explained(prepared_terminal, *words, detail=name)


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=" ".join)
def test_fields_of_other_types_are_tolerated(prepared_terminal, listener_proxy, words):
    values = seeded_random()
    for before in _fault_sequences(prepared_terminal, listener_proxy, words):
        places = len(with_field_replaced(_valid_response(words), None))
        for place, value in ((place, values.choice(ODD_VALUES)) for place in range(places) for _ in range(2)):
            odd = with_field_replaced(_valid_response(words), value)[place]
            listener_proxy.faults, listener_proxy.always = list(before), _json_response(odd)

            _assert_explained(
                prepared_terminal, *(["--json"] if values.random() < 0.2 else []), *words, detail=odd
            )


@pytest.mark.parametrize("fault", faults().values(), ids=faults().keys())
def test_unexpected_answer_is_not_printed(listener_terminal, listener_proxy, fault):
    listener_terminal.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_SERVER": listener_proxy.url}
    listener_proxy.always = fault

    outcome = listener_terminal.run("api", "GET", "/me", "-i")

    assert outcome.code in CODES
    assert "Traceback" not in outcome.output
    assert "inside the command" not in outcome.output
    assert listener_terminal.environ["REFLOW_API_KEY"] not in outcome.output


def _malformed_problems() -> list[object]:
    problem = {
        "code": "validation_failed",
        "detail": "No.",
        "title": "No",
        "request_id": "r",
        "errors": [{"field": "emails.0", "message": "Odd."}],
    }
    return [odd for value in ODD_VALUES for odd in with_field_replaced(problem, value)]


@pytest.mark.parametrize(
    "words", [("whoami",), ("team", "invite", "a@b.example", "--team", "x")], ids=" ".join
)
def test_unusual_problems_are_explained(prepared_terminal, listener_proxy, words):
    for problem in seeded_random().sample(_malformed_problems(), 80):
        refusal = says("422 No", json.dumps(problem).encode(), **PROBLEM)
        listener_proxy.faults = [_json_response(VALID_RESPONSE)] if words[0] == "team" else []
        listener_proxy.always = refusal

        _assert_explained(prepared_terminal, *words, detail=problem)
