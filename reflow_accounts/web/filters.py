"""Template filters: times, numbers and initials."""

from datetime import UTC, date, datetime, timedelta

from flask import Flask
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from reflow_accounts.database import now
from reflow_accounts.web.text import zone_of

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pass_context
def ago(context: Context, at: datetime) -> str:
    """Return how long ago `at` (aware) was, after a day in days of the user's time zone, after thirty its date."""
    passed = now() - at
    if passed < _MINUTE:
        return "Just now"
    if passed < _HOUR:
        return _count(passed // _MINUTE, "minute")
    if passed < _DAY:
        return _count(passed // _HOUR, "hour")
    if passed > 30 * _DAY:
        return day(context, at)
    # A day has up to 25 hours.
    days = max(1, (_local(context, now()).date() - _local(context, at).date()).days)
    return "Yesterday" if days == 1 else _count(days, "day")


@pass_context
def day(context: Context, at: datetime) -> str:
    """Return the date in the user's time zone: 12 Nov 2026."""
    return written_day(_local(context, at))


def written_day(at: date) -> str:
    """Return a date, or that of a time in its own zone: 12 Nov 2026."""
    return f"{at.day} {at:%b %Y}"


@pass_context
def day_or_today(context: Context, at: datetime) -> str:
    """Return the date in the user's time zone, or "Today"."""
    is_today = _local(context, at).date() == _local(context, now()).date()
    return "Today" if is_today else day(context, at)


@pass_context
def day_or_time(context: Context, at: datetime) -> str:
    """Return the date in the user's time zone; within a day of now, the exact time."""
    return _exact_in_html(at) if abs(at - now()) < _DAY else day(context, at)


def exact(at: datetime) -> str:
    """Return the exact time: 2026-11-23 16:40:51 UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _exact_in_html(at: datetime) -> Markup:
    """Return the exact time in HTML that wraps only between date and time, not at hyphens."""
    parts = exact(at).split(" ", 1)
    return Markup(" ").join(Markup('<span class="nowrap">{}</span>').format(part) for part in parts)


def rfc3339(at: datetime | None) -> str | None:
    """Return the time as RFC 3339 in UTC with microseconds, or None."""
    # Three times as fast as strftime: the hash chains write the time of every use.
    return f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z" if at else None


def time_tag(at: datetime, text: str) -> Markup:
    """Return a `<time>` element with `text` as content and the exact time as attributes."""
    machine = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(machine, exact(at), text)


def thousands(number: int) -> str:
    """Return a whole number with separators: 1,284,906."""
    return f"{number:,}"


def initials(name: str) -> str:
    """Return the first letters of the first and the last word of a name."""
    parts = name.split()
    return "".join(word[0] for word in (parts[:1] + parts[1:][-1:])).upper()


def _local(context: Context, at: datetime) -> datetime:
    """Return `at` in the time zone of the signed-in user, else in UTC."""
    user = context.get("user")
    try:
        return at.astimezone(zone_of(user.time_zone) if user else UTC)
    except OverflowError:  # east of UTC, the last hours of the year 9999
        return at


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'} ago"


def init_app(app: Flask) -> None:
    """Register the filters and globals of templates."""
    for name in (ago, day, day_or_time, day_or_today, thousands, initials, written_day):
        app.jinja_env.filters[name.__name__] = name
    app.jinja_env.filters["exact"] = _exact_in_html
    app.jinja_env.globals.update(time_tag=time_tag)
