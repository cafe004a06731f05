"""The time zones in which people may read dates: names of the IANA time zone database."""

from datetime import UTC, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

# The regions with places that people know; the others hold old names and fixed offsets.
_REGIONS = frozenset(
    "Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific".split()  # noqa: SIM905
)


@cache
def zone_names() -> tuple[str, ...]:
    """Return the names to choose from: UTC, then by region and place."""
    places = (name for name in available_timezones() if name.partition("/")[0] in _REGIONS and "/" in name)
    return ("UTC", *sorted(places))


def zone_of(name: str) -> tzinfo:
    """Return the zone with this name; UTC for one that the system does not know (any more)."""
    return ZoneInfo(name) if name != "UTC" and name in zone_names() else UTC
