"""Where a rotated key's new secret goes: over the old one, into another file, or to stdout; and back again."""

from __future__ import annotations

import os
from pathlib import Path

from reflow_accounts.cli.errors import CommandError
from reflow_accounts.cli.keys.destination import Delivery, holds
from reflow_accounts.cli.keys.file import Unusable, secret_in_file, with_other_secret
from reflow_accounts.cli.secret_file import Draft


class Exchange:
    """Puts a new secret somewhere. Making one takes all the room that is needed, for the way back too.

    `expected` is the secret that is in the file and makes way; the rest of the file, and its owner, stay.
    Raises CommandError when nothing could be written there.
    """

    def __init__(self, path: Path | None, *, overwrite: bool, expected: str | None = None) -> None:
        # What a link leads to is replaced, not the link.
        self.path = Path(os.path.realpath(path)) if path and overwrite else path
        self._expected = expected
        self._delivery = Delivery(self.path, overwrite=overwrite)
        self._back: Draft | None = None
        try:
            self._remember(overwrite)
        except OSError as error:
            self.close()
            raise CommandError(f"{path} cannot be replaced ({error.strerror}). No key was created.") from None

    def _remember(self, overwrite: bool) -> None:
        """Keep what is in the file, and room to write it again on a disk that is full by then."""
        self._before: bytes | None = None
        if self.path and overwrite and self.path.exists():
            self._before = self.path.read_bytes()
            self._back = Draft(self.path, overwrite=True)
            if self._expected is not None:
                self._delivery.give_to_the_owner()
                self._back.give_to_the_owner()

    def put(self, secret: str) -> None:
        """Write the secret into the file, if it goes into one. Raises OSError; CommandError for a changed file."""
        if self.path is None:
            return
        if self._expected is None:
            self._delivery.hand_over(secret)
            return
        if not holds(self.path, self._expected):
            raise CommandError(f"{self.path} was changed meanwhile, perhaps by another rotation.")
        self._delivery.replace(with_other_secret(self.path.read_bytes(), self._expected, secret))

    def found(self, secret: str) -> str:
        """Return the secret as the next command will find it. Raises CommandError."""
        if self.path is None:
            return secret
        try:
            return secret_in_file(self.path)
        except Unusable as fault:
            raise CommandError(f"{self.path} {fault}.") from None

    def show(self, secret: str) -> None:
        """Print the secret, if it goes to stdout. Raises OSError when it did not arrive."""
        if self.path is None:
            self._delivery.hand_over(secret)

    def undo(self, secret: str) -> None:
        """Have the file as it was, if it holds `secret` by now. Raises OSError; then it still does."""
        if self.path is None or not holds(self.path, secret):
            return
        if self._back and self._before is not None:
            self._back.publish(self._before)
        else:
            self.path.unlink()

    def close(self) -> None:
        """Give back the room that was not needed."""
        self._delivery.cancel()
        if self._back:
            self._back.discard()

    def cautions(self) -> list[str]:
        """Return the lines to warn with, when git would publish the file."""
        return self._delivery.cautions()
