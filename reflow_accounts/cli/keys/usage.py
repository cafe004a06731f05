"""Says in words how much a key was used and by which programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from reflow_accounts.cli.http.json_values import objects_in
from reflow_accounts.cli.tables import relative, when
from reflow_accounts.cli.text import clean, time_in

# Programs, and addresses of each, that are named.
_MOST_PROGRAMS, _MOST_ADDRESSES = 10, 3


def usage_lines(usage: dict[str, Any]) -> list[str]:
    """Return lines about the usage of a key, as the API gives it: "GitHub Actions in acme/web used it 2 hours ago"."""
    programs = objects_in(usage.get("programs"))
    lines = [f"Uses: {_counts(usage)}."]
    for program in programs[:_MOST_PROGRAMS]:
        last = time_in(program, "last_used_at")
        # The server's clock may be ahead.
        ago = relative(min(last, datetime.now(UTC))) if last else "at an unknown time"
        lines.append(f"{clean(program.get('name'))} used it {ago}, from {_addresses(program)}.")
    if others := _other_programs(usage):
        lines.append(f"{others} used it in the last 30 days.")
    return lines


def usage_facts(usage: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the same as labels and values, with exact times in a pipe."""
    programs = objects_in(usage.get("programs"))
    pairs = [("Uses", _counts(usage))]
    for program in programs[:_MOST_PROGRAMS]:
        last = when(program.get("last_used_at"))
        pairs.append(("Used by", f"{clean(program.get('name'))}, {last}, from {_addresses(program)}"))
    if others := _other_programs(usage):
        pairs.append(("Used by", f"{others} in the last 30 days"))
    return pairs


def _counts(usage: dict[str, Any]) -> str:
    counts = tuple(clean(usage.get(name)) for name in ("last_24_hours", "last_7_days", "last_30_days"))
    return "{} in 24 hours, {} in 7 days, {} in 30 days".format(*counts)


def _other_programs(usage: dict[str, Any]) -> str:
    count = usage.get("program_count")
    others = count - _MOST_PROGRAMS if isinstance(count, int) else 0
    return f"{others} other program{'' if others == 1 else 's'}" if others > 0 else ""


def _addresses(program: dict[str, Any]) -> str:
    addresses = program.get("addresses")
    named = [clean(address) for address in addresses[:_MOST_ADDRESSES]] if isinstance(addresses, list) else []
    count = program.get("address_count")
    others = count - len(named) if isinstance(count, int) else 0
    more = f" and {others} other address{'' if others == 1 else 'es'}" if others > 0 else ""
    return f"{', '.join(named)}{more}"
