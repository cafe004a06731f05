"""Opening a page in the person's browser, where there is one to be seen."""

from __future__ import annotations

import sys
from collections.abc import Mapping

_OPEN = "import sys, webbrowser; webbrowser.open(sys.argv[1])"


def can_open(environ: Mapping[str, str], system: str = sys.platform) -> bool:
    """Say whether a page that is opened here would appear before the person: never in CI and over SSH.

    A browser of one's own choice (the variable BROWSER) counts everywhere but in CI.
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
    """Open a web page and do not wait for it.

    The browser gets a process of its own: it neither writes among our lines, nor keeps our output open
    for who reads it, nor ends with our Ctrl-C.
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
