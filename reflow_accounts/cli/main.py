"""The entry point of the `reflow` script."""

import _thread
import gc
import os
import signal
import sys
from contextlib import suppress
from typing import Any

INTERRUPTED = 130  # as a shell reports Ctrl-C


def main(arguments: list[str] | None = None) -> int:
    """Run the command with `arguments` (default: those of the process) and return its exit code."""
    gc.disable()  # the process is too short-lived to gain from it; the start is a twentieth faster
    sys.unraisablehook = _pass_on
    try:
        from reflow_accounts.cli.app import run

        code = run(sys.argv[1:] if arguments is None else arguments)
        _close_the_ears()
        return code
    except KeyboardInterrupt:  # while it was still starting, or ending
        return interrupted()


def interrupted() -> int:
    """Say that a person pressed Ctrl-C, once however often it was, and return the exit code."""
    _close_the_ears()
    with suppress(OSError, AttributeError, ValueError):  # nobody listens
        start = "\n" if sys.stderr.isatty() else ""  # the terminal showed ^C
        os.write(sys.stderr.fileno(), f"{start}reflow: interrupted.\n".encode())
    return INTERRUPTED


def _close_the_ears() -> None:
    """Ignore Ctrl-C from now on: nothing is left to interrupt but the end of Python, which would complain."""
    with suppress(ValueError, OSError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _pass_on(unraisable: Any) -> None:
    """Say nothing of what Python could not raise, but do not lose a Ctrl-C that came in such a moment."""
    if unraisable.exc_type is KeyboardInterrupt:
        _thread.interrupt_main()
