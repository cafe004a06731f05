"""The command starts fast: no server code, and rich only for a table."""

import subprocess
import sys

import pytest

from tests.cli.secrets_for_tests import made_up_key

HEAVY = {"flask", "sqlalchemy", "werkzeug", "httpx", "granian", "jinja2", "pydantic"}
PROBE = """
import sys
from reflow_accounts.cli.main import main
code = main({words!r})
print("\\n".join(["MODULES", *sorted(sys.modules)]), file=sys.__stderr__)
sys.exit(code)
"""


def _modules(terminal, *words: str) -> set[str]:
    command = [sys.executable, "-c", PROBE.format(words=list(words))]
    done = subprocess.run(
        command, env=terminal.environ, cwd=terminal.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.partition("MODULES\n")[2].split())


@pytest.fixture
def keyed_terminal(listener_terminal, listener):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    listener.respond("GET", "/keys", {"items": [], "next_cursor": None})
    return listener_terminal


@pytest.mark.parametrize(
    "words",
    [("--help",), ("--version",), ("whoami",), ("whoami", "--json"), ("keys", "list"), ("keys", "--help")],
    ids=" ".join,
)
def test_command_imports_neither_the_server_nor_rich(keyed_terminal, words):
    roots = {name.partition(".")[0] for name in _modules(keyed_terminal, *words)}

    assert roots.isdisjoint(HEAVY | {"rich"})


def test_command_imports_only_the_contract(keyed_terminal):
    ours = {name for name in _modules(keyed_terminal, "whoami") if name.startswith("reflow_accounts")}

    outside = {name for name in ours if not name.startswith("reflow_accounts.cli")}
    assert outside == {"reflow_accounts", "reflow_accounts.contract"}


def test_help_loads_no_network_and_no_command(keyed_terminal):
    modules = _modules(keyed_terminal, "--help")

    assert modules.isdisjoint({"urllib.request", "http.client", "ssl", "json", "subprocess", "dataclasses"})
    assert not [name for name in modules if name.startswith("reflow_accounts.cli.commands")]


def test_rich_draws_a_table_on_a_terminal(keyed_terminal, listener):
    listener.respond("GET", "/keys", {"items": [{"id": "key_1", "name": "[red]a"}], "next_cursor": None})

    outcome = keyed_terminal.run_interactively("keys", "list")

    assert "Name" in outcome.stdout
    assert "[red]a" in outcome.stdout
