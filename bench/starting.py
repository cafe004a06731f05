"""Times whole runs of the command, compared with bare Python."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import databases
from bench.servers import ROOT, Server

# The code of the installed script.
_COMMAND = "import sys; from reflow_accounts.cli.main import main; sys.exit(main())"
_BARE = "python -c pass"
# The most that a run may take, as a multiple of bare Python.
LIMITS = {"reflow --help": 5.0, "reflow whoami": 9.0}


def measure(rounds: int) -> None:
    """Print the median time of each command, its multiple of bare Python, and the limit."""
    with tempfile.TemporaryDirectory(prefix="reflow-bench-") as name:
        folder = Path(name)
        environ = databases.environ_of(folder)
        app = databases.application(environ)
        databases.add_keys(app, 1, folder / "secrets")
        databases.close(app)
        server = Server("API key", environ=environ)
        server.start(folder / "log")
        try:
            _print(_race(_environ(server, folder), rounds), rounds)
        finally:
            server.stop()


def _environ(server: Server, folder: Path) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("REFLOW_", "_REFLOW"))}
    secret = (folder / "secrets").read_text().split()[0]
    return plain | {"HOME": str(folder), "REFLOW_SERVER": server.url, "REFLOW_API_KEY": secret}


def _race(environ: dict[str, str], rounds: int) -> dict[str, float]:
    starts = {_BARE: ["-c", "pass"]}
    starts |= {name: ["-c", _COMMAND, *name.split()[1:]] for name in LIMITS}
    took: dict[str, list[float]] = {name: [] for name in starts}
    for number in range(rounds + 1):
        for name, words in starts.items():
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, *words], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, check=True
            )
            if number:  # the first round writes the bytecode cache
                took[name].append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(times) for name, times in took.items()}


def _print(medians: dict[str, float], rounds: int) -> None:
    print(f"\nStarts of the command, whole processes in turn, {rounds} rounds; medians")
    for name, time_ms in medians.items():
        limit = f"   limit {LIMITS[name]:.0f}" if name in LIMITS else ""
        print(f"  {name:<20}{time_ms:8.1f} ms   x {time_ms / medians[_BARE]:.2f}{limit}", flush=True)
