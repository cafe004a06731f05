"""`reflow --help` without click, whose import would be most of its price: the text is kept ready."""

import os
import sys

from reflow_accounts.cli.help_text import HELP

_COLUMNS = 80  # the kept text fills 78 of them


def is_enough(arguments: list[str]) -> bool:
    """Say whether the kept text is the whole answer: to `--help` alone, where it fits."""
    if arguments != ["--help"] or os.environ.get("_REFLOW_COMPLETE") or sys.stdout is None:
        return False
    try:
        return os.get_terminal_size().columns >= _COLUMNS
    except (OSError, ValueError):  # stdout is no terminal
        return True


def show() -> None:
    """Write the help to stdout. Raises OSError."""
    sys.stdout.write(HELP)
    sys.stdout.flush()
