"""Starts the measured servers; reads CPU time and memory of their processes."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from reflow_accounts.server import WORKERS

# The fastest setting for the bare view (bench/README.md).
BARE_THREADS = 2
ROOT = Path(__file__).resolve().parents[1]
SERVE = ["flask", "--app", "wsgi", "serve"]
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """The application as `serve` runs it, or `target` on the same server with equal concurrency."""

    name: str
    target: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, log: Path) -> None:
        """Start the server and wait for the first answer. Raises RuntimeError with the path of the log."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", *(self._bare() if self.target else SERVE)]
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ | self.environ | {"HOST": "127.0.0.1", "PORT": str(self.port)},
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        for _ in range(300):
            if self._answers():
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer; see {log}")

    def stop(self) -> None:
        """End every process of the server."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def cpu_seconds(self) -> float:
        """Return the CPU time, user and system, of all processes of the server so far."""
        assert self.process
        return sum(_cpu_seconds(pid) for pid in _process_tree(self.process.pid))

    def memory_mb(self) -> float:
        """Return the resident memory of all processes of the server."""
        assert self.process
        return sum(_resident_pages(pid) for pid in _process_tree(self.process.pid)) * _PAGE / 1e6

    def _bare(self) -> list[str]:
        settings = ["--workers", str(WORKERS), "--blocking-threads", str(BARE_THREADS), "--no-ws"]
        quietly = ["--interface", "wsgi", "--log-level", "warning", "--port", str(self.port)]
        return ["granian", *settings, *quietly, self.target]

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/api/v1/me", timeout=5).close()
        except urllib.error.HTTPError:
            return True  # refused by a running server
        except OSError:
            return False
        return True


def _process_tree(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += _process_tree(int(child))
    return found


def _cpu_seconds(pid: int) -> float:
    # Fields 14 and 15 of proc(5), counted from the end of the command's name, which may contain spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident_pages(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
