"""Runs the command in a fork of a process that has imported its modules, which saves most of the time of a start."""

import fcntl
import multiprocessing
import os
import pkgutil
import signal
import sys
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from reflow_accounts import cli
from reflow_accounts.cli.main import main

_context = multiprocessing.get_context("forkserver")
_modules = [module.name for module in pkgutil.walk_packages(cli.__path__, f"{cli.__name__}.")]
_context.set_forkserver_preload([__name__, *(name for name in _modules if not name.endswith("__main__"))])


def run(
    words: tuple[str, ...], stdin: bytes, folder: Path, environ: Mapping[str, str], timeout: float
) -> tuple[int, bytes, bytes]:
    """Run the command without a terminal; return its exit code and the bytes of stdout and stderr."""
    reading, input_ = _context.Pipe(duplex=False)
    pipes = [_context.Pipe(duplex=False) for _ in range(2)]
    process = start(words, folder, environ, (reading, pipes[0][1], pipes[1][1]))
    output = [bytearray(), bytearray()]
    threads = [threading.Thread(target=_write, args=(input_, stdin))]
    threads += [
        threading.Thread(target=_read, args=(pipe, content))
        for (pipe, _), content in zip(pipes, output, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        code = end(process, timeout)
    finally:
        for thread in threads:
            thread.join(timeout)
    return code, bytes(output[0]), bytes(output[1])


def start(
    words: tuple[str, ...],
    folder: Path,
    environ: Mapping[str, str],
    streams: Sequence[Connection],
    *,
    has_terminal: bool = False,
) -> ForkServerProcess:
    """Start the command with these three standard streams, which are closed here.

    `has_terminal`: make stdin, a pseudo-terminal, the controlling one, so that passwords are read from it and Ctrl-C
    arrives.
    """
    process = _context.Process(target=_run, args=(words, str(folder), dict(environ), streams, has_terminal))
    process.start()
    for stream in streams:
        stream.close()
    return process


def end(process: ForkServerProcess, timeout: float) -> int:
    """Wait for the end of a process, kill it after `timeout` seconds, and return its exit code."""
    process.join(timeout)
    is_running = process.is_alive()
    process.kill()
    process.join()
    code = process.exitcode
    process.close()
    assert not is_running, f"the command did not end within {timeout} seconds"
    assert code is not None
    return code


def _run(
    words: tuple[str, ...],
    folder: str,
    environ: dict[str, str],
    streams: Sequence[Connection],
    has_terminal: bool,
) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    if has_terminal:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a test worker ignores it
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(folder)
    # As Python opens them in the locale C.UTF-8. They stay open until the process ends.
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv = ["reflow", *words]
    sys.exit(main())


def _write(pipe: Connection, content: bytes) -> None:
    with pipe, suppress(BrokenPipeError):
        while content:
            content = content[os.write(pipe.fileno(), content) :]


def _read(pipe: Connection, content: bytearray) -> None:
    with pipe:
        while piece := os.read(pipe.fileno(), 65536):
            content += piece
