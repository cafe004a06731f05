"""Errors of operator commands: one sentence and exit code 1."""

import sys
from collections.abc import Callable
from functools import wraps

from sqlalchemy.exc import DatabaseError

from reflow_accounts.database import database_problem
from reflow_accounts.errors import DomainError


def handle_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command to exit with one sentence for domain, database and encoding errors."""

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

    return run
