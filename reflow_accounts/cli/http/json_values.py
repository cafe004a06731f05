"""Reading what a server sent, which may be anything: JSON that is no JSON, fields of another kind."""

from __future__ import annotations

from math import isfinite
from typing import Any

DEEPEST = 64  # levels; Reflow writes a handful


def json_in(content: bytes) -> Any:
    """Return the JSON (RFC 8259) in `content`. Raises ValueError, also for what could not be printed again."""
    import json

    try:
        answer = json.loads(content, parse_float=_finite, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("too deep") from None
    if _depth(answer) > DEEPEST:
        raise ValueError("too deep")
    return answer


def an_object(value: object) -> dict[str, Any]:
    """Return `value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects_in(value: object) -> list[dict[str, Any]]:
    """Return the JSON objects in `value`, if it is a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _finite(words: str) -> float:
    number = float(words)
    if not isfinite(number):
        raise ValueError("too large")
    return number


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _depth(value: Any) -> int:
    """Return how many levels `value` has; stops counting when there are too many."""
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        inner: list[Any] = []
        for node in level:
            inner += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        level, depth = [node for node in inner if isinstance(node, dict | list)], depth + 1
    return depth
