"""Runs checks one after another, and counts those that pass."""

import time
import traceback
from collections.abc import Callable, Iterable

Check = Callable[[], str | None]


def run(checks: Iterable[tuple[str, Check]]) -> int:
    """Run checks, print a line for each, and return the exit code; a check returns what it measured, or raises."""
    passed, failed = 0, 0
    for name, check in checks:
        begun = time.monotonic()
        try:
            figures = check()
        except Exception:
            failed += 1
            print(f"FAIL  {name}\n{traceback.format_exc()}", flush=True)
        else:
            passed += 1
            print(
                f"ok    {name} ({time.monotonic() - begun:.0f} s){f': {figures}' if figures else ''}",
                flush=True,
            )
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
