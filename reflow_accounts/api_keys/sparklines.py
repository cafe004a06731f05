"""Sparklines: the uses of a key in the last 30 days, as bars of a small drawing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from reflow_accounts.api_keys.usage.daily_counts import DayCount, daily_counts_of

# Units of the drawing.
HEIGHT, BAR_WIDTH, STEP = 24, 3, 4


@dataclass(frozen=True)
class Sparkline:
    """The days of a key, oldest first."""

    days: Sequence[DayCount]

    @property
    def width(self) -> int:
        return len(self.days) * STEP

    @property
    def accepted(self) -> int:
        return sum(day.accepted for day in self.days)

    @property
    def refused(self) -> int:
        return sum(day.refused for day in self.days)

    @property
    def peak(self) -> DayCount:
        """The day with the most uses."""
        return max(self.days, key=lambda day: day.accepted + day.refused)

    @property
    def paths(self) -> tuple[str, str]:
        """The bars of accepted uses and, on top of them, of refused ones: path data, empty without any.

        A path draws like a rectangle for each day, in a tenth of the elements. The highest bar has the height of the
        drawing, and none is less than one unit.
        """
        scale = HEIGHT / max(self.peak.accepted + self.peak.refused, 1)
        accepted, refused = "", ""
        for place, day in enumerate(self.days):
            if count := day.accepted + day.refused:
                whole = max(count * scale, 1.0)
                share = whole * day.refused / count
                accepted += _bar(place * STEP, HEIGHT - whole + share, whole - share)
                refused += _bar(place * STEP, HEIGHT - whole, share)
        return accepted, refused


def _bar(x: int, y: float, height: float) -> str:
    return f"M{x} {y:.1f}h{BAR_WIDTH}v{height:.1f}h-{BAR_WIDTH}z" if round(height, 1) else ""


def sparklines_of(key_ids: Collection[int], zone: tzinfo) -> Mapping[int, Sparkline]:
    """Return the sparkline of each key by its row id, with days as in `zone`."""
    return {key_id: Sparkline(days) for key_id, days in daily_counts_of(key_ids, zone).items()}
