"""Output: tables on a terminal, tab-separated lines in a pipe, JSON on request, colours."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len

from tests.cli.secrets_for_tests import made_up_key

LISTS = [("keys", "list"), ("activity",), ("team", "list"), ("team", "members")]
OTHERS = [("--help",), ("whoami",), ("nonsense",), ("keys", "revoke", "x")]
EVERY = pytest.mark.parametrize("words", LISTS, ids=" ".join)


@EVERY
def test_terminal_gets_a_table_with_headings(keyed_terminal, words):
    outcome = keyed_terminal.run_interactively(*words)

    assert outcome.code == 0
    assert "─" in outcome.stdout
    assert "\t" not in outcome.stdout


@EVERY
def test_pipe_gets_lines_with_tabs_and_no_headings(keyed_terminal, words):
    keyed_terminal.environ |= {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TERM": "xterm-256color"}

    outcome = keyed_terminal.run(*words)

    assert outcome.code == 0
    assert len({line.count("\t") for line in outcome.stdout.splitlines()}) == 1
    assert not set("\x1b─") & set(outcome.output)


def test_json_cannot_control_the_terminal(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    listener.respond("GET", "/me", {"user": {"name": "a\x9b2J\u202eb"}})
    outcome = listener_terminal.run("whoami", "--json")
    assert "a\\u009b2J\\u202eb" in outcome.stdout
    assert json.loads(outcome.stdout)["user"]["name"] == "a\x9b2J\u202eb"


@EVERY
def test_json_is_the_answer_of_the_api(keyed_terminal, words):
    assert json.loads(keyed_terminal.run("--json", *words).stdout)["items"]
    assert json.loads(keyed_terminal.run_interactively("--json", *words).stdout)["items"]


@pytest.mark.parametrize(
    "words", [*LISTS, ("--help",), ("whoami",), ("nonsense",), ("keys", "revoke", "x")], ids=" ".join
)
@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_no_colour_prints_no_escapes(keyed_terminal, words, plain):
    keyed_terminal.environ |= plain

    assert "\x1b" not in keyed_terminal.run_interactively(*words).stdout


NOW = datetime.now(UTC)
KEY = {
    "id": "key_0123456789abcdef",
    "name": "the key of the nightly build of the web shop in Söhne & 株式会社",
    "hint": "ab12",
    "use_count": 12345,
    "last_used_at": (NOW - timedelta(hours=5, minutes=5)).isoformat(),
    "created_at": (NOW - timedelta(days=45, hours=5)).isoformat(),
    "expires_at": (NOW + timedelta(days=29, hours=5)).isoformat(),
}
MEMBER = {
    "id": "usr_0123456789abcdef",
    "name": "Adalbertina Parkinson-Wellesley",
    "email": "adalbertina.parkinson@purchasing.acme.example",
    "rights": "admin",
    "last_active_at": None,
    "joined_at": KEY["created_at"],
}
ENTRY = {
    "id": "act_1",
    "at": KEY["last_used_at"],
    "title": "API key used",
    "subject": {"name": KEY["name"]},
    "by": {"name": MEMBER["name"]},
    "use": {
        "method": "GET",
        "path": "/api/v1/teams/team_0123456789abcdef/members",
        "status": 200,
        "address": "2001:db8:1234:5678:9abc:def0:1234:5678",
        "user_agent": "reflow/0.1.0 (Linux x86_64)",
    },
}


@pytest.fixture
def full(listener_terminal, listener):
    """The terminal at a server with long names."""
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    listener.respond("GET", "/teams", {"items": [{"id": "team_1", "name": "Acme"}], "next_cursor": None})
    for path, item in (("/keys", KEY), ("/teams/team_1/members", MEMBER), ("/activity", ENTRY)):
        listener.respond("GET", path, {"items": [item, item], "next_cursor": None})
    return listener_terminal


@pytest.mark.parametrize("columns", [40, 50, 80, 100])
@pytest.mark.parametrize(
    ("words", "item"), [(("keys", "list"), KEY), (("team", "members"), MEMBER), (("activity",), ENTRY)]
)
def test_table_fits_the_terminal(full, words, item, columns):
    full.environ["COLUMNS"] = str(columns)

    lines = full.run_interactively(*words).stdout.splitlines()

    assert max(map(cell_len, lines)) <= columns
    assert "…" in "".join(lines)
    assert any("5 hours ago" in line or "Never" in line for line in lines)
    if columns < 50:
        assert len(lines) > 4
        assert not any("─" in line for line in lines)
    else:
        assert len(lines) == 4, lines
        has_id = item is not ENTRY and columns >= 100
        assert lines[2].endswith(item["id"]) is has_id
        assert (item["id"] in "".join(lines)) is has_id


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 160])
def test_activity_shows_what_happened_at_any_width(full, listener, columns):
    full.environ["COLUMNS"] = str(columns)
    titles = ["API key refused", "API key revoked", "API key restored", "API key rotated"]
    rotation = {**ENTRY["use"], "path": f"/api/v1/keys/{KEY['id']}/rotation"}
    items = [{**ENTRY, "title": title, "use": rotation} for title in titles]
    listener.respond("GET", "/activity", {"items": items, "next_cursor": None})

    lines = full.run_interactively("activity").stdout.splitlines()

    assert max(map(cell_len, lines)) <= columns
    assert [line.split("  ")[1].strip() for line in lines[2:]] == titles
    assert "Request" in lines[0]
    assert all(("GET …/k" if columns < 140 else "GET /api/v1/k") in line for line in lines[2:])


@pytest.mark.parametrize("columns", [60, 80])
def test_long_title_leaves_out_other_columns(full, listener, columns):
    full.environ["COLUMNS"] = str(columns)
    title = "AWS Marketplace subscription connected"
    listener.respond("GET", "/activity", {"items": [{**ENTRY, "title": title}], "next_cursor": None})

    lines = full.run_interactively("activity").stdout.splitlines()

    assert max(map(cell_len, lines)) <= columns
    assert title in lines[2]


def test_times_are_relative_on_a_terminal_and_exact_in_a_pipe(full):
    drawn, piped = full.run_interactively("keys", "list").stdout, full.run("keys", "list").stdout

    for text in ("5 hours ago", "45 days ago", "in 29 days"):
        assert text in drawn
    cells = piped.splitlines()[0].split("\t")
    assert cells == [
        str(KEY[name])
        for name in ("id", "name", "hint", "use_count", "last_used_at", "created_at", "expires_at")
    ]
