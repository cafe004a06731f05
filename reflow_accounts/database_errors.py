"""What errors of the database mean: for logs, for operators, and for retries."""

from sqlalchemy.exc import DBAPIError

# SQLite's names (https://sqlite.org/rescode.html), and disk_full and read_only_sql_transaction of PostgreSQL
# (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_CANNOT_WRITE = (
    "SQLITE_FULL",
    "SQLITE_READONLY",
    "SQLITE_IOERR_WRITE",
    "SQLITE_IOERR_SHMSIZE",
    "53100",
    "25006",
)


def describe(error: BaseException) -> str:
    """Return the type of an error and what the database calls it (`SQLITE_FULL`, SQLSTATE `53100`), for logs.

    Never the message, which may contain SQL and values.
    """
    name = condition_of(error)
    return f"{type(error).__name__} ({name})" if name else type(error).__name__


def condition_of(error: BaseException) -> str:
    """Return SQLite's name of an error or PostgreSQL's SQLSTATE; an empty text if there is none."""
    cause = getattr(error, "orig", None) or error
    return getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""


def is_unwritable(error: BaseException) -> bool:
    """Return whether the disk of the database is full, or read-only."""
    return condition_of(error).startswith(_CANNOT_WRITE)


def is_locked(error: BaseException) -> bool:
    """Return whether another session held a lock of PostgreSQL for too long."""
    return condition_of(error) == "55P03"


def database_problem(error: BaseException) -> str:
    """Return a sentence about a database that failed, with what an operator can do."""
    condition = condition_of(error)
    if is_unwritable(error):
        return (
            f"the database cannot be written ({condition}): its disk is full, or it is read-only. "
            "Free space or make it writable, then try again."
        )
    if is_locked(error) or condition.startswith("SQLITE_BUSY"):
        return "another session, such as a backup or a VACUUM, has locked the database. Try again when it has ended."
    suffix = f" ({condition})" if condition else ""
    problem = f"the database cannot be used{suffix}"
    # Without a statement, the error is one of connecting or of a commit.
    if isinstance(error, DBAPIError) and error.statement is None:
        if error.connection_invalidated:
            return (
                f"the connection to the database was lost{suffix}. "
                "The command may have done its work: check before you run it again."
            )
        problem = _describe_open_error(error)
    return (
        f"{problem}. Check that it answers, and REFLOW_DATABASE_URL; "
        "if it is new, run `reflow-accounts db upgrade`."
    )


def opening_problem(error: DBAPIError) -> str:
    """Return a sentence about a database that cannot be opened or migrated, with the cause that its driver names."""
    if is_unwritable(error):
        return database_problem(error)
    return f"{_describe_open_error(error)}. Check that it answers, and REFLOW_DATABASE_URL."


def _describe_open_error(error: DBAPIError) -> str:
    return f"the database cannot be opened ({str(error.orig).splitlines()[0]})"
