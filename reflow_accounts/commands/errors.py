"""How every command ends when it cannot do what it should: with one sentence."""

import sys
from collections.abc import Callable
from functools import wraps

from sqlalchemy.exc import DatabaseError

from reflow_accounts.errors import DomainError


def handle_errors(act: Callable[..., None]) -> Callable[..., None]:
    """Have a command end with one sentence, never a traceback, when it is refused or the database is away."""

    @wraps(act)
    def run(*arguments: object, **options: object) -> None:
        try:
            act(*arguments, **options)
        except DomainError as error:
            sys.exit(f"reflow-accounts: {error}")
        except DatabaseError:
            sys.exit(
                "reflow-accounts: the database cannot be used. Run `flask --app wsgi db upgrade` if it is new, "
                "or check REFLOW_DATABASE_URL."
            )
        except UnicodeError:
            sys.exit("reflow-accounts: what was given is not valid text. Write it in UTF-8.")

    return run
