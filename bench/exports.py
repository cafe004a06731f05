"""Measures time and server memory of large exports, with a fast and a slow reader."""

import time
import urllib.request
from http.client import HTTPResponse
from pathlib import Path
from typing import NamedTuple

from bench.servers import Server

PIECE = 65_536
# A slow reader pauses after each piece: about 6 MB/s.
PAUSES_S = {"fast": 0.0, "slow": 0.01}
FORMATS = ("jsonl", "csv")


class Export(NamedTuple):
    """The figures of one export; the server's memory in MB before it and at its peak."""

    lines: int
    size: int
    seconds: float
    before_mb: float
    most_mb: float


def measure(environ: dict[str, str], secret: str, log: Path) -> None:
    """Print the figures of each format and reader, for all uses of the owner of a key."""
    server = Server("export", environ=environ)
    server.start(log)
    try:
        for form in FORMATS:
            for name, pause in PAUSES_S.items():
                found = _read(server, f"/api/v1/activity/export?format={form}", secret, pause)
                rate = found.lines / found.seconds
                memory = f"memory {found.before_mb:.0f} MB, at most {found.most_mb:.0f} MB"
                lines = f"{found.lines:10,} lines {found.size / 1e6:8.0f} MB {found.seconds:7.0f} s"
                print(f"  {form:<6}{name:<5}{lines} {rate:9,.0f} lines/s   {memory}", flush=True)
    finally:
        server.stop()


def _read(server: Server, path: str, secret: str, pause: float) -> Export:
    request = urllib.request.Request(f"{server.url}{path}", headers={"Authorization": f"Bearer {secret}"})
    before, began = server.memory_mb(), time.monotonic()
    lines = size = 0
    most = before
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert isinstance(answer, HTTPResponse)
        while piece := answer.read(PIECE):
            lines, size = lines + piece.count(b"\n"), size + len(piece)
            most = max(most, server.memory_mb())
            time.sleep(pause)
    return Export(lines, size, time.monotonic() - began, before, most)
