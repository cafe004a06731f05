"""Reading a point in time as people give it: a date, a moment, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from reflow_accounts.cli.errors import UsageFault

_AGO = re.compile(r"([0-9]{1,6})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment_given(words: str, now: datetime) -> str:
    """Return `words` (2026-05-01, 2026-05-01T12:00, 7d, 12h, 30m, 2w) as RFC 3339 in UTC.

    Without an offset the time is UTC. `now` is aware. Raises UsageFault.
    """
    ago = _AGO.fullmatch(words)
    try:
        time = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])}) if ago else datetime.fromisoformat(words)
        aware = time if time.tzinfo else time.replace(tzinfo=UTC)
        return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        raise UsageFault(
            "--since is a date, a time or how long ago: 2026-05-01, 2026-05-01T12:00Z, 7d, 12h."
        ) from None
