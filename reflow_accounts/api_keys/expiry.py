"""When a key ends by itself: what forms offer, and the warning before the end."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from reflow_accounts.api_keys.models import WARNED_BEFORE
from reflow_accounts.contract import KEY_EXPIRES_HEADER
from reflow_accounts.database import now
from reflow_accounts.errors import ValidationFailed

NEVER, ON_A_DATE = "never", "date"
# The choices of forms, with their labels.
CHOICES = {
    NEVER: "Never",
    "30": "In 30 days",
    "90": "In 90 days",
    "365": "In 365 days",
    ON_A_DATE: "On a date",
}
_LAST_YEAR = 9998


def chosen_end(choice: str, last_day: str, zone: tzinfo) -> datetime | None:
    """Return the end that a form asks for, or None for never.

    `choice` is one of CHOICES. `last_day` is a date such as 2027-03-31, after the end of which, in `zone`, the key
    no longer works. Raises ValidationFailed for the fields `expires` and `expires_on`.
    """
    if choice not in CHOICES:
        raise ValidationFailed(expires="Choose when the key expires")
    last_day = last_day.strip()
    if choice != ON_A_DATE:
        if last_day:
            raise ValidationFailed(expires="Choose “On a date” to use the date below, or clear it")
        return None if choice == NEVER else now() + timedelta(days=int(choice))
    if not last_day:
        raise ValidationFailed(expires_on="Enter the last day on which the key works")
    try:
        day = date.fromisoformat(last_day)
    except ValueError:
        raise ValidationFailed(expires_on="Enter a date such as 2027-03-31") from None
    if day.year > _LAST_YEAR:
        raise ValidationFailed(expires_on=f"Choose a date before the end of {_LAST_YEAR}")
    # The last second, not midnight: the end is displayed as a date.
    end = datetime.combine(day, time(23, 59, 59), zone).astimezone(UTC)
    if end <= now():
        raise ValidationFailed(expires_on="Choose today or a later date")
    return end


def warning_headers(expires_at: datetime | None) -> dict[str, str]:
    """Return the response header for a key that ends in the next 14 days; empty for others."""
    if expires_at is None or expires_at - now() > WARNED_BEFORE:
        return {}
    return {KEY_EXPIRES_HEADER: f"{expires_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
