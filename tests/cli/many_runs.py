"""Runs the command hundreds of times in one process, because a process for each takes minutes."""

import json
import subprocess
import sys

from tests.cli.terminal import Outcome, Terminal

_DRIVER = """
import io, json, sys
from reflow_accounts.cli.app import run
requests, results = sys.stdin, sys.stdout
for line in requests:
    words, stdin = json.loads(line)
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code = run(words)
    texts = [stream.buffer.getvalue().decode() for stream in (sys.stdout, sys.stderr)]
    sys.stderr = sys.__stderr__
    print(json.dumps([code, *texts]), file=results, flush=True)
"""


class ManyRuns:
    """`run` works like that of `Terminal`, in one process."""

    def __init__(self, terminal: Terminal) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=terminal.folder,
            env=terminal.environ,
            text=True,
        )

    def run(self, *words: str, stdin: str = "") -> Outcome:
        self._process.stdin.write(json.dumps([words, stdin]) + "\n")
        self._process.stdin.flush()
        return Outcome(*json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.communicate()
