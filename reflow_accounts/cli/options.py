"""The options that every command accepts, before or after its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.output import be_quiet

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMAND_NAME = "reflow"
COMPLETION_VARIABLE = "_REFLOW_COMPLETE"  # set by the completion script

Command = TypeVar("Command", bound=Callable[..., Any])

pass_context = click.make_pass_decorator(Context)


class Group(click.Group):
    """A command group that suggests the nearest command for a misspelled one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the name, the command and the remaining arguments. Raises click.UsageError."""
        if (
            args
            and not ctx.resilient_parsing
            and args[0] not in self.list_commands(ctx)
            and args[0][:1] != "-"
        ):
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), n=2, cutoff=0.5)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


def common_options(command: Command) -> Command:
    """Decorate `command` with the common options; a later option overrides an earlier one."""
    for decorate in reversed(_OPTIONS):
        command = decorate(command)
    return command


def _store(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    context = ctx.ensure_object(Context)
    if value not in (None, False):
        setattr(context, str(parameter.name), value)


def _store_quiet(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.ensure_object(Context)
    if value:
        be_quiet(ctx)


def complete_file_name(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Return the completion that lets the shell complete a file name."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


# Eager, so that --version, which ends the run, sees all of them in any position.
_SETTINGS: dict[str, Any] = {"expose_value": False, "is_eager": True}
_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "-k",
        "--key-file",
        "key_file",
        metavar="FILE",
        help="Use the API key in FILE (- for stdin).",
        shell_complete=complete_file_name,
        callback=_store,
        **_SETTINGS,
    ),
    click.option(
        "--server",
        "server_option",
        metavar="URL",
        help="The Reflow server (or REFLOW_SERVER).",
        callback=_store,
        **_SETTINGS,
    ),
    click.option(
        "--as",
        "place",
        type=click.Choice(["login", "home", "repo", "env"]),
        help="Use only the credential of this place.",
        callback=_store,
        **_SETTINGS,
    ),
    click.option(
        "--insecure",
        "insecure",
        is_flag=True,
        help="Allow http:// to another machine.",
        callback=_store,
        **_SETTINGS,
    ),
    click.option(
        "--json", "as_json", is_flag=True, help="Print the API's JSON.", callback=_store, **_SETTINGS
    ),
    click.option(
        "--quiet",
        "quiet",
        is_flag=True,
        help="Print no hints or warnings.",
        callback=_store_quiet,
        **_SETTINGS,
    ),
)
