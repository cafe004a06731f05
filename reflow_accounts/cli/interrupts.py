"""Ctrl-C: the signal handlers, the message and exit code 130."""

import _thread
import os
import signal
import sys
from contextlib import suppress
from typing import Any

INTERRUPTED = 130  # as a shell reports Ctrl-C

_received: list[int] = []


def exit_on_ctrl_c() -> None:
    """Exit at once on Ctrl-C: during an import, KeyboardInterrupt could surface as another exception."""
    _set_handler(lambda *_: os._exit(report_interrupt()))


def raise_on_ctrl_c() -> None:
    """Raise KeyboardInterrupt on Ctrl-C and remember it for `was_interrupted`."""
    _set_handler(_raise)


def ignore_ctrl_c() -> None:
    """Ignore Ctrl-C from now on."""
    _set_handler(signal.SIG_IGN)


def report_interrupt() -> int:
    """Write the message about Ctrl-C, once even if it was pressed several times, and return the exit code."""
    ignore_ctrl_c()
    with suppress(OSError, AttributeError, ValueError):  # stderr is closed
        start = "\n" if sys.stderr.isatty() else ""  # the terminal showed ^C
        os.write(sys.stderr.fileno(), f"{start}reflow: interrupted.\n".encode())
    return INTERRUPTED


def was_interrupted() -> bool:
    """Return whether Ctrl-C was pressed."""
    return bool(_received)


def forward_unraisable(unraisable: Any) -> None:
    """A `sys.unraisablehook` that prints nothing, but raises a KeyboardInterrupt again."""
    if unraisable.exc_type is KeyboardInterrupt:
        _thread.interrupt_main()


def _raise(number: int, _: object) -> None:
    _received.append(number)
    raise KeyboardInterrupt


def _set_handler(handler: Any) -> None:
    """Install `handler` for SIGINT, unless the parent process ignores the signal (nohup)."""
    with suppress(ValueError, OSError):  # not in the main thread
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, handler)
