"""Parse and validate EventBridge events of AWS Marketplace."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reflow_accounts.database import now
from reflow_accounts.marketplace.models import LONGEST_EVENT_ID, LONGEST_KIND, LONGEST_STATUS
from reflow_accounts.marketplace.state_machine import kind_of
from reflow_accounts.subscriptions.models import LONGEST_AWS_ID

SOURCE = "aws.agreement-marketplace"
# SQS takes up to 256 kB (1 MB by request); AWS's own events are a few hundred bytes.
LARGEST_EVENT = 64_000
DEEPEST_EVENT = 32

# UTF-8 cannot encode lone surrogates, and PostgreSQL cannot store NUL.
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


class Malformed(Exception):
    """The message is not an AWS Marketplace event. The text is the reason, without any part of the message."""


@dataclass(frozen=True)
class Event:
    """A validated event. Missing values are None or empty."""

    event_id: str
    kind: str
    at: datetime
    detail: dict[str, Any]
    licence_key: str | None
    agreement_id: str | None
    product_code: str
    aws_account: str


def parse(body: str) -> Event:
    """Return the event in a message. Raises Malformed."""
    message = _parse_object(body)
    if message.get("source") != SOURCE:
        raise Malformed("its source is not AWS Marketplace")
    detail = message.get("detail")
    if not isinstance(detail, dict):
        raise Malformed("it has no detail")
    return Event(
        event_id=ascii_text(message.get("id"), LONGEST_EVENT_ID) or _raise_missing("id"),
        kind=kind_of(ascii_text(message.get("detail-type"), LONGEST_KIND) or _raise_missing("detail-type")),
        at=_parse_time(message.get("time")),
        detail=detail,
        licence_key=licence_key_of(_object_in(detail, "license").get("arn")),
        agreement_id=ascii_text(_object_in(detail, "agreement").get("id")),
        product_code=ascii_text(_object_in(detail, "product").get("code")) or "",
        aws_account=account_in(detail),
    )


def time_in(detail: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time of the event detail, or None when it is missing or invalid."""
    try:
        return _parse_time(detail.get(name))
    except Malformed:
        return None


def status_in(detail: Mapping[str, Any]) -> str:
    """Return the agreement status in the event detail, or ""."""
    return ascii_text(_object_in(detail, "agreement").get("status"), LONGEST_STATUS) or ""


def account_in(detail: Mapping[str, Any]) -> str:
    """Return the AWS account of the buyer in the event detail, or ""."""
    return ascii_text(_object_in(detail, "acceptor").get("accountId"), 12) or ""


def ascii_text(value: object, longest: int = LONGEST_AWS_ID) -> str | None:
    """Return `value` when it is printable ASCII text of 1 to `longest` characters, else None."""
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        return None
    return value if value.isascii() and value.isprintable() else None


def licence_key_of(arn: object) -> str | None:
    """Return the `l-…` part of a licence ARN (with or without `arn:`), or None."""
    key = ascii_text(str(arn).rpartition(":")[2])
    return key if key and key.startswith("l-") and len(key) >= 3 else None


def _parse_object(body: str) -> dict[str, Any]:
    if len(body) > LARGEST_EVENT:
        raise Malformed("it is too large")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("it is not JSON") from None
    if not isinstance(message, dict):
        raise Malformed("it is not an object")
    if not all(map(_is_storable, _parts(message))):
        raise Malformed("it contains values that databases cannot store")
    return message


def _parts(value: object, depth: int = 0) -> Iterator[object]:
    """Yield every name and value of a JSON document."""
    if depth > DEEPEST_EVENT:
        raise Malformed("it is nested too deeply")
    yield value
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inner:
        yield from _parts(part, depth + 1)


def _is_storable(part: object) -> bool:
    if isinstance(part, str):
        return not _UNWRITABLE.search(part)
    # Python accepts NaN, Infinity and 1e999, which JSON columns refuse.
    return not isinstance(part, float) or math.isfinite(part)


def _object_in(detail: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    member = detail.get(name)
    return member if isinstance(member, dict) else {}


def _raise_missing(name: str) -> str:
    raise Malformed(f"its {name} is missing or invalid")


def _parse_time(value: object) -> datetime:
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        raise Malformed("its time is missing or invalid") from None
    if time.tzinfo is None or not 2000 < time.year <= now().year + 1000:
        raise Malformed("its time is missing or invalid")
    return time
