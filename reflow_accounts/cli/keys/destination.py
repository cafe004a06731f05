"""The destination of a new secret: stdout, or a file that is checked before the key is created."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from reflow_accounts.cli import git
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.credentials import HOME_KEY, Source, credential_of, home_variable
from reflow_accounts.cli.errors import ApiError, CommandError, NotSignedIn, UsageFault
from reflow_accounts.cli.http.client import ApiClient
from reflow_accounts.cli.keys.gitignore import add_to_ignore_file, choose_ignore_file, git_warnings
from reflow_accounts.cli.options import complete_file_name
from reflow_accounts.cli.output import result, tell
from reflow_accounts.cli.secret_file import (
    AtomicFile,
    KeyText,
    file_holds,
    make_private_folder,
    with_other_secret,
)
from reflow_accounts.cli.text import shell
from reflow_accounts.contract import KEY_FILE_NAME, Exit


def destination_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate `command` with the options of a destination, which it gets as the Target `target`."""

    @wraps(command)
    def run(*args: Any, output: str | None, save: str | None, force: bool, yes: bool, **more: Any) -> None:
        context = click.get_current_context().ensure_object(Context)
        target = Target(context, output=output, save=save, force=force, yes=yes)
        command(*args, target=target, **more)

    for decorate in reversed(_OPTIONS):
        run = decorate(run)
    return run


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "-o",
        "--output",
        metavar="FILE",
        shell_complete=complete_file_name,
        help="Write the key to FILE, readable only for you.",
    ),
    click.option(
        "--save",
        type=click.Choice(["repo", "home"]),
        help="Save it as reflow.key at the git root, or as ~/.reflow/api.key.",
    ),
    click.option("--force", is_flag=True, help="Replace the file when it exists."),
    click.option("--yes", is_flag=True, help="Ask nothing; with --save repo, add the file to .gitignore."),
)


class Target:
    """The destination in the options; `path` is None for stdout. Raises UsageFault."""

    def __init__(
        self, context: Context, *, output: str | None, save: str | None, force: bool, yes: bool
    ) -> None:
        if output == "":
            raise UsageFault("-o needs the name of a file, or - for stdout.")
        if output is not None and save is not None:
            raise UsageFault("Use -o or --save, not both.")
        self.context, self.overwrite, self.yes = context, force, yes
        # Whether commands look for their key there.
        self.is_standard_place = save is not None
        self._root: Path | None = None
        self.path: Path | None = None
        if save == "home":
            if context.home is None:
                raise UsageFault(
                    f"There is no home folder to save the key in. Set {home_variable()}, or use -o FILE."
                )
            self.path = context.home / HOME_KEY
        elif save == "repo":
            self._root = git.root_of(context.folder)
            if self._root is None:
                raise UsageFault("This folder is in no git repository. Use --save home or -o FILE.")
            self.path = self._root / KEY_FILE_NAME
        elif output not in (None, "-"):
            path = (context.folder or Path()) / str(output)
            # Git cannot compare a path that contains "..".
            self.path = path.parent.resolve() / path.name if ".." in path.parts else path

    def client(self) -> ApiClient:
        """Return the client for the request. Raises CommandError.

        A refused key in the file that --force replaces is skipped, so that it does not prevent its replacement.
        """
        first = next(iter(self.context.sources()), None)
        if not (self.overwrite and first and is_same_file(first.path, self.path)):
            return self.context.client()
        fault = self._fault_of(first)
        if fault is None:
            return self.context.client()
        tell(f"{first} is not accepted and will be replaced, so the next credential is used.")
        try:
            return self.context.client(unusable=first)
        except NotSignedIn:
            raise fault from None

    def _fault_of(self, source: Source) -> CommandError | None:
        """Return the error with which the credential of `source` is refused, or None."""
        try:
            credential = credential_of(source, self.context.environment)
            ApiClient(credential.server, credential).ask("GET", "/me")
        except (NotSignedIn, UsageFault) as fault:
            return fault
        except ApiError as problem:
            return problem if problem.exit_code is Exit.NOT_SIGNED_IN else None
        return None

    def ignore_in_git(self) -> None:
        """With `--save repo`, make git ignore the file; ask where, if it is not ignored yet.

        Call it before the key is created. Raises CommandError.
        """
        if not self.path or not self._root:
            return
        may_ask = self.context.may_ask
        ignore_file = choose_ignore_file(self.path, self._root, yes=self.yes, may_ask=may_ask)
        if ignore_file:
            add_to_ignore_file(ignore_file, self.path, self._root)


def is_same_file(one: Path | None, other: Path | None) -> bool:
    """Return whether both paths are given and lead to the same file."""
    return bool(one and other) and os.path.realpath(str(one)) == os.path.realpath(str(other))


class Destination:
    """Receives one secret. Reserves the disk space at once, so that a full disk is noticed before the request.

    `replaces` is the secret to replace in an existing file, which keeps its other lines, its owner and links
    to it. Raises CommandError when the destination cannot be written.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        overwrite: bool = False,
        replaces: str | None = None,
    ) -> None:
        self.path = Path(os.path.realpath(path)) if path and replaces else path
        self._replaces = replaces
        if path is None and sys.stdout is None:
            raise CommandError("There is no stdout to print the key on. Use -o FILE.")
        self._file = _reserve(self.path, overwrite) if self.path else None
        try:
            if replaces and self._file:
                self._file.copy_owner()
        except OSError as error:
            self.close()
            raise CommandError(f"{path} cannot be replaced ({error.strerror}). No key was created.") from None

    def write(self, secret: str, server: str) -> None:
        """Write the secret and the server to the file. Does nothing for stdout.

        Raises OSError, and CommandError when the file no longer contains the secret to replace.
        """
        if self.path is None or self._file is None:
            return
        if self._replaces is None:
            self._file.write(str(KeyText(secret, server)))
            return
        if not file_holds(self.path, self._replaces):
            raise CommandError(f"{self.path} was changed meanwhile, perhaps by another rotation.")
        self._file.write(with_other_secret(self.path.read_bytes(), self._replaces, secret))

    def show(self, secret: str) -> None:
        """Print the secret. Does nothing for a file. Raises OSError."""
        if self.path is None:
            result(secret)

    def holds(self, secret: str) -> bool:
        """Return whether the file contains `secret`, which is unknown after an interruption."""
        return self.path is not None and file_holds(self.path, secret)

    def close(self) -> None:
        """Release the reserved space. Has no effect on a file that was written."""
        if self._file:
            self._file.discard()

    def warnings(self) -> list[str]:
        """Return a warning as lines when git would publish the file, else an empty list."""
        root = git.root_of(self.path.parent) if self.path else None
        return git_warnings(self.path, root) if self.path and root else []


def _reserve(path: Path, overwrite: bool) -> AtomicFile:
    try:
        if path.parts[-2:] == HOME_KEY.parts:
            make_private_folder(path.parent)
        return AtomicFile(path, overwrite=overwrite)
    except FileExistsError:
        if overwrite or path.is_dir():
            raise CommandError(f"{path} is not a plain file. No key was created.") from None
        raise CommandError(
            f"{shell(path)} exists already. Use --force to replace it. No key was created."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "bad path"
        raise CommandError(f"{path} cannot be written ({reason}). No key was created.") from None
