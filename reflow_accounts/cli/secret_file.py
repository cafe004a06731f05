"""Reads and writes files that contain a secret: mode 0600, atomic, never overwritten by accident."""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from reflow_accounts.cli.errors import UsageFault
from reflow_accounts.cli.http.server_address import server_address
from reflow_accounts.contract import KEY_PREFIX, SECRET_LENGTH, SERVER_LINE, SESSION_PREFIX, is_well_formed

LARGEST_FILE = 64 * 1024  # bytes
_BYTE_ORDER_MARK = "\ufeff"
# Without O_BINARY, Windows would convert line ends.
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
# One block of most disks, and more than any secret needs.
_RESERVED = b"\n" * 4096
_SECRET = re.compile(
    rf"(?:{KEY_PREFIX}|{SESSION_PREFIX})[0-9A-Za-z]{{{SECRET_LENGTH - len(KEY_PREFIX)}}}", re.ASCII
)
_SERVER_LINE = re.compile(r"#\s*server\s*:(.*)", re.IGNORECASE)


class UnusableFile(Exception):
    """There is no usable key. The message ends a sentence ("holds no key") and never repeats the content."""


class UnreadableFile(UnusableFile):
    """The file is missing, is a folder or cannot be opened."""


class MalformedFile(UnusableFile):
    """The content has the wrong form; the key in it may be valid."""


class ForeignFile(UnusableFile):
    """The file belongs to neither this user nor root, and the user did not name it."""


class EmptyVariable(UnusableFile):
    """The environment variable is set but empty."""


class KeyText(NamedTuple):
    """The content of a key file: the secret, and the address of its server ("" when the file names none)."""

    secret: str
    server: str = ""

    def __str__(self) -> str:
        """The text of the file."""
        return f"{SERVER_LINE} {self.server}\n{self.secret}\n" if self.server else f"{self.secret}\n"


def key_in_file(path: Path, *, is_named: bool = False) -> KeyText:
    """Return the API key and the server in the file at `path`.

    Accepts a byte order mark and any line ends. Unless the user named it (`is_named`), the file must be regular
    and belong to this user or root. Raises UnusableFile.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UnreadableFile("is a folder")
        if not is_named and not stat.S_ISREG(mode):
            raise UnreadableFile("is not a plain file")
        with path.open("rb") as file:
            if not is_named:
                _check_owner(path, os.fstat(file.fileno()))
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise UnreadableFile("cannot be read (it does not exist)") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "bad path"
        raise UnreadableFile(f"cannot be read ({reason})") from None
    return key_in_bytes(content)


def key_in_bytes(content: bytes, *, accepts_session: bool = False) -> KeyText:
    """Return the API key and the server in the content of a key file, as `key_in_text` does."""
    if len(content) > LARGEST_FILE:
        raise MalformedFile("is too large for a key")
    # PowerShell writes UTF-16 with a byte order mark when it redirects.
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise MalformedFile("is not a text file") from None
    if "\0" in text:
        raise MalformedFile("is not a text file")
    return key_in_text(text, accepts_session=accepts_session)


def key_in_text(text: str, *, accepts_session: bool = False) -> KeyText:
    """Return the API key in `text`, and the server that a line `# server: URL` names.

    Blank lines and other lines that start with `#` are skipped. `accepts_session` also accepts the secret of
    a login. Raises UnusableFile.
    """
    lines = [line.strip() for line in re.split(r"[\r\n]", text.removeprefix("\ufeff"))]
    candidates = [line for line in lines if line and not line.startswith("#")]
    if not candidates:
        if any(KEY_PREFIX in match[1] for match in map(_SERVER_LINE.search, lines) if match):
            raise MalformedFile(
                "holds a key file without its line ends: keep the line ends, or set only the key"
            )
        raise UnusableFile("holds no key")
    if len(candidates) > 1:
        raise MalformedFile("holds more than one line, but a key is one line")
    if not is_well_formed(candidates[0]):
        if any(map(is_well_formed, _SECRET.findall(candidates[0]))):
            raise MalformedFile(
                "holds more than a key, such as quotation marks or a name: leave only the key"
            )
        raise UnusableFile(
            f"does not hold a whole key: it is cut off or mistyped "
            f"(a key is {KEY_PREFIX} and {SECRET_LENGTH - len(KEY_PREFIX)} more characters)"
        )
    if candidates[0].startswith(SESSION_PREFIX) and not accepts_session:
        raise UnusableFile("holds the secret of a login, not an API key")
    return KeyText(candidates[0], _server_in(lines))


def _server_in(lines: list[str]) -> str:
    named = [match[1].strip() for match in map(_SERVER_LINE.fullmatch, lines) if match]
    try:
        servers = {server_address(address, "the line") for address in named}
    except UsageFault:
        raise MalformedFile(f"has a line {SERVER_LINE} without a web address") from None
    if len(servers) > 1:
        raise MalformedFile(f"names {len(servers)} servers, but a key belongs to one")
    return next(iter(servers), "")


def file_holds(path: Path, secret: str) -> bool:
    """Return whether the file at `path` holds this API key."""
    try:
        return key_in_file(path, is_named=True).secret == secret
    except UnusableFile:
        return False


def with_other_secret(content: bytes, old: str, new: str) -> bytes:
    """Return the content of a key file with `old` replaced by `new`; all other bytes stay the same."""
    encoding = "utf-16-le" if content.startswith(codecs.BOM_UTF16_LE) else "utf-8"
    encoding = "utf-16-be" if content.startswith(codecs.BOM_UTF16_BE) else encoding
    lines = re.split(r"([\r\n])", content.decode(encoding))  # a byte order mark stays a character
    changed = [
        line.replace(old, new) if line.strip().lstrip(_BYTE_ORDER_MARK).strip() == old else line
        for line in lines
    ]
    return "".join(changed).encode(encoding)


def _check_owner(path: Path, opened: os.stat_result) -> None:
    # The owner of a link controls its target.
    owners = {opened.st_uid, os.lstat(path).st_uid}
    if os.name == "posix" and owners - {os.geteuid(), 0}:
        raise ForeignFile("belongs to another user")


def belongs_to_another(path: Path) -> bool:
    """Return whether the file or link at `path` belongs to neither this user nor root."""
    try:
        _check_owner(path, path.stat())
    except ForeignFile:
        return True
    except OSError:
        return False
    return False


class AtomicFile:
    """Reserves disk space for a new version of the file at `path`, which `write` puts in place atomically.

    Raises FileExistsError when the path exists, unless `overwrite` is true and it is a regular file or a
    link; other OSErrors when the file cannot be written, also on a full disk.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path, self.overwrite = path, overwrite
        self._check_path()
        self._temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
        self._descriptor: int | None = os.open(self._temporary, _CREATE, 0o600)
        try:
            if os.write(self._descriptor, _RESERVED) < len(_RESERVED):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._descriptor)  # some file systems allocate space only now
        except BaseException:
            self.discard()
            raise

    def _check_path(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            mode = os.lstat(self.path).st_mode
            if not self.overwrite or not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                raise FileExistsError(self.path)

    def copy_owner(self) -> None:
        """As root, give the new file the owner of the existing one. Raises OSError."""
        if os.name == "posix" and os.geteuid() == 0 and self._descriptor is not None:
            existing = os.lstat(self.path)
            os.fchown(self._descriptor, existing.st_uid, existing.st_gid)

    def write(self, content: str | bytes) -> None:
        """Put the file with `content` (text as UTF-8) in place. Raises OSError, and then changes nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            raise ValueError("written before")
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
            self._temporary.replace(self.path)
            _sync_folder(self.path.parent)
            return
        try:
            os.link(self._temporary, self.path)  # unlike a rename, refuses to overwrite
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            self._check_path()
            self._temporary.rename(self.path)

    def discard(self) -> None:
        """Remove the temporary file. Has no effect after `write`."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        with contextlib.suppress(OSError):
            self._temporary.unlink()


def _sync_folder(folder: Path) -> None:
    """Flush a rename to disk: the secret in the old file may already be invalid."""
    with contextlib.suppress(OSError):  # Windows cannot open folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_private_folder(folder: Path) -> None:
    """Create `folder` and its parents, and restrict it to its owner even when it exists.

    Raises OSError, NotADirectoryError when something else has its name.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        folder.chmod(0o700)


def is_readable_by_others(path: Path) -> bool:
    """Return whether group or others may read the regular file at `path`."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return os.name == "posix" and stat.S_ISREG(mode) and bool(mode & (stat.S_IRGRP | stat.S_IROTH))
