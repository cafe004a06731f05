"""`reflow completion` and `reflow help`: the commands, for a shell and for a person."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from reflow_accounts.cli.options import COMMAND_NAME, COMPLETION_VARIABLE, common_options
from reflow_accounts.cli.output import result

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@common_options
def completion(shell: str) -> None:
    """Print the completion script for your shell.

    It works from the next shell on after one of these:

    \b
      bash  echo 'eval "$(reflow completion bash)"' >> ~/.bashrc
      zsh   echo 'eval "$(reflow completion zsh)"' >> ~/.zshrc
            (below the line with compinit)
      fish  reflow completion fish > ~/.config/fish/completions/reflow.fish

    bash needs version 4.4 or newer. Completion works without the server and asks no questions.
    """
    kind = get_completion_class(shell)
    assert kind
    script = kind(click.Group(COMMAND_NAME), {}, COMMAND_NAME, COMPLETION_VARIABLE)
    # Not `source`: for bash it would start a shell to check its version.
    result((script.source_template % script.source_vars()).rstrip("\n"))


@click.command("help")
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@common_options
@click.pass_context
def help_command(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command."""
    found = ctx.find_root()
    for word in words:
        group = found.command
        command = group.resolve_command(found, [word])[1] if isinstance(group, click.Group) else None
        if command is None:
            raise click.UsageError(f"{found.command_path} has no commands.", found)
        found = click.Context(command, info_name=word, parent=found, terminal_width=found.terminal_width)
    result(found.get_help())
