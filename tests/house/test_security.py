"""The table of SECURITY.md covers OWASP ASVS 5.0, and names existing files and tests."""

import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "SECURITY.md").read_text("utf-8")
ROW = re.compile(r"\| (\d+\.\d+\.\d+)(\*?) \| `([^`]+)` \| (`[^`]+`(?:, `[^`]+`)*|none: [^|`]{10,}) \|")
ABSENT = re.compile(r"\| ((?:\d+\.\d+\.\d+(?:, )?)+) \| (no [^|]+) \|")
# The level 3 requirements that are promised.
PROMISED = {"3.3.5", "4.1.4", "6.3.8", "7.5.3", "15.4.2"}
# Requirement 2.1.2, 2.1.3, 8.1, 11.1, 13.1, 14.1, 15.1 and 16.1 ask for these.
SECTIONS = {
    "Reporting a vulnerability",
    "Authorization",
    "Consistency rules",
    "Limits on resources",
    "Cryptography",
    "Outgoing connections",
    "Protection of data",
    "Logs",
}


def table_after(heading, shape):
    lines = PAGE.partition(heading)[2].partition("\n\n")[0].splitlines()[2:]
    found = [shape.fullmatch(line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    return [match.groups() for match in found]


def rows():
    return table_after("| number |", ROW)


def standard():
    """The numbers of the standard with their levels (github.com/OWASP/ASVS, release 5.0.0)."""
    with (ROOT / "tests/house/asvs.csv").open() as file:
        return {row["number"]: int(row["level"]) for row in csv.DictReader(file)}


def test_every_requirement_of_levels_1_and_2_has_a_row_or_does_not_apply():
    levels = standard()
    assert len(levels) == 345
    numbers = [number for number, *_ in rows()]
    absent = [
        one for some, _ in table_after("| numbers of level 1 and 2", ABSENT) for one in some.split(", ")
    ]
    expected = {number for number, level in levels.items() if level < 3}
    assert {number for number in numbers if levels[number] < 3} | set(absent) == expected
    assert not set(numbers) & set(absent)
    starred = {number for number, star, *_ in rows() if star}
    assert starred == {number for number in numbers if levels[number] == 3}
    assert starred >= PROMISED


def test_requirements_are_listed_once_and_in_order():
    numbers = [tuple(map(int, number.split("."))) for number, *_ in rows()]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_named_places_and_tests_exist(row):
    number, _, place, tests = row
    assert (ROOT / place).exists(), f"{number}: there is no {place}"
    for test in re.findall("`([^`]+)`", tests):
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text("utf-8")
        assert re.search(rf"^def {name}\(", text, re.MULTILINE), f"{number}: no {test}"


def test_document_has_the_sections_that_requirements_ask_for():
    sections = dict(re.findall(r"^##+ (.+)\n((?:(?!##).*\n)+)", PAGE, re.MULTILINE))
    assert {name for name in SECTIONS if len(sections.get(name, "").split()) > 20} == SECTIONS


def test_every_library_is_pinned_with_hashes():
    for file in ("requirements.txt", "requirements-dev.txt"):
        pins = re.split(r"\n(?=\S)", (ROOT / file).read_text("utf-8").strip())
        assert len(pins) > 30
        for pin in pins:
            assert re.match(r"[\w.\-\[\]]+==\S+ ", pin), pin
            assert "--hash=sha256:" in pin, pin


def test_proxy_takes_no_old_tls():
    text = (ROOT / "deploy/nginx/reflow-accounts.conf").read_text("utf-8")
    assert re.findall(r"^\s*ssl_protocols (.*);", text, re.MULTILINE) == ["TLSv1.2 TLSv1.3"]
