"""The benchmark refuses bad arguments and invalid rounds."""

import pytest

from bench import load, options


@pytest.mark.parametrize(
    ("words", "least"),
    [
        (["--keys", "0"], 1),
        (["--rounds", "0"], 1),
        (["--seconds", "0"], 1),
        (["--seconds", "0.5"], 1),
        (["--uses", "-5"], 0),
        (["--starts", "-1"], 0),
        (["--keys", "many"], 1),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(words, least, capsys):
    with pytest.raises(SystemExit) as refused:
        options.read(words)
    assert refused.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {words[0]}: write a whole number, {least} or more, not '{words[1]}'." in said


def test_bench_of_nothing_is_refused(capsys):
    with pytest.raises(SystemExit):
        options.read(["--starts-only", "--starts", "0"])
    assert "nothing to measure" in capsys.readouterr().err


@pytest.mark.parametrize("recorded", [1000, 1000 + load.CONNECTIONS])
def test_unanswered_last_requests_may_be_recorded(recorded):
    load.check_recorded(1000, recorded)


@pytest.mark.parametrize("recorded", [0, 999, 1001 + load.CONNECTIONS])
def test_lost_or_extra_uses_invalidate_a_round(recorded):
    with pytest.raises(
        load.InvalidRound, match=f"1,000 requests were answered and {recorded:,} uses recorded"
    ):
        load.check_recorded(1000, recorded)
