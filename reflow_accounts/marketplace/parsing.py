"""Read an event of AWS Marketplace as EventBridge puts it into the queue, and refuse what is none."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reflow_accounts.database import now
from reflow_accounts.marketplace.models import LONGEST_EVENT_ID, LONGEST_KIND
from reflow_accounts.marketplace.state_machine import kind_of
from reflow_accounts.subscriptions.models import LONGEST_AWS_ID

SOURCE = "aws.agreement-marketplace"
# SQS takes up to 256 kB (1 MB by request); AWS's own events are a few hundred bytes.
LARGEST_EVENT = 64_000
DEEPEST_EVENT = 32

# Lone surrogates cannot be written in UTF-8, and PostgreSQL stores no NUL.
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


class Malformed(Exception):
    """This is no event of AWS Marketplace; the sentence says why and repeats nothing of it."""


@dataclass(frozen=True)
class Event:
    """One event, checked. What is not in it is None, or empty."""

    event_id: str
    kind: str
    at: datetime
    detail: dict[str, Any]
    licence_key: str | None
    agreement_id: str | None
    product_code: str
    aws_account: str


def parse(body: str) -> Event:
    """Return the event that a message holds. Raises Malformed."""
    found = _object(body)
    if found.get("source") != SOURCE:
        raise Malformed("its source is another")
    detail = found.get("detail")
    if not isinstance(detail, dict):
        raise Malformed("it has no detail")
    return Event(
        event_id=word(found.get("id"), LONGEST_EVENT_ID) or _missing("id"),
        kind=kind_of(word(found.get("detail-type"), LONGEST_KIND) or _missing("detail-type")),
        at=_time(found.get("time")),
        detail=detail,
        licence_key=licence_key_of(_inside(detail, "license").get("arn")),
        agreement_id=word(_inside(detail, "agreement").get("id")),
        product_code=word(_inside(detail, "product").get("code")) or "",
        aws_account=word(_inside(detail, "acceptor").get("accountId"), 12) or "",
    )


def time_in(detail: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time of an event's detail; None when it is not there, or none."""
    try:
        return _time(detail.get(name))
    except Malformed:
        return None


def status_in(detail: Mapping[str, Any]) -> str:
    """Return the agreement's status in an event's detail, or nothing."""
    return word(_inside(detail, "agreement").get("status"), 30) or ""


def word(value: object, longest: int = LONGEST_AWS_ID) -> str | None:
    """Return a value of AWS's that is printable ASCII of at most so many characters; None when it is not."""
    is_one = isinstance(value, str) and 0 < len(value) <= longest and value.isascii() and value.isprintable()
    return value if is_one and isinstance(value, str) else None


def licence_key_of(arn: object) -> str | None:
    """Return the `l-…` part of a licence's ARN, with or without its leading `arn:`; None when it has none."""
    key = word(str(arn).rpartition(":")[2])
    return key if key and key.startswith("l-") and len(key) >= 3 else None


def _object(body: str) -> dict[str, Any]:
    if len(body) > LARGEST_EVENT:
        raise Malformed("it is too large")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("it is not JSON") from None
    if not isinstance(found, dict):
        raise Malformed("it is not an object")
    if not all(map(_is_storable, _parts(found))):
        raise Malformed("it holds what no database stores")
    return found


def _parts(value: object, depth: int = 0) -> Iterator[object]:
    """Yield every name and value in what was read as JSON."""
    if depth > DEEPEST_EVENT:
        raise Malformed("it is nested too deeply")
    yield value
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inner:
        yield from _parts(part, depth + 1)


def _is_storable(part: object) -> bool:
    if isinstance(part, str):
        return not _UNWRITABLE.search(part)
    # JSON has neither NaN nor Infinity: Python reads them, and 1e999, all the same.
    return not isinstance(part, float) or math.isfinite(part)


def _inside(detail: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = detail.get(name)
    return found if isinstance(found, dict) else {}


def _missing(name: str) -> str:
    raise Malformed(f"its {name} is missing or no word")


def _time(value: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise Malformed("its time is none") from None
    if found.tzinfo is None or not 2000 < found.year <= now().year + 1000:
        raise Malformed("its time is none")
    return found
