"""Files for secrets: 0600 from the first byte, whole or not there, never overwritten by accident."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

# Windows would write line ends of its own.
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
# One block of most disks, and more than any secret needs.
_ROOM = b"\n" * 4096


class Draft:
    """A file about to appear at `path`: room for it is taken now, its text is published later.

    Raises FileExistsError when something is there already, unless `overwrite` is true and it is a
    plain file or a link; other OSErrors when nothing can be written there, on a full disk too.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path, self.overwrite = path, overwrite
        self._refuse_what_is_there()
        self._draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
        self._descriptor: int | None = os.open(self._draft, _NEW, 0o600)
        self._take_room()

    def _refuse_what_is_there(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            mode = os.lstat(self.path).st_mode
            if not self.overwrite or not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                raise FileExistsError(self.path)

    def _take_room(self) -> None:
        descriptor = self._descriptor
        assert descriptor is not None
        try:
            if os.write(descriptor, _ROOM) < len(_ROOM):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)  # some file systems look for room only now
        except BaseException:
            self.discard()
            raise

    def give_to_the_owner(self) -> None:
        """Have the file belong to whom the one that it replaces does; only root needs this. Raises OSError."""
        if os.name == "posix" and os.geteuid() == 0 and self._descriptor is not None:
            there = os.lstat(self.path)
            os.fchown(self._descriptor, there.st_uid, there.st_gid)

    def publish(self, content: str | bytes) -> None:
        """Make the file appear with `content` (text: UTF-8), whole. Raises OSError; then nothing appeared."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            raise ValueError("published before")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.seek(0)
                file.write(content.encode() if isinstance(content, str) else content)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            self._move()
        finally:
            self.discard()

    def _move(self) -> None:
        if self.overwrite:
            self._draft.replace(self.path)
            _settle(self.path.parent)
            return
        try:
            os.link(self._draft, self.path)  # unlike a rename, refuses to overwrite
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            self._refuse_what_is_there()
            self._draft.rename(self.path)

    def discard(self) -> None:
        """Give the room back. Harmless after `publish`."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        with contextlib.suppress(OSError):
            self._draft.unlink()


def _settle(folder: Path) -> None:
    """Have the disk remember a replaced name: what was there before may be worth nothing from now on."""
    with contextlib.suppress(OSError):  # a system that cannot open folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_private_folder(folder: Path) -> None:
    """Make `folder` (and its parents) for its owner alone, also when it was there. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        folder.chmod(0o700)


def is_open_to_others(path: Path) -> bool:
    """Say whether the plain file `path` can be read by its group or by everybody."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return os.name == "posix" and stat.S_ISREG(mode) and bool(mode & (stat.S_IRGRP | stat.S_IROTH))
