"""How a run ends that did not go well: the one place from exceptions to words and exit codes."""

from __future__ import annotations

import errno
import os

import click

from reflow_accounts.cli.errors import CommandError
from reflow_accounts.cli.main import interrupted, was_interrupted
from reflow_accounts.cli.output import give_up_stdout, say
from reflow_accounts.contract import Exit


def exit_code_after(error: BaseException) -> int:
    """Say what went wrong, on stderr and without secrets, and return the exit code."""
    if isinstance(error, CommandError):
        say("reflow: " + error.lines[0], *error.lines[1:])
        return error.exit_code
    if isinstance(error, click.UsageError):
        return _explain_usage(error)
    if isinstance(error, (KeyboardInterrupt, EOFError, click.Abort)):
        return interrupted()
    if isinstance(error, OSError):
        return _lost_output(error)
    # In the middle of an import, Ctrl-C may come out as another exception.
    return interrupted() if was_interrupted() else _apologise(error)


def _explain_usage(error: click.UsageError) -> int:
    lines = error.format_message().splitlines()
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(*lines)
        return Exit.USAGE
    say(f"reflow: {lines[0] if lines else 'wrong usage'}", *lines[1:])
    if error.ctx:
        say(*error.ctx.get_usage().splitlines(), f"Try {error.ctx.command_path} --help.")
    return Exit.USAGE


def _lost_output(error: OSError) -> int:
    """Say why stdout failed, unless its reader merely had enough."""
    give_up_stdout()
    # Windows has another word for a pipe that nobody reads.
    if isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL):
        return Exit.DONE
    say(f"reflow: the output could not be written ({error.strerror or 'unknown reason'}).")
    return Exit.FAILED


def _apologise(error: BaseException) -> int:
    """Name a mistake of the command itself by its kind and line; values could hold secrets."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_globals.get('__name__')}, line {trace.tb_lineno}" if trace else "?"
    kind = type(error).__name__
    say(f"reflow: something went wrong inside the command ({kind} in {where}). Please report it.")
    return Exit.FAILED
