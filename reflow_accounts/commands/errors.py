"""Messages of operator commands on standard error: errors, with exit code 1, and what a long command does."""

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps

import click
from sqlalchemy.exc import DatabaseError

from reflow_accounts.database_errors import database_problem
from reflow_accounts.errors import DomainError

# Errors of a full disk, without the name of a file. After a closed pipe, click ends the command quietly.
_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def handle_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command to exit with one sentence for domain, database, encoding and output errors."""

    @wraps(command)
    def run(*arguments: object, **options: object) -> None:
        try:
            command(*arguments, **options)
        except DomainError as error:
            sys.exit(f"reflow-accounts: {error}")
        except DatabaseError as error:
            sys.exit(f"reflow-accounts: {database_problem(error)}")
        except UnicodeError:
            sys.exit("reflow-accounts: the input is not valid text. Write it in UTF-8.")
        except OSError as error:
            exit_if_unwritable(error)
            raise

    return run


def say_what_takes_long(sentence: str) -> None:
    """Write a sentence on a terminal, so that a command of some minutes does not seem to hang."""
    if sys.stderr.isatty():
        click.echo(sentence, err=True)


def exit_if_unwritable(error: OSError) -> None:
    """Exit with one sentence if `error` says that stdout cannot be written."""
    if error.errno not in _CANNOT_WRITE or error.filename is not None:
        return
    # Otherwise Python would report the same error at exit.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(
        f"reflow-accounts: the output cannot be written ({error.strerror}). "
        "The command may have done its work: check before you run it again."
    )
