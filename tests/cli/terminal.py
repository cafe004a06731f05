"""Runs the command as a person or a script would: in a process of its own, with a clean environment."""

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
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "reflow_accounts.cli")
# Makes the pseudo-terminal the controlling one, so that passwords are read from it and Ctrl-C arrives.
TAKE_THE_TERMINAL = """
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
    """What one run of the command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def everything(self) -> str:
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

    def run(self, *words: str, stdin: str | bytes = "", through: tuple[str, ...] = (), **options) -> Outcome:
        """Run the command without a terminal; `through` starts it by way of another one."""
        content = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [*through, *self.command, *words],
            input=content,
            capture_output=True,
            timeout=PATIENCE,
            cwd=self.folder,
            env=self.environ,
            check=False,
            **options,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    def run_at_a_screen(
        self, *words: str, answers: tuple[tuple[str, Answer], ...] = (), columns: int = 0
    ) -> Outcome:
        """Run the command on a pseudo-terminal and type each answer when its question appears.

        An answer that is a function gets all that appeared and returns what is typed, or None for nothing.
        The environment may say another TERM; `columns` is how wide it says it is, 0 for nothing.
        What appeared is in `stdout`; a terminal does not tell the two streams apart.
        """
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if columns else 0, columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-c", TAKE_THE_TERMINAL, *self.command, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=self.folder,
            env={"TERM": "xterm", "COLUMNS": "200", **self.environ},
            start_new_session=True,
        )
        os.close(theirs)
        try:
            seen = self._converse(ours, list(answers))
            return Outcome(process.wait(PATIENCE), seen, "")
        finally:
            process.kill()
            process.wait()
            os.close(ours)

    @staticmethod
    def _converse(screen: int, answers: list[tuple[str, Answer]]) -> str:
        typed: str | None = ""
        seen, unread, end = "", "", time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if not select.select([screen], [], [], 2)[0]:
                # Python may lose a Ctrl-C just before it starts to read a line: a person presses it again.
                if typed == CTRL_C:
                    os.write(screen, CTRL_C.encode())
                continue
            piece = b""
            with contextlib.suppress(OSError):  # the other side closed
                piece = os.read(screen, 65536)
            if not piece:
                break
            seen += piece.decode(errors="replace")
            unread += piece.decode(errors="replace")
            if answers and answers[0][0] in unread:
                answer = answers.pop(0)[1]
                typed = answer(seen) if callable(answer) else answer
                if typed is not None:
                    os.write(screen, typed.encode() + (b"" if typed == CTRL_C else b"\n"))
                unread = ""
        return seen
