"""`make bench`: compares API key checks with a bare Flask view on each database, and times the start of the command."""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from flask import Flask

from bench import databases, exports, load, pages, starting
from bench.options import read
from bench.servers import BARE_THREADS, Server
from reflow_accounts.server import WORKERS
from tests.helpers.postgres import Postgres

# Required ratio and target ratio to the bare view.
GOALS = {"sqlite": "CPU .95/1.20 rate .60/.75", "postgresql": "CPU .90/1.10 rate .50/.60"}
# The two requests that the event loop answers; {} is the id of the key's team.
REQUESTS = {"me": "/api/v1/me", "authorize": "/api/v1/authorize?team={}&rights=edit"}


@dataclass(frozen=True)
class Round:
    """The figures of one round of one server."""

    cpu_us: float
    rate: float
    p50_ms: float
    p99_ms: float


def main() -> None:
    options = read()
    if options.starts:
        starting.measure(options.starts)
    if options.starts_only:
        return
    print(
        f"Flask {version('flask')}, granian {version('granian')}, {WORKERS} workers; "
        f"bare Flask on WSGI with {BARE_THREADS} threads each, the application on ASGI"
    )
    how = f"{load.generator()}, {options.rounds} rounds of {options.seconds} s, interleaved; medians"
    print(f"{load.CONNECTIONS} connections, {how}")
    head = ("database", "keys", "uses", "server", "CPU µs", "CPU", "rate", "p50 ms", "p99 ms", "  limits")
    print("".join(f"{word:>12}" for word in head))
    for kind in options.database:
        with _database(kind) as (folder, url):
            _measure(kind, folder, url, options)


def _measure(kind: str, folder: Path, url: str, options: argparse.Namespace) -> None:
    environ = databases.environ_of(folder, url)
    app = databases.application(environ)
    secrets = folder / "secrets"
    databases.add_keys(app, options.keys, secrets)
    databases.add_uses(app, options.uses, with_backlog=options.backlog)
    databases.close(app)
    lines = secrets.read_text().splitlines()
    for keys in [1] if options.hot else [options.keys, 1]:
        for name, path in REQUESTS.items():
            requests = folder / "requests"
            requests.write_text("".join(f"{_request(line, path)}\n" for line in lines[:keys]))
            servers = [Server("bare Flask", "bench.bare:app"), Server(name, environ=environ)]
            rounds = _race(app, servers, requests, folder / "log", options)
            _print(kind, keys, options.uses, rounds)
    databases.check(environ)
    if options.exports:
        exports.measure(environ, lines[len(lines) // 2].split()[0], folder / "log")
    if options.pages:
        with _database(kind) as small:
            pages.measure(small, (folder, url))


def _request(line: str, path: str) -> str:
    secret, team_id = line.split()
    return f"{secret} {path.format(team_id)}"


def _race(
    app: Flask, servers: list[Server], requests: Path, log: Path, options: argparse.Namespace
) -> dict[str, list[Round]]:
    seen: dict[str, list[Round]] = {server.name: [] for server in servers}
    try:
        for server in servers:
            server.start(log)
            load.run(server.url, requests, 1)
        for _ in range(options.rounds):
            for server in servers:
                newest = databases.newest_use(app)
                found, answers = _round(server, requests, options.seconds)
                seen[server.name].append(found)
                if not server.target:
                    load.check_recorded(answers, databases.uses_after(app, newest))
    except load.InvalidRound as error:
        # The folder is deleted after the run.
        sys.exit(f"{error} The end of the servers' log:\n{log.read_text(errors='replace')[-2000:]}")
    finally:
        for server in servers:
            server.stop()
    return seen


def _round(server: Server, requests: Path, seconds: int) -> tuple[Round, int]:
    """Load a server for `seconds`; return its figures and the number of answers."""
    before = server.cpu_seconds()
    result = load.run(server.url, requests, seconds)
    used = server.cpu_seconds() - before
    if result.bad or not result.requests:
        raise load.InvalidRound(f"{server.name}: {result.bad} answers were not 200 or 204.")
    rate = result.requests / result.seconds
    cpu = used / result.requests * 1e6
    return Round(cpu, rate, result.p50_ms, result.p99_ms), result.requests


def _print(kind: str, keys: int, uses: int, rounds: dict[str, list[Round]]) -> None:
    medians = {
        name: Round(*(statistics.median(column) for column in zip(*map(_values, seen), strict=True)))
        for name, seen in rounds.items()
    }
    bare = medians["bare Flask"]
    for name, found in medians.items():
        shares = (bare.cpu_us / found.cpu_us, found.rate / bare.rate)
        limit = "" if found is bare else f"  {GOALS[kind]}"
        words = (kind, f"{keys:,}", f"{uses:,}", name, f"{found.cpu_us:.0f}", f"{shares[0]:.2f}")
        more = (f"{shares[1]:.2f}", f"{found.p50_ms:.1f}", f"{found.p99_ms:.1f}", limit)
        print("".join(f"{word:>12}" for word in words + more), flush=True)


def _values(one: Round) -> tuple[float, float, float, float]:
    return one.cpu_us, one.rate, one.p50_ms, one.p99_ms


@contextmanager
def _database(kind: str) -> Iterator[tuple[Path, str]]:
    with tempfile.TemporaryDirectory(prefix="reflow-bench-") as name:
        folder = Path(name)
        if kind == "sqlite":
            yield folder, ""
            return
        server = Postgres.in_new_folder(durable=True)
        try:
            yield folder, server.make_database("bench")
        finally:
            server.stop()


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{time.monotonic() - began:.0f} s in all")
