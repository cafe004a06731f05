"""Ctrl-C, SIGTERM and SIGHUP: the signal handlers, the message and the exit code."""

import os
import signal
import sys
from contextlib import suppress
from typing import Any

# CI systems end a cancelled job with SIGTERM, and a closed terminal sends SIGHUP, which Windows does not have.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_SHELL_BASE = 128  # shells report an end by a signal as this plus its number
INTERRUPTED = _SHELL_BASE + signal.SIGINT
_SOON = 0.01  # seconds
EXIT_CODES = [_SHELL_BASE + number for number in _SIGNALS]

_received: list[signal.Signals] = []


def exit_on_signal() -> None:
    """Exit at once on a signal: during an import, KeyboardInterrupt could surface as another exception."""
    _set_handler(_exit)


def raise_on_signal() -> None:
    """Raise KeyboardInterrupt on a signal and remember it for `was_interrupted`."""
    _set_handler(_raise)


def ignore_signals() -> None:
    """Ignore the signals from now on."""
    _set_handler(signal.SIG_IGN)
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)  # stops the timer of `raise_again_soon`


def restore_defaults() -> None:
    """Stop ignoring the signals that Python ignores: a program that replaces this process would ignore them, too."""
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):  # not on Windows
            signal.signal(getattr(signal, name), signal.SIG_DFL)


def ignore_closed_pipes() -> None:
    """Undo `restore_defaults`: writing to a closed pipe raises an error again, and does not end the process."""
    if hasattr(signal, "SIGPIPE"):  # not on Windows
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def report_interrupt() -> int:
    """Write the message, once even after several signals, and return the exit code for the first of them."""
    ignore_signals()
    with suppress(OSError, AttributeError, ValueError):  # stderr is closed
        start = "\n" if sys.stderr.isatty() else ""  # the terminal showed ^C
        os.write(sys.stderr.fileno(), f"{start}reflow: interrupted.\n".encode())
    return _SHELL_BASE + _received[0] if _received else INTERRUPTED


def was_interrupted() -> bool:
    """Return whether a signal was received."""
    return bool(_received)


def raise_again_soon(unraisable: Any) -> None:
    """A `sys.unraisablehook` that prints nothing, but raises a KeyboardInterrupt again a moment later.

    `__del__` and the callbacks of weak references cannot raise it, and neither can this function.
    """
    if unraisable.exc_type is KeyboardInterrupt:
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, _raise)
            signal.setitimer(signal.ITIMER_REAL, _SOON)
        else:  # Windows
            os._exit(report_interrupt())


def _exit(number: int, _: object) -> None:
    _received.append(signal.Signals(number))
    os._exit(report_interrupt())


def _raise(number: int, _: object) -> None:
    _received.append(signal.Signals(number))
    raise KeyboardInterrupt


def _set_handler(handler: Any) -> None:
    """Install `handler` for each signal, unless the parent process ignores it (nohup)."""
    with suppress(ValueError, OSError):  # not in the main thread
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, handler)
