"""`reflow completion`: the script with which a shell completes commands and options."""

from __future__ import annotations

import click

from reflow_accounts.cli.completing import SHELLS, script_for
from reflow_accounts.cli.options import common_options
from reflow_accounts.cli.output import result


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@common_options
def completion(shell: str) -> None:
    """Print the script that completes commands in your shell.

    It works from the next shell on after one of these:

    \b
      bash  echo 'eval "$(reflow completion bash)"' >> ~/.bashrc
      zsh   echo 'eval "$(reflow completion zsh)"' >> ~/.zshrc
            (below the line with compinit)
      fish  reflow completion fish > ~/.config/fish/completions/reflow.fish

    bash needs version 4.4 or newer. Completing asks neither the server nor you.
    """
    result(script_for(shell).rstrip("\n"))
