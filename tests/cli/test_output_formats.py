"""Output: tables on a terminal, tab-separated lines in a pipe, JSON on request, colours."""

import json

import pytest

LISTS = [("keys", "list"), ("activity",), ("team", "list"), ("team", "members")]
OTHERS = [("--help",), ("whoami",), ("nonsense",), ("keys", "revoke", "x")]
EVERY = pytest.mark.parametrize("words", LISTS, ids=" ".join)


@EVERY
def test_terminal_gets_a_table_with_headings(keyed, words):
    outcome = keyed.run_at_a_screen(*words)

    assert outcome.code == 0
    assert "─" in outcome.stdout
    assert "\t" not in outcome.stdout


@EVERY
def test_pipe_gets_lines_with_tabs_and_no_headings(keyed, words):
    keyed.environ |= {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TERM": "xterm-256color"}

    outcome = keyed.run(*words)

    assert outcome.code == 0
    assert len({line.count("\t") for line in outcome.stdout.splitlines()}) == 1
    assert not set("\x1b─") & set(outcome.everything)


@EVERY
def test_json_is_the_answer_of_the_api(keyed, words):
    assert json.loads(keyed.run("--json", *words).stdout)["items"]
    assert json.loads(keyed.run_at_a_screen("--json", *words).stdout)["items"]


@pytest.mark.parametrize(
    "words", [*LISTS, ("--help",), ("whoami",), ("nonsense",), ("keys", "revoke", "x")], ids=" ".join
)
@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_no_colour_prints_no_escapes(keyed, words, plain):
    keyed.environ |= plain

    assert "\x1b" not in keyed.run_at_a_screen(*words).stdout
