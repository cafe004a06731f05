"""Opens the login page in the user's browser when Enter is pressed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping

_OPEN = "import sys, webbrowser; webbrowser.open(sys.argv[1])"


def can_open(environ: Mapping[str, str], system: str = sys.platform) -> bool:
    """Return whether the user would see a page that is opened here: not in CI and not over SSH.

    The variable BROWSER counts everywhere except in CI.
    """
    if environ.get("CI"):
        return False
    if environ.get("BROWSER"):
        return True
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return False
    if system in ("win32", "darwin"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def open_page(address: str) -> None:
    """Open a web page without waiting for it.

    The browser runs in a process of its own, so that it does not write to our terminal, keep our output
    open, or end with our Ctrl-C.
    """
    import contextlib
    import subprocess

    quiet = subprocess.DEVNULL
    with contextlib.suppress(OSError):
        subprocess.Popen(  # noqa: S603  # our own Python; no shell reads the address
            [sys.executable, "-I", "-c", _OPEN, address],
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            start_new_session=True,
        )


def was_enter_pressed(seconds: float) -> bool:
    """Wait up to `seconds` for Enter on the terminal and return whether it was pressed."""
    return _wait_on_windows(seconds) if os.name == "nt" else _wait_on_posix(seconds)


def _wait_on_posix(seconds: float) -> bool:
    import select

    try:
        if not select.select([sys.stdin], [], [], seconds)[0]:
            return False
        # Terminals return a line at a time; at the end of the input there is nothing to wait for.
        if os.read(sys.stdin.fileno(), 4096):
            return True
    except (OSError, ValueError):
        pass
    time.sleep(seconds)
    return False


def _wait_on_windows(seconds: float) -> bool:
    import msvcrt

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        while msvcrt.kbhit():  # type: ignore[attr-defined]  # Windows only
            if msvcrt.getwch() in "\r\n":  # type: ignore[attr-defined]
                return True
        time.sleep(0.1)
    return False
