"""The options that every command takes, before or after its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reflow_accounts.cli.context import Context

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])

pass_context = click.make_pass_decorator(Context)


def common_options(command: Command) -> Command:
    """Give `command` the options of the whole run; what it says wins over what was said before it."""
    for decorate in reversed(_OPTIONS):
        command = decorate(command)
    return command


def _note(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    context = ctx.ensure_object(Context)
    if value not in (None, False):
        setattr(context, str(parameter.name), value)


def _option(*names: str, **settings: Any) -> Callable[[Command], Command]:
    # Eager: so that an option that ends the run, wherever it stands, knows what the others say.
    return click.option(*names, callback=_note, expose_value=False, is_eager=True, **settings)


def files_of_the_shell(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Let the shell complete the name of a file."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    _option(
        "-k",
        "--key-file",
        "key_file",
        metavar="FILE",
        help="Use the API key in FILE.",
        shell_complete=files_of_the_shell,
    ),
    _option("--server", "server_option", metavar="URL", help="The Reflow server (or REFLOW_SERVER)."),
    _option("--json", "as_json", is_flag=True, help="Print the API's JSON."),
    _option("--quiet", "quiet", is_flag=True, help="Print no hints and warnings."),
)
