"""The chart of requests per day: a drawing for an inline SVG, and the same in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from reflow_accounts.api_keys.usage.daily_counts import DayCount

WIDTH, HEIGHT = 960, 170
# Space above the highest bar, and between the accepted and the refused part of one.
_TOP, _GAP = 10, 1
# Share of a day's width that its bar takes.
_FILLED = 0.75


@dataclass(frozen=True)
class Bar:
    """The bar of a day. Heights are 0 without requests."""

    day: DayCount
    x: float
    width: float
    accepted_y: float
    accepted_height: float
    refused_y: float
    refused_height: float


@dataclass(frozen=True)
class Chart:
    """Requests per day, oldest first; at least one day."""

    days: Sequence[DayCount]

    @property
    def total(self) -> int:
        return sum(day.accepted + day.refused for day in self.days)

    @property
    def bars(self) -> list[Bar]:
        """The bars in a drawing of WIDTH × HEIGHT."""
        highest = max(1, *(day.accepted + day.refused for day in self.days))
        step, scale = WIDTH / len(self.days), (HEIGHT - _TOP - _GAP) / highest
        bars = []
        for place, day in enumerate(self.days):
            accepted, refused = round(day.accepted * scale, 1), round(day.refused * scale, 1)
            x = round(step * (place + (1 - _FILLED) / 2), 1)
            accepted_y = round(HEIGHT - accepted, 1)
            refused_y = round(accepted_y - refused - (_GAP if accepted else 0), 1)
            bars.append(Bar(day, x, round(step * _FILLED, 1), accepted_y, accepted, refused_y, refused))
        return bars

    @property
    def title(self) -> str:
        return f"Requests per day, {_long(self.days[0])} to {_long(self.days[-1])} {self.days[-1].day.year}"

    @property
    def description(self) -> str:
        """The trend, the day with most requests, and the days with refused ones, in words."""
        if not self.total:
            return "No requests on any day."
        middle = len(self.days) // 2
        before, after = (
            sum(day.accepted + day.refused for day in half)
            for half in (self.days[:middle], self.days[-middle:])
        )
        trend = "Rising" if after > before * 1.1 else "Falling" if after < before * 0.9 else "Steady"
        peak = max(self.days, key=lambda day: day.accepted + day.refused)
        return " ".join(
            (
                f"{trend}: {before:,} requests in the first half of the days, {after:,} in the second.",
                f"Most on {_long(peak)}: {peak.accepted + peak.refused:,}.",
                self._refusals(),
            )
        )

    @property
    def axis(self) -> list[str]:
        """The first, the middle and the last day, for labels below the drawing."""
        last = len(self.days) - 1
        shown = [self.days[place].day for place in sorted({0, last // 2, last})]
        return [f"{day.day} {day:%b}" for day in shown]

    def _refusals(self) -> str:
        refused = [day for day in self.days if day.refused]
        if not refused:
            return "None was refused."
        worst = max(refused, key=lambda day: day.refused)
        return (
            f"Refused on {len(refused)} day{'' if len(refused) == 1 else 's'}, most on {_long(worst)}: "
            f"{worst.refused:,} of {worst.accepted + worst.refused:,}."
        )


def _long(day: DayCount) -> str:
    return f"{day.day.day} {day.day:%B}"
