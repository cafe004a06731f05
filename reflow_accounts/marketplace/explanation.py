"""Explain in one sentence why a team's subscription is active or inactive."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

from reflow_accounts.marketplace.models import Agreement
from reflow_accounts.subscriptions.models import LicenceState
from reflow_accounts.subscriptions.service import SubscriptionStatus
from reflow_accounts.subscriptions.status import end_of
from reflow_accounts.web.filters import written_day

_WHY = {
    "CANCELLED": " (cancelled by the buyer)",
    "EXPIRED": " (the agreement expired)",
    "TERMINATED": " (the agreement was terminated)",
    "RENEWED": " (the agreement was renewed)",
    "REPLACED": " (the agreement was replaced)",
}


def explain(
    status: SubscriptionStatus,
    agreements: Mapping[str, Agreement],
    *,
    zone: tzinfo = UTC,
    for_staff: bool = False,
    activation_ended_at: datetime | None = None,
) -> str:
    """Return a sentence with the state of the subscription, its reason and its start, a day in `zone`.

    `agreements` are those of the licences, by id; `activation_ended_at` is the time of `end_of_activation`. For staff
    it also names the licence, the author of an override, and the state without it.
    """
    state, override = status.state.capitalize(), status.override
    if activation_ended_at:
        day, fact = (
            written_day(activation_ended_at.astimezone(zone)),
            _reason_by_aws(status, agreements)[1],
        )
        return f"{state} since {day}: the activation by Reflow support ended, and {fact}."
    if override is None:
        since, fact = _reason_by_aws(status, agreements, for_staff=for_staff)
        if since and status.changed_at:
            # The licence may be a renewal, and an override may have ended after AWS reported the state.
            since = status.changed_at if status.is_recorded else max(since, status.changed_at)
        beginning = f" since {written_day(since.astimezone(zone))}" if since else ""
        return f"{state}{beginning}: {fact}.{' No override.' if for_staff else ''}"
    by = override.by_name if for_staff else "Reflow support"
    until = f" until {_format_time(override.expires_at)}" if override.expires_at else ""
    since = status.changed_at if status.is_kept and status.changed_at else override.at
    off = "keeps it inactive" if status.is_kept else "switched it off"
    action = "keeps it active" if override.is_active else off
    sentence = f"{state} since {written_day(since.astimezone(zone))}: {by} {action}{until}."
    if not for_staff:
        return sentence
    aws_says = "active" if status.is_active_by_aws else "inactive"
    _, fact = _reason_by_aws(status, agreements, for_staff=True)
    return f"{sentence} Without the override it would be {aws_says}: {fact}."


def _reason_by_aws(
    status: SubscriptionStatus, agreements: Mapping[str, Agreement], *, for_staff: bool = False
) -> tuple[datetime | None, str]:
    """Return the start of the state of the best licence, if known, and the reason for it."""
    licence, state = status.licence, status.licence_state
    if licence is None:
        return None, "no AWS Marketplace purchase is connected"
    name = f"licence {licence.key}" if for_staff else "the AWS Marketplace subscription"
    agreement = agreements.get(licence.agreement_id or "")
    why = _WHY.get(agreement.status, "") if agreement else ""
    if state == LicenceState.PENDING:
        ends = [end_of(one) for one in status.licences if status.state_of(one) == LicenceState.ENDED]
        return max(ends, default=licence.created_at), f"AWS has not confirmed {name} yet"
    if state == LicenceState.ACTIVE:
        return licence.since_at, f"AWS confirmed {name}"
    if state == LicenceState.ENDING:
        # `since_at` is the time of the announcement; the subscription was active before.
        end = f" on {_format_time(licence.ends_at)}" if licence.ends_at else ""
        return None, f"AWS ends {name}{end}{why}"
    return end_of(licence), f"AWS ended {name}{why}"


def _format_time(at: datetime) -> str:
    return f"{written_day(at)} {at:%H:%M} UTC"
