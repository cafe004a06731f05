"""The file of an SQLite database: made on purpose alone, and told from another that was put in its place."""

import os
from contextlib import suppress
from pathlib import Path

Identity = tuple[int, int]


def make(path: str) -> None:
    """Make an empty database where there is no file; when that cannot be, opening it says why."""
    with suppress(OSError):
        Path(path).touch(0o644)


def address_of(path: str) -> str:
    """Return the address by which `sqlite3.connect(…, uri=True)` opens a file that is there, and makes none."""
    return f"{Path(path).absolute().as_uri()}?mode=rw"


def identity_of(path: str) -> Identity | None:
    """Return what no other file has as long as somebody holds this one open; None when there is no file.

    A database that was removed goes on answering whoever has it open, and keeps nothing that it is told.
    """
    try:
        found = os.stat(path)  # noqa: PTH116  # asked by every request: a Path costs more than the question
    except OSError:
        return None
    return found.st_dev, found.st_ino
