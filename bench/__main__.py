"""`make bench`: an API key's check beside a bare Flask view, on each database, and the command's start."""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import databases, load, pages, starting
from bench.servers import Server
from reflow_accounts.serving import TURNS_PER_WORKER, WORKERS
from tests.helpers.postgres import Postgres

# What performance is needed and aimed at, as shares of the bare view (CPU ratio, rate ratio).
GOALS = {
    ("sqlite", "many"): ("CPU", 0.50, 0.75),
    ("sqlite", "hot"): ("CPU", 0.50, 0.85),
    ("postgresql", "many"): ("rate", 0.35, 0.50),
    ("postgresql", "hot"): ("rate", 0.35, 0.50),
}


@dataclass(frozen=True)
class Round:
    """One contender, once."""

    cpu_us: float
    rate: float
    p50_ms: float
    p99_ms: float


def main() -> None:
    options = _options()
    if options.starts:
        starting.measure(options.starts)
    if options.starts_only:
        return
    server = f"{WORKERS} workers × {TURNS_PER_WORKER} threads, {load.CONNECTIONS} connections"
    how = f"{load.generator()}, {options.rounds} rounds of {options.seconds:g} s, interleaved; medians"
    print(f"{server}, {how}")
    head = ("database", "keys", "uses", "contender", "CPU µs", "CPU", "rate", "p50 ms", "p99 ms", "limit")
    print("".join(f"{word:>12}" for word in head))
    for kind in options.database:
        with _database(kind) as (folder, url):
            _measure(kind, folder, url, options)


def _measure(kind: str, folder: Path, url: str, options: argparse.Namespace) -> None:
    environ = databases.environ_of(folder, url)
    app = databases.application(environ)
    secrets = folder / "secrets"
    databases.add_keys(app, options.keys, secrets)
    databases.add_uses(app, options.uses)
    hot = folder / "hot"
    hot.write_text(secrets.read_text().splitlines()[0] + "\n")
    databases.close(app)
    for name, file in (("hot", hot),) if options.hot else (("many", secrets), ("hot", hot)):
        bare = Server("bare Flask", "bench.bare:app")
        ours = Server("API key", environ=environ)
        rounds = _race([bare, ours], file, folder / "log", options)
        keys = 1 if name == "hot" else options.keys
        _print(kind, name, keys, options.uses, rounds)
    databases.check(environ)
    if options.pages:
        with _database(kind) as small:
            pages.measure(small, (folder, url), options.uses // options.keys)


def _race(
    contenders: list[Server], secrets: Path, log: Path, options: argparse.Namespace
) -> dict[str, list[Round]]:
    seen: dict[str, list[Round]] = {server.name: [] for server in contenders}
    try:
        for server in contenders:
            server.start(log)
            load.run(server.url, secrets, 1)
        for _ in range(options.rounds):
            for server in contenders:
                before = server.cpu_seconds()
                result = load.run(server.url, secrets, options.seconds)
                used = server.cpu_seconds() - before
                if result.bad or not result.requests:
                    sys.exit(f"{server.name}: {result.bad} answers were not 200; see {log}")
                rate = result.requests / result.seconds
                cpu = used / result.requests * 1e6
                seen[server.name].append(Round(cpu, rate, result.p50_ms, result.p99_ms))
    finally:
        for server in contenders:
            server.stop()
    return seen


def _print(kind: str, name: str, keys: int, uses: int, rounds: dict[str, list[Round]]) -> None:
    medians = {
        contender: Round(*(statistics.median(column) for column in zip(*map(_values, seen), strict=True)))
        for contender, seen in rounds.items()
    }
    bare = medians["bare Flask"]
    what, needed, aimed = GOALS[kind, name]
    for contender, found in medians.items():
        shares = (bare.cpu_us / found.cpu_us, found.rate / bare.rate)
        limit = "" if found is bare else f"  {what} {needed:.2f}/{aimed:.2f}"
        words = (kind, f"{keys:,}", f"{uses:,}", contender, f"{found.cpu_us:.0f}", f"{shares[0]:.2f}")
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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--hot", action="store_true", help="one key alone, as a fleet of CI jobs uses it")
    parser.add_argument("--keys", type=int, default=10_000, help="live keys, all in use (10,000)")
    parser.add_argument("--uses", type=int, default=0, help="uses in the log beforehand (0)")
    parser.add_argument("--pages", action="store_true", help="pages on that size beside a small database")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument(
        "--starts", type=int, default=20, help="rounds of starts of the command (20; 0: none)"
    )
    parser.add_argument("--starts-only", action="store_true", help="nothing but these")
    kinds = ["sqlite", "postgresql"]
    parser.add_argument("--database", choices=kinds, nargs="+", default=kinds)
    return parser.parse_args()


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{time.monotonic() - began:.0f} s in all")
