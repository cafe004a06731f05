"""The benchmark refuses what it cannot measure, and a round that lost a use."""

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
def test_what_cannot_be_measured_is_refused_in_one_sentence(words, least, capsys):
    with pytest.raises(SystemExit) as refused:
        options.read(words)
    assert refused.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"argument {words[0]}: write a whole number, {least} or more, not '{words[1]}'." in said


def test_a_bench_of_nothing_is_refused(capsys):
    with pytest.raises(SystemExit):
        options.read(["--starts-only", "--starts", "0"])
    assert "nothing to measure" in capsys.readouterr().err


@pytest.mark.parametrize("recorded", [1000, 1000 + load.CONNECTIONS])
def test_what_was_on_its_way_at_the_end_may_be_recorded_and_not_answered(recorded):
    load.check_recorded(1000, recorded)


@pytest.mark.parametrize("recorded", [0, 999, 1001 + load.CONNECTIONS])
def test_a_lost_use_or_one_too_many_makes_a_round_worthless(recorded):
    with pytest.raises(load.Worthless, match=f"1,000 requests were answered and {recorded:,} uses recorded"):
        load.check_recorded(1000, recorded)
