"""`reflow keys create --expires`, and the warning in the last 14 days of a key."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.account import unused_name
from tests.cli.secrets_for_tests import made_up_key


@pytest.mark.parametrize(
    ("when", "end"),
    [
        ("2031-03-31", "2031-04-01T03:59:59.000000Z"),
        ("2031-03-31T12:00:00+02:00", "2031-03-31T10:00:00.000000Z"),
        ("9998-12-30", "9998-12-31T04:59:59.000000Z"),
        ("never", None),
    ],
)
def test_key_is_created_with_an_end(keyed_terminal, when, end):
    """A date is a day in local time."""
    keyed_terminal.environ["TZ"] = "America/New_York"
    outcome = keyed_terminal.run("keys", "create", unused_name(), "--expires", when, "--json")
    assert outcome.code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["expires_at"] == end
    minute = f"It expires {end[:16].replace('T', ' ')} UTC." if end else ""
    assert minute in outcome.stderr
    assert ("It expires" in outcome.stderr) == bool(end)


def test_key_that_ends_soon_is_warned_of_on_each_use(keyed_terminal):
    name = unused_name()
    created = keyed_terminal.run("keys", "create", name, "--expires", "10d")
    keyed_terminal.environ["REFLOW_API_KEY"] = created.stdout.strip()

    outcome = keyed_terminal.run("keys", "list")

    assert outcome.code == 0
    assert outcome.stderr.count("warning: ") == 1
    end = datetime.now(UTC) + timedelta(days=10)
    assert (
        f"the key in REFLOW_API_KEY (environment variable) ends in 9 days, on {end:%Y-%m-%d}"
        in outcome.stderr
    )
    [row] = [line.split("\t") for line in outcome.stdout.splitlines() if f"\t{name}\t" in line]
    assert row[6].startswith(f"{end:%Y-%m-%d}")
    assert keyed_terminal.run("keys", "show", name).stderr.count("warning: ") == 1
    assert keyed_terminal.run("--quiet", "whoami").stderr == ""


@pytest.mark.parametrize(
    "when", ["tomorrow", "2031-02-30", "2031-03-31T12:00:00", "0d", "9999-12-31", "9999-12-31T00:00:00Z"]
)
def test_bad_end_is_a_wrong_use(listener_terminal, listener, when):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    outcome = listener_terminal.run("keys", "create", "CI", "--expires", when)
    assert outcome.code == 2
    assert f"--expires {when} is not a valid end." in outcome.stderr
    assert listener.requests == []
