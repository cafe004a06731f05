"""The entry point of the `reflow` script."""

import _thread
import gc
import os
import signal
import sys
from contextlib import suppress
from typing import Any

from reflow_accounts.cli import quick_help

INTERRUPTED = 130  # as a shell reports Ctrl-C

_heard: list[int] = []


def main(arguments: list[str] | None = None) -> int:
    """Run the command with `arguments` (default: those of the process) and return its exit code."""
    gc.disable()  # the process is too short-lived to gain from it; the start is a twentieth faster
    words = sys.argv[1:] if arguments is None else arguments
    sys.unraisablehook = _pass_on
    try:
        # Until there is something to clean up, Ctrl-C ends the process on the spot: an exception in the
        # middle of an import may come out as another one.
        _on_ctrl_c(_leave)
        if quick_help.is_enough(words):
            return _help()
        from reflow_accounts.cli.app import run

        _on_ctrl_c(_raise)
        code = run(words)
        _on_ctrl_c(signal.SIG_IGN)  # nothing is left to interrupt but the end of Python, which would complain
    except KeyboardInterrupt:
        code = interrupted()
    finally:
        gc.freeze()  # or Python's end would look through all that was imported: an eighth of the whole run
    if code == INTERRUPTED:
        # Everything is cleaned up and written. Python itself would end by the signal, not with this code,
        # when the exception went through an eval() on its way.
        os._exit(code)
    return code


def _help() -> int:
    try:
        quick_help.show()
    except OSError as error:
        from reflow_accounts.cli.endings import exit_code_after

        return exit_code_after(error)
    return 0


def interrupted() -> int:
    """Say that a person pressed Ctrl-C, once however often it was, and return the exit code."""
    _on_ctrl_c(signal.SIG_IGN)
    with suppress(OSError, AttributeError, ValueError):  # nobody listens
        start = "\n" if sys.stderr.isatty() else ""  # the terminal showed ^C
        os.write(sys.stderr.fileno(), f"{start}reflow: interrupted.\n".encode())
    return INTERRUPTED


def was_interrupted() -> bool:
    """Say whether a person pressed Ctrl-C."""
    return bool(_heard)


def _raise(number: int, _: object) -> None:
    _heard.append(number)
    raise KeyboardInterrupt


def _leave(*_: object) -> None:
    os._exit(interrupted())


def _on_ctrl_c(handler: Any) -> None:
    """Let `handler` hear of Ctrl-C, unless who started us wants it ignored (nohup)."""
    with suppress(ValueError, OSError):  # not in the main thread
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, handler)


def _pass_on(unraisable: Any) -> None:
    """Say nothing of what Python could not raise, but do not lose a Ctrl-C that came in such a moment."""
    if unraisable.exc_type is KeyboardInterrupt:
        _thread.interrupt_main()
