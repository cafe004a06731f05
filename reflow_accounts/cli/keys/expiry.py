"""Expiry of keys: the option --expires, and the warning about the key in use."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

import click

from reflow_accounts.cli.credentials import Credential, Kind
from reflow_accounts.cli.errors import UsageFault
from reflow_accounts.cli.output import tell

_WARNED = "reflow_accounts.cli.warned_of_end"
_DAYS = re.compile(r"([1-9][0-9]{0,3})d")
_LAST_YEAR = 9998

expires_option = click.option(
    "--expires",
    metavar="WHEN",
    help="When the key ends: 30d (days), a date such as 2027-03-31 (its last day, in local time), a time with "
    "a zone, or never (the default).",
)


def end_of(text: str | None, option: str = "--expires") -> str | None:
    """Return the value `text` of `option` as a time in UTC (RFC 3339), None without one. Raises UsageFault.

    --expires may also be "never", which is None.
    """
    if text is None or (text == "never" and option == "--expires"):
        return None
    if days := _DAYS.fullmatch(text):
        return _as_rfc3339(datetime.now(UTC) + timedelta(days=int(days[1])))
    try:
        is_day = len(text) == len("2027-03-31")
        end = (
            datetime.combine(date.fromisoformat(text), time(23, 59, 59))
            if is_day
            else datetime.fromisoformat(text)
        )
        if end.year > _LAST_YEAR:
            raise ValueError
        return _as_rfc3339(end.astimezone() if is_day else end)
    except (ValueError, OverflowError):
        raise UsageFault(
            f"{option} {text} is not a valid end. Write 30d, a date such as 2027-03-31, or a time with a zone "
            "such as 2027-03-31T12:00:00Z."
        ) from None


def warn_of_end(credential: Credential, expires_at: str) -> None:
    """Warn once in a run that the key in use ends at `expires_at`, the value of KEY_EXPIRES_HEADER."""
    try:
        end = datetime.fromisoformat(expires_at).astimezone(UTC)
    except ValueError:
        return
    if credential.source.kind is Kind.ANSWER:
        return  # a new key is being tried
    ctx = click.get_current_context(silent=True)
    if ctx and ctx.meta.get(_WARNED):
        return
    if ctx:
        ctx.meta[_WARNED] = True
    days = (end - datetime.now(UTC)) // timedelta(days=1)
    left = f"in {days} day{'' if days == 1 else 's'}" if days > 0 else "in less than a day"
    tell(
        f"warning: {credential.source} ends {left}, on {end:%Y-%m-%d at %H:%M} UTC. Put a new one there "
        "before then."
    )


def _as_rfc3339(end: datetime) -> str:
    if end.tzinfo is None:
        raise ValueError
    return f"{end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
