"""Time zones that users can choose: names of the IANA time zone database."""

from datetime import UTC, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

# Other regions contain old names and fixed offsets.
_REGIONS = frozenset(
    "Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific".split()  # noqa: SIM905
)


@cache
def zone_names() -> tuple[str, ...]:
    """Return the names to choose from: UTC, then sorted by region and place."""
    places = (name for name in available_timezones() if name.partition("/")[0] in _REGIONS and "/" in name)
    return ("UTC", *sorted(places))


def zone_of(name: str) -> tzinfo:
    """Return the zone with this name, or UTC when the system does not know it."""
    return ZoneInfo(name) if name != "UTC" and name in zone_names() else UTC
