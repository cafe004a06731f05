"""The part of CBOR (RFC 8949) that the Agreement API uses."""

import struct
from datetime import datetime
from typing import Any


def encode(value: Any) -> bytes:
    """Encode a value; a time is an epoch with tag 1, as in AWS."""
    if isinstance(value, datetime):
        return b"\xc1\xfb" + struct.pack(">d", value.timestamp())
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return _head(0, value)
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(encode, value))
    pairs = [encode(name) + encode(inner) for name, inner in value.items()]
    return _head(5, len(pairs)) + b"".join(pairs)


def decode(data: bytes) -> Any:
    """Decode a value."""
    return _read(data, 0)[0]


def _head(major: int, size: int) -> bytes:
    if size < 24:
        return bytes([major << 5 | size])
    return bytes([major << 5 | 26]) + struct.pack(">I", size)


def _read(data: bytes, at: int) -> tuple[Any, int]:
    major, low = data[at] >> 5, data[at] & 31
    at += 1
    if low == 31:
        return _read_until_break(data, at, major)
    size = low
    if low >= 24:
        width = 1 << (low - 24)
        size, at = int.from_bytes(data[at : at + width]), at + width
    if major == 3:
        return data[at : at + size].decode(), at + size
    if major == 4:
        items = []
        for _ in range(size):
            item, at = _read(data, at)
            items.append(item)
        return items, at
    if major == 5:
        found = {}
        for _ in range(size):
            name, at = _read(data, at)
            found[name], at = _read(data, at)
        return found, at
    return size, at


def _read_until_break(data: bytes, at: int, major: int) -> tuple[Any, int]:
    items = []
    while data[at] != 0xFF:
        item, at = _read(data, at)
        items.append(item)
    if major == 5:
        return dict(zip(items[::2], items[1::2], strict=True)), at + 1
    return items, at + 1
