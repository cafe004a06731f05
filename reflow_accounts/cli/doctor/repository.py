"""Keys that git publishes, or would: files that it tracks or does not ignore, and what its history holds."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from reflow_accounts.cli import git
from reflow_accounts.cli.cautions import ignore_command, untrack_command
from reflow_accounts.cli.doctor.findings import Finding, Findings, error, ok, warning
from reflow_accounts.cli.doctor.history import COMMITS, History
from reflow_accounts.cli.doctor.known_keys import KnownKey
from reflow_accounts.cli.http.spinner import Spinner
from reflow_accounts.cli.text import shell
from reflow_accounts.contract import KEY_FILE_NAME, is_well_formed

Keys = Callable[[], list[KnownKey]]

SECONDS = 10
OURS = (KEY_FILE_NAME, "api.key")
SECRET = rb"rf[ks]_[0-9A-Za-z]{49}"
# A file of this name may be a key of anything; one that begins so is none of ours.
_OF_OTHERS = b"-----BEGIN"


def repository_findings(root: Path | None, keys: Keys) -> Findings:
    """Look at the repository at `root`; `keys` returns those that the server tells of."""
    if root is None:
        yield ok("git files", "this folder is in no git repository")
        return
    with Spinner("git"):
        tracked, loose = _listed(root, "--cached"), _listed(root, "--others", "--exclude-standard")
    if tracked is None or loose is None:
        yield warning("git files", f"git cannot be asked about {root}", shell("git", "-C", root, "status"))
        return
    with Spinner("git"):
        holding = _holding_a_secret(root)
    found = [_published(root, name) for name in tracked if _is_key(root, name, holding)]
    found += [_unignored(root, name) for name in loose if _is_key(root, name, holding)]
    yield from found or [ok("git files", f"no key file in {root} is tracked or left to be")]
    yield from _past(root, keys)


def _listed(root: Path, *words: str) -> list[str] | None:
    """Return the files that git lists, or None when it does not."""
    listed = git.output_of(root, "ls-files", *words, "-z", timeout=SECONDS)
    return None if listed is None else [os.fsdecode(name) for name in listed.split(b"\0") if name]


def _holding_a_secret(root: Path) -> set[str]:
    """Return the files, tracked or not ignored, in which something like a secret stands."""
    words = ("grep", "--untracked", "--no-recurse-submodules", "-l", "-z", "-a", "-E", SECRET.decode())
    found = git.output_of(root, *words, good=(0, 1), timeout=SECONDS) or b""
    return {os.fsdecode(name) for name in found.split(b"\0") if name}


def _is_key(root: Path, name: str, holding: set[str]) -> bool:
    """Say whether a file is a key by what it holds, or by its name if it may hold one."""
    file = root / name
    if name not in holding and not file.name.endswith(".key"):
        return False
    try:
        # Of a link git keeps its path alone; it could lead to what never ends.
        start = _start_of(file) if stat.S_ISREG(os.lstat(file).st_mode) else b""
    except OSError:
        return file.name in OURS
    if any(is_well_formed(found.decode()) for found in re.findall(SECRET, start)):
        return True
    return file.name in OURS or (file.name.endswith(".key") and is_text_of_ours(start))


def _start_of(file: Path) -> bytes:
    with file.open("rb") as content:
        return content.read(1 << 20)


def is_text_of_ours(content: bytes) -> bool:
    """Say whether a file named *.key with this content may be a key of Reflow, cut off or not."""
    return _OF_OTHERS not in content and b"\0" not in content and bool(content.strip())


def _published(root: Path, name: str) -> Finding:
    mend = f"{untrack_command(root, name)} && {ignore_command(root, name)}"
    return error("git files", f"{root / name} is tracked by git; revoke its key if it was ever pushed", mend)


def _unignored(root: Path, name: str) -> Finding:
    detail = f"{root / name} is not ignored by git and could be published"
    return warning("git files", detail, ignore_command(root, name))


def _past(root: Path, keys: Keys) -> Findings:
    history = History(root)
    with Spinner("git"):
        history.read()
    if history.failed:
        yield warning("git history", "git does not show its history", shell("git", "-C", root, "log"))
        return
    looked = f"the last {COMMITS} commits" if history.whole else "the newest commits, as far as time allowed,"
    known = keys() if history.secrets else []
    found = [_secret_in(commit, secret, known) for secret, commit in history.secrets.items()]
    found += [_file_in(commit, name) for name, commit in history.files.items()]
    yield from found or [ok("git history", f"{looked} hold no key")]


def _secret_in(commit: str, secret: str, keys: list[KnownKey]) -> Finding:
    hint = secret[-4:]
    known = [key for key in keys if key.hint == hint]
    detail = f"commit {commit} holds a key that ends in {hint}"
    for key in known:
        if key.is_live:
            live = f"and {key.whose} is live: whoever has the repository has it"
            return error("git history", f"{detail}, {live}", key.revoking)
    if known:
        return ok("git history", f"{detail}, which was revoked or has ended")
    return error("git history", f"{detail}; revoke it, if it is not yet", "reflow keys revoke NAME_OR_ID")


def _file_in(commit: str, name: str) -> Finding:
    detail = f"commit {commit} holds the file {name}; revoke the key that was in it"
    return warning("git history", detail, "reflow keys revoke NAME_OR_ID")
