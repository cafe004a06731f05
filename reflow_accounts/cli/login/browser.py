"""Opening a page in the person's browser, where there is one to be seen."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


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


def open_page(address: str) -> bool:
    """Open a web page; say whether a browser took it. What the browser writes is not shown."""
    import webbrowser

    try:
        with _silence():
            return webbrowser.open(address)
    except (webbrowser.Error, OSError, ValueError):
        return False


@contextmanager
def _silence() -> Iterator[None]:
    """Send stderr nowhere: a browser that starts here would write among our lines."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
