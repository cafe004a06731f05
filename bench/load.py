"""Load generators: wrk if installed, otherwise one in Python. Both send the requests of a file in turn."""

import http.client
import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 16
_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Result:
    """The result of one round. `bad` counts answers other than 200 and 204 and requests without an answer."""

    requests: int
    seconds: float
    bad: int
    p50_ms: float
    p99_ms: float


class InvalidRound(Exception):
    """The figures of a round are invalid."""


def check_recorded(answers: int, recorded: int) -> None:
    """Raise InvalidRound unless the number of recorded uses fits the number of answers.

    One more request per connection may have been recorded, but not answered when the round ended.
    """
    if not answers <= recorded <= answers + CONNECTIONS:
        raise InvalidRound(f"{answers:,} requests were answered and {recorded:,} uses recorded.")


def generator() -> str:
    """Name the generator that `run` uses."""
    return "wrk" if shutil.which("wrk") else "bundled"


def run(url: str, requests: Path, seconds: int) -> Result:
    """Send the requests of a file, a secret and a path per line, over 16 connections for `seconds`."""
    if generator() == "wrk":
        return _by_wrk(url, requests, seconds)
    return _in_own_process(url, requests, seconds)


def _by_wrk(url: str, requests: Path, seconds: int) -> Result:
    command = [
        "wrk",
        "-t2",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "-s",
        str(_SCRIPT),
        url,
        "--",
        str(requests),
    ]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(line for line in printed.splitlines() if line.startswith("RESULT "))
    return Result(**json.loads(line.removeprefix("RESULT ")))


def _in_own_process(url: str, requests: Path, seconds: int) -> Result:
    # In a separate process, so that it does not share the interpreter lock with the measurement.
    command = [sys.executable, "-m", "bench.load", url, str(requests), str(seconds)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return Result(**json.loads(printed))


def _ask(url: str, requests: list[str], end: float) -> list[tuple[float, bool]]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    seen = []
    for number in range(sys.maxsize):
        began = time.perf_counter()
        if began >= end:
            break
        secret, path = requests[number % len(requests)].split()
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {secret}"})
            answer = connection.getresponse()
            answer.read()
            is_good = answer.status in (200, 204)
        except (OSError, http.client.HTTPException):
            connection.close()
            is_good = False
        seen.append((time.perf_counter() - began, is_good))
    return seen


def _bundled(url: str, requests: list[str], seconds: float) -> Result:
    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        parts = [requests[number::CONNECTIONS] or requests for number in range(CONNECTIONS)]
        runs = [pool.submit(_ask, url, part, began + seconds) for part in parts]
        seen = [one for run in runs for one in run.result()]
    took = sorted(duration for duration, _ in seen)
    good = sum(is_good for _, is_good in seen)
    return Result(
        requests=good,
        seconds=time.perf_counter() - began,
        bad=len(seen) - good,
        p50_ms=1000 * took[len(took) // 2],
        p99_ms=1000 * took[len(took) * 99 // 100],
    )


if __name__ == "__main__":
    address, file, length = sys.argv[1:]
    print(json.dumps(vars(_bundled(address, Path(file).read_text().splitlines(), float(length)))))
