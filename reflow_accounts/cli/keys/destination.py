"""Where the secret of a new key goes: stdout, or a file that is checked before the key is made."""

from __future__ import annotations

import sys
from pathlib import Path

from reflow_accounts.cli import git
from reflow_accounts.cli.cautions import cautions_for_git
from reflow_accounts.cli.context import Context
from reflow_accounts.cli.credentials import HOME_KEY, home_variable
from reflow_accounts.cli.errors import CommandError, UsageFault
from reflow_accounts.cli.keys.file import Unusable, secret_in_file
from reflow_accounts.cli.output import result
from reflow_accounts.cli.secret_file import Draft, make_private_folder
from reflow_accounts.cli.text import shell
from reflow_accounts.contract import KEY_FILE_NAME


class Delivery:
    """Hands a secret over once. Making one raises CommandError when it could not work."""

    def __init__(self, path: Path | None, *, overwrite: bool = False) -> None:
        self.path = path
        self._draft = _draft(path, overwrite) if path else None
        if path is None and sys.stdout is None:
            raise CommandError("There is no stdout to print the key on. Use -o FILE.")

    def give_to_the_owner(self) -> None:
        """Have the file belong to whom it belongs now. Raises OSError."""
        if self._draft:
            self._draft.give_to_the_owner()

    def replace(self, content: bytes) -> None:
        """Write the whole file. Raises OSError when it did not arrive."""
        if self._draft:
            self._draft.publish(content)

    def hand_over(self, secret: str) -> None:
        """Write the secret and a newline. Raises OSError when it did not arrive."""
        if self._draft:
            self._draft.publish(secret + "\n")
            return
        result(secret)

    def has_arrived(self, secret: str) -> bool:
        """Say whether the file holds `secret`, as after an interruption one does not know."""
        return self.path is not None and holds(self.path, secret)

    def cancel(self) -> None:
        """Leave nothing behind. Harmless after `hand_over`."""
        if self._draft:
            self._draft.discard()

    def cautions(self) -> list[str]:
        """Return the lines to warn with, when git would publish the file."""
        root = git.root_of(self.path.parent) if self.path else None
        return cautions_for_git(self.path, root) if self.path and root else []


def destination(context: Context, output: str | None, save: str | None) -> Path | None:
    """Return the file that the options name, or None for stdout. Raises UsageFault."""
    if output is not None and save is not None:
        raise UsageFault("Use -o or --save, not both.")
    if save == "home":
        return _home_file(context)
    if save == "repo":
        return _repository_file(context)
    if output in (None, "-"):
        return None
    return (context.folder or Path()) / str(output)


def _home_file(context: Context) -> Path:
    if context.home is None:
        raise UsageFault(
            f"There is no home folder to save the key in. Set {home_variable()}, or use -o FILE."
        )
    return context.home / HOME_KEY


def _repository_file(context: Context) -> Path:
    root = git.root_of(context.folder)
    if root is None:
        raise UsageFault("This folder is in no git repository. Use --save home or -o FILE.")
    return root / KEY_FILE_NAME


def holds(path: Path, secret: str) -> bool:
    """Say whether the file at `path` holds this secret."""
    try:
        return secret_in_file(path) == secret
    except Unusable:
        return False


def _draft(path: Path, overwrite: bool) -> Draft:
    try:
        if path.parts[-2:] == HOME_KEY.parts:
            make_private_folder(path.parent)
        return Draft(path, overwrite=overwrite)
    except FileExistsError:
        raise CommandError(_in_the_way(path, overwrite)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "bad path"
        raise CommandError(f"{path} cannot be written ({reason}). No key was created.") from None


def _in_the_way(path: Path, overwrite: bool) -> str:
    if overwrite or path.is_dir():
        return f"{path} is not a plain file. No key was created."
    return f"{shell(path)} exists already. Use --force to replace it. No key was created."
