"""Runs the command in its own process with a clean environment, without or with a terminal."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from tests.cli import preloaded
from tests.helpers.file_limit import NO_BYTECODE, limit_files

CHECKOUT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "reflow_accounts.cli")
# Makes the pseudo-terminal the controlling one, so that passwords are read from it and Ctrl-C arrives.
SET_CONTROLLING_TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test worker ignores it, and that is inherited
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
PATIENCE = 30  # seconds
CTRL_C = "\x03"
Answer = str | Callable[[str], str | None]


@dataclass(frozen=True)
class Outcome:
    """The exit code and the output of one run."""

    code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


class Terminal:
    """A home folder, a current folder and variables; `run` runs the command in them."""

    def __init__(self, home: Path, folder: Path, command: tuple[str, ...] = COMMAND) -> None:
        self.home, self.folder, self.command = home, folder, command
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": str(CHECKOUT),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    def run(
        self,
        *words: str,
        stdin: str | bytes = "",
        through: tuple[str, ...] = (),
        umask: int = -1,
        largest_file: int | None = None,
    ) -> Outcome:
        """Run the command without a terminal.

        `through` is a command that starts it, `umask` as in subprocess, `largest_file` the bytes at which a file
        cannot grow, as on a full disk.
        """
        content = stdin.encode() if isinstance(stdin, str) else stdin
        if self._can_fork and not through and umask < 0 and largest_file is None:
            code, stdout, stderr = preloaded.run(words, content, self.folder, self.environ, PATIENCE)
            return Outcome(code, stdout.decode(), stderr.decode())
        result = subprocess.run(
            [*through, *self.command, *words],
            input=content,
            capture_output=True,
            timeout=PATIENCE,
            cwd=self.folder,
            env=self.environ if largest_file is None else self.environ | NO_BYTECODE,
            check=False,
            umask=umask,
            preexec_fn=None if largest_file is None else limit_files(largest_file),
        )
        return Outcome(result.returncode, result.stdout.decode(), result.stderr.decode())

    @property
    def _can_fork(self) -> bool:
        """Whether a fork of `preloaded` behaves like a new process; variables for Python or the locale need one."""
        names = {name for name in self.environ if name.startswith(("PYTHON", "LC_", "LANG"))}
        return (
            self.command == COMMAND
            and names == {"PYTHONPATH"}
            and self.environ["PYTHONPATH"] == str(CHECKOUT)
        )

    def run_interactively(
        self, *words: str, answers: tuple[tuple[str, Answer], ...] = (), columns: int = 0
    ) -> Outcome:
        """Run the command on a pseudo-terminal and type each answer when its question appears.

        An answer that is a function gets the output so far and returns the input, or None.
        `columns` is the width of the terminal, 0 for none.
        The output of both streams is in `stdout`.
        """
        controller, device = pty.openpty()
        fcntl.ioctl(device, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if columns else 0, columns, 0, 0))
        wait = self._start_on(device, words)
        os.close(device)
        try:
            output_ = self._converse(controller, list(answers))
        finally:
            os.close(controller)  # ends the command if it still reads
            code = wait()
        return Outcome(code, output_, "")

    def _start_on(self, device: int, words: tuple[str, ...]) -> Callable[[], int]:
        """Start the command on a terminal; return a function that waits for its end and returns its exit code."""
        environ = {"TERM": "xterm", "COLUMNS": "200", **self.environ}
        if self._can_fork:
            copies = [Connection(os.dup(device)) for _ in range(3)]
            return partial(
                preloaded.end,
                preloaded.start(words, self.folder, environ, copies, has_terminal=True),
                PATIENCE,
            )
        process = subprocess.Popen(
            [sys.executable, "-c", SET_CONTROLLING_TERMINAL, *self.command, *words],
            stdin=device,
            stdout=device,
            stderr=device,
            cwd=self.folder,
            env=environ,
            start_new_session=True,
        )

        def wait() -> int:
            with process:
                try:
                    return process.wait(PATIENCE)
                finally:
                    process.kill()

        return wait

    @staticmethod
    def _converse(screen: int, answers: list[tuple[str, Answer]]) -> str:
        typed: str | None = ""
        output_, unread, end = "", "", time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if not select.select([screen], [], [], 2)[0]:
                # Python may lose a Ctrl-C just before it starts to read a line, so it is sent again.
                if typed == CTRL_C:
                    os.write(screen, CTRL_C.encode())
                continue
            data = b""
            with contextlib.suppress(OSError):  # the other side closed
                data = os.read(screen, 65536)
            if not data:
                break
            output_ += data.decode(errors="replace")
            unread += data.decode(errors="replace")
            if answers and answers[0][0] in unread:
                answer = answers.pop(0)[1]
                typed = answer(output_) if callable(answer) else answer
                if typed is not None:
                    os.write(screen, typed.encode() + (b"" if typed == CTRL_C else b"\n"))
                unread = ""
        return output_
