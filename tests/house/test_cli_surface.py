"""The surface of the `reflow` command, its commands, arguments, options and exit codes, is the one that is committed.

`.venv/bin/python -m tests.house.test_cli_surface` writes the committed one anew.
"""

from collections.abc import Iterator
from pathlib import Path

import click

from reflow_accounts.cli.app import reflow
from reflow_accounts.cli.main import INTERRUPTED
from reflow_accounts.contract import Exit

COMMITTED = Path(__file__).with_name("cli.txt")
# Every command takes them (cli/options.py).
COMMON = {"--key-file", "--server", "--json", "--quiet"}


def _words(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        is_choice = isinstance(parameter.type, click.Choice) and not parameter.metavar
        name = _choices(parameter) if is_choice else parameter.metavar or str(parameter.name).upper()
        return name if parameter.required else f"[{name}]"
    names = ", ".join(parameter.opts)
    if getattr(parameter, "is_flag", False):
        return f"[{names}]"
    is_choice = isinstance(parameter.type, click.Choice)
    kind = _choices(parameter) if is_choice else parameter.metavar or parameter.type.name.upper()
    default = f" ({parameter.default})" if isinstance(parameter.default, str | int) else ""
    return f"[{names} {kind}{default}]"


def _choices(parameter: click.Parameter) -> str:
    return "|".join(parameter.type.choices)


def _commands(command: click.Command, name: str = "reflow") -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for inner in sorted(command.list_commands(click.Context(command))):
            found = command.get_command(click.Context(command), inner)
            assert found
            yield from _commands(found, f"{name} {inner}")


def surface() -> str:
    """Return one line for each command, before them what all take, and after them the exit codes."""
    common = " ".join(_words(parameter) for parameter in reflow.params if COMMON & set(parameter.opts))
    lines = [f"every command {common}"]
    for name, command in _commands(reflow):
        shown = [_words(parameter) for parameter in command.params if not COMMON & set(parameter.opts)]
        lines.append(" ".join([name, *shown]))
    codes = {code.name.lower().replace("_", " "): int(code) for code in Exit} | {"interrupted": INTERRUPTED}
    lines += [f"exit {number} {words}" for words, number in codes.items()]
    return "\n".join(lines) + "\n"


def test_surface_equals_the_committed_one():
    assert surface() == COMMITTED.read_text("utf-8"), f"Run: python -m {__name__}"


def test_every_command_takes_the_common_options_and_explains_itself():
    for name, command in _commands(reflow):
        assert {option for parameter in command.params for option in parameter.opts} >= COMMON, name
        assert command.help, name


if __name__ == "__main__":
    COMMITTED.write_text(surface(), "utf-8")
