"""Unexpected answers: no traceback, only known exit codes, no secret in the output."""

import json
import re
from collections.abc import Iterator

import pytest

from reflow_accounts.contract import Exit
from tests.cli.folders import login
from tests.cli.many_runs import ManyRuns
from tests.cli.secrets_for_tests import made_up_key, made_up_session
from tests.cli.unexpected_answers import COMMANDS, JSON, ODD_VALUES, PROBLEM, RIGHT, dice, faults, twisted
from tests.helpers.faulty_proxy import Fault, says

pytestmark = pytest.mark.slow

CODES = set(Exit) | {130}
# All of them take minutes.
EVERY_COMMAND = [
    words if number % 4 == 0 else pytest.param(words, marks=pytest.mark.long)
    for number, words in enumerate(COMMANDS)
]


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


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=" ".join)
def test_unexpected_answer_is_explained_in_a_sentence(seated, between, words):
    for before in _moments(seated, between, words):
        for name, fault in faults().items():
            between.faults, between.always = list(before), fault

            _stands_it(seated, *words, what=name)


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=" ".join)
def test_fields_of_other_types_are_tolerated(seated, between, words):
    values = dice()
    for before in _moments(seated, between, words):
        places = len(twisted(_right(words), None))
        for place, value in ((place, values.choice(ODD_VALUES)) for place in range(places) for _ in range(2)):
            odd = twisted(_right(words), value)[place]
            between.faults, between.always = list(before), _answers(odd)

            _stands_it(seated, *(["--json"] if values.random() < 0.2 else []), *words, what=odd)


@pytest.mark.parametrize("fault", faults().values(), ids=faults().keys())
def test_unexpected_answer_is_not_printed(here, between, fault):
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
    return [odd for value in ODD_VALUES for odd in twisted(problem, value)]


@pytest.mark.parametrize(
    "words", [("whoami",), ("team", "invite", "a@b.example", "--team", "x")], ids=" ".join
)
def test_unusual_problems_are_explained(seated, between, words):
    for problem in dice().sample(_twisted_problems(), 80):
        refusal = says("422 No", json.dumps(problem).encode(), **PROBLEM)
        between.faults = [_answers(RIGHT)] if words[0] == "team" else []
        between.always = refusal

        _stands_it(seated, *words, what=problem)
