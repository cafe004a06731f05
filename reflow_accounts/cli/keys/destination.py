"""Where the secret of a new key goes: stdout, or a file that is checked before the key is created."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from reflow_accounts.cli import git
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.credentials import HOME_KEY, home_variable
from reflow_accounts.cli.errors import CommandError, UsageFault
from reflow_accounts.cli.keys.gitignore import add_to_ignore_file, choose_ignore_file, git_warnings
from reflow_accounts.cli.output import result
from reflow_accounts.cli.secret_file import (
    AtomicFile,
    file_holds,
    make_private_folder,
    with_other_secret,
)
from reflow_accounts.cli.text import shell
from reflow_accounts.contract import KEY_FILE_NAME

Command = TypeVar("Command", bound=Callable[..., Any])


def destination_options(command: Command) -> Command:
    """Decorate `command` with the options `output`, `save`, `force` and `yes`."""
    for decorate in reversed(_OPTIONS):
        command = decorate(command)
    return command


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("-o", "--output", metavar="FILE", help="Write the key to FILE, readable only for you."),
    click.option(
        "--save",
        type=click.Choice(["repo", "home"]),
        help="Save it as reflow.key at the git root, or as ~/.reflow/api.key.",
    ),
    click.option("--force", is_flag=True, help="Replace the file when it exists."),
    click.option("--yes", is_flag=True, help="Ask nothing; with --save repo, add the file to .gitignore."),
)


class Target:
    """The destination that the options name: `path` is None for stdout. Raises UsageFault."""

    def __init__(
        self,
        context: Context,
        *,
        output: str | None,
        save: str | None,
        force: bool = False,
        yes: bool = False,
    ) -> None:
        if output is not None and save is not None:
            raise UsageFault("Use -o or --save, not both.")
        self.context, self.overwrite = context, force
        self._yes = yes
        self._root: Path | None = None
        self._ignore_file: Path | None = None
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
            self.path = (context.folder or Path()) / str(output)

    def choose_ignore_file(self) -> None:
        """With `--save repo`, ask where git should ignore the file, if it does not yet."""
        if self.path and self._root:
            may_ask = self.context.may_ask
            self._ignore_file = choose_ignore_file(self.path, self._root, yes=self._yes, may_ask=may_ask)

    def ignore_in_git(self) -> None:
        """Add the file to the chosen ignore file. A failure is a warning."""
        if self.path and self._ignore_file:
            add_to_ignore_file(self._ignore_file, self.path.name)


class Destination:
    """Receives one secret. Creating it reserves the disk space, so that a full disk is noticed in time.

    `replaces` is the secret to replace in an existing file, whose other lines and owner stay; a link to it
    stays a link. Raises CommandError when the destination cannot be written.
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

    def write(self, secret: str) -> None:
        """Write the secret to the file. Does nothing for stdout.

        Raises OSError, and CommandError when the file no longer contains the secret to replace.
        """
        if self.path is None or self._file is None:
            return
        if self._replaces is None:
            self._file.write(secret + "\n")
            return
        if not file_holds(self.path, self._replaces):
            raise CommandError(f"{self.path} was changed meanwhile, perhaps by another rotation.")
        self._file.write(with_other_secret(self.path.read_bytes(), self._replaces, secret))

    def show(self, secret: str) -> None:
        """Print the secret. Does nothing for a file. Raises OSError."""
        if self.path is None:
            result(secret)

    def holds(self, secret: str) -> bool:
        """Return whether the file contains `secret`; after an interruption this is unknown otherwise."""
        return self.path is not None and file_holds(self.path, secret)

    def close(self) -> None:
        """Release the reserved space. Has no effect on a file that was written."""
        if self._file:
            self._file.discard()

    def warnings(self) -> list[str]:
        """Return the lines to warn with when git would publish the file."""
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
