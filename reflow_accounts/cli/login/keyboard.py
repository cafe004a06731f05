"""Waiting for Enter and for time to pass, whichever comes first."""

from __future__ import annotations

import os
import sys
import time


def was_enter_pressed(seconds: float) -> bool:
    """Wait at most so long for Enter on the terminal; say whether it was pressed. Other keys do nothing."""
    return _on_windows(seconds) if os.name == "nt" else _elsewhere(seconds)


def _elsewhere(seconds: float) -> bool:
    import select

    try:
        if not select.select([sys.stdin], [], [], seconds)[0]:
            return False
        # A line at a time, as terminals give it; at the end of the input there is nothing to wait for.
        if os.read(sys.stdin.fileno(), 4096):
            return True
    except (OSError, ValueError):
        pass
    time.sleep(seconds)
    return False


def _on_windows(seconds: float) -> bool:
    import msvcrt

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        while msvcrt.kbhit():  # type: ignore[attr-defined]  # exists there alone
            if msvcrt.getwch() in "\r\n":  # type: ignore[attr-defined]
                return True
        time.sleep(0.1)
    return False
