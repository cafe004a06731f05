"""Parses JSON from a server that may send anything: invalid JSON, or fields of another type."""

from __future__ import annotations

from math import isfinite
from typing import Any

DEEPEST = 64  # levels; Reflow writes a handful


def parse_json(content: bytes) -> Any:
    """Return the JSON value (RFC 8259) in `content`. Raises ValueError, also for one that JSON cannot write."""
    import json

    try:
        answer = json.loads(content, parse_float=_finite, parse_constant=_finite)
    except RecursionError:
        raise ValueError("too deep") from None
    level, depth = [answer], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ValueError("too deep")
        inner: list[Any] = []
        for node in level:
            inner += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        level = [node for node in inner if isinstance(node, dict | list)]
    return answer


def as_object(value: object) -> dict[str, Any]:
    """Return `value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects_in(value: object) -> list[dict[str, Any]]:
    """Return the JSON objects in `value` if it is a list, else an empty list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("not finite")
    return number
