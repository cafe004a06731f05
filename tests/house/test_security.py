"""The table of SECURITY.md names existing files and tests."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"\| (\d+\.\d+\.\d+)(\*?) \| `([^`]+)` \| (`[^`]+`(?:, `[^`]+`)*|—) \|")
# What is written down rather than done has no test.
WRITTEN = {"SECURITY.md", "requirements.txt"}
# The level 3 requirements that are promised.
PROMISED = {"3.3.5", "4.1.4", "6.3.8", "7.5.3", "15.4.2"}


def rows():
    table = (ROOT / "SECURITY.md").read_text("utf-8").partition("| number |")[2].splitlines()[2:]
    found = [ROW.fullmatch(line) for line in table if line]
    assert all(found), [line for line, match in zip(table, found, strict=False) if not match]
    return [match.groups() for match in found]


def test_requirements_are_listed_once_and_in_order():
    numbers = [tuple(map(int, number.split("."))) for number, *_ in rows()]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 100
    assert {number for number, star, *_ in rows() if star} >= PROMISED


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_named_places_and_tests_exist(row):
    number, _, place, tests = row
    assert (ROOT / place).exists(), f"{number}: there is no {place}"
    assert tests != "—" or place in WRITTEN, f"{number} is shown by no test"
    for test in re.findall("`([^`]+)`", tests):
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text("utf-8")
        assert re.search(rf"^def {name}\(", text, re.MULTILINE), f"{number}: no {test}"
