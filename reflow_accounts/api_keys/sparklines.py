"""Sparklines: the uses of a key in the last 30 days, as bars of a small drawing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from reflow_accounts.api_keys.usage.daily_counts import DayCount, daily_counts_of

# Units of the drawing.
HEIGHT, BAR_WIDTH, STEP = 24, 3, 4


@dataclass(frozen=True)
class Bar:
    """A day: the bar of accepted uses stands on the ground, that of refused ones on top of it."""

    x: int
    y: float
    height: float
    refused_y: float
    refused_height: float


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
    def bars(self) -> list[Bar]:
        """The days with uses; the highest bar has the height of the drawing, and none is less than one unit."""
        scale = HEIGHT / max(self.peak.accepted + self.peak.refused, 1)
        return [
            self._bar(place * STEP, day, scale)
            for place, day in enumerate(self.days)
            if day.accepted or day.refused
        ]

    @staticmethod
    def _bar(x: int, day: DayCount, scale: float) -> Bar:
        whole = max((day.accepted + day.refused) * scale, 1.0)
        refused = whole * day.refused / (day.accepted + day.refused)
        accepted_y, accepted = HEIGHT - whole + refused, whole - refused
        return Bar(x, round(accepted_y, 1), round(accepted, 1), round(HEIGHT - whole, 1), round(refused, 1))


def sparklines_of(key_ids: Collection[int], zone: tzinfo) -> Mapping[int, Sparkline]:
    """Return the sparkline of each key by its row id, with days as in `zone`."""
    return {key_id: Sparkline(days) for key_id, days in daily_counts_of(key_ids, zone).items()}
