"""The file of an SQLite database: creation, URI, identity and checkpoints."""

# A module of its own, because the key check uses `sqlite3` without SQLAlchemy.

import os
from contextlib import suppress
from pathlib import Path

Identity = tuple[int, int]

# Pages of the write-ahead log before a commit copies them into the database (https://sqlite.org/wal.html#ckpt):
# 40 MB. Roll-ups write the same pages again and again, and key checks wait while they are copied and synced;
# with SQLite's default of 1000 they were copied about twice a second.
CHECKPOINT_PAGES = 10_000


def make(path: str) -> None:
    """Create an empty file unless it exists; opening it reports errors."""
    with suppress(OSError):
        Path(path).touch(0o644)


def address_of(path: str) -> str:
    """Return the URI with which `sqlite3.connect(…, uri=True)` opens an existing file and creates none."""
    return f"{Path(path).absolute().as_uri()}?mode=rw"


def identity_of(path: str) -> Identity | None:
    """Return device and inode, or None without a file.

    They detect a replaced file: SQLite goes on reading and writing a deleted file that is open.
    """
    try:
        stat = os.stat(path)  # noqa: PTH116  # on every request: Path.stat is slower
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
