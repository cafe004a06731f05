"""What a shell is told when somebody presses Tab, from what is on this machine alone."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class, shell_complete

NAME = "reflow"
VARIABLE = "_REFLOW_COMPLETE"  # set by the script, for the runs that complete
SHELLS = ("bash", "zsh", "fish")


def script_for(shell: str) -> str:
    """Return the script that teaches this shell (one of SHELLS) to ask us."""
    kind = get_completion_class(shell)
    assert kind
    script = kind(click.Group(NAME), {}, NAME, VARIABLE)
    # Not `source`: for bash it would start one, to look at its version.
    return script.source_template % script.source_vars()


def complete(group: click.Group, instruction: str) -> int:
    """Answer the script: write the possible words to stdout and return the exit code. Asks nobody."""
    try:
        return shell_complete(group, {}, NAME, VARIABLE, instruction)
    except (LookupError, ValueError):  # not from our script
        return 1
