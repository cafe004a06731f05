"""A running command, whose output is read line by line."""

import signal
import subprocess
import threading
from collections.abc import Callable
from queue import Queue

from tests.cli.terminal import PATIENCE, Outcome, Terminal
from tests.helpers.waiting import wait_until


class RunningCommand:
    """`with RunningCommand(terminal, "activity", "-f") as run:` starts it; the end of the block kills it."""

    def __init__(self, terminal: Terminal, *words: str) -> None:
        self._lines: Queue[str | None] = Queue()
        self._errors: list[str] = []
        self._process = subprocess.Popen(
            [*terminal.command, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=terminal.folder,
            env=terminal.environ,
            text=True,
            # Test workers ignore SIGINT, and child processes inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read, self._listen)]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> "RunningCommand":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join(PATIENCE)
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    @property
    def errors(self) -> str:
        """The output on stderr so far."""
        return "".join(self._errors)

    def line(self) -> str:
        """Return the next line of stdout; waits for it."""
        line = self._lines.get(timeout=PATIENCE)
        assert line is not None, f"it ended: {self.errors}"
        return line

    def lines(self, number: int) -> list[str]:
        return [self.line() for _ in range(number)]

    @property
    def pid(self) -> int:
        return self._process.pid

    def interrupt_when(self, condition: Callable[[], bool]) -> Outcome:
        """Press Ctrl-C as soon as the condition is true."""
        wait_until(condition)
        return self.interrupt()

    def interrupt(self) -> Outcome:
        """Press Ctrl-C; return the outcome with the unread lines."""
        self._process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> Outcome:
        """Wait until the process ends."""
        code = self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        unread = [line for line in self._lines.queue if line is not None]
        return Outcome(code, "\n".join(unread), self.errors)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _listen(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            self._errors.append(line)
