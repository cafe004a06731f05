"""The address of the database: checked, and in the form that SQLAlchemy reads."""

import re
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from reflow_accounts.environment import ConfigError

# Several hosts, as libpq takes them: postgresql://user:password@one:5432,two:5432/name?target_session_attrs=read-write
_HOSTS = re.compile(
    r"(?P<start>postgresql(?:\+\w+)?://(?:[^@/?]*@)?)(?P<hosts>[^@/?]*,[^@/?]*)(?P<rest>[/?].*|)"
)
_EXAMPLE = "write postgresql://user:password@host/name."


def database_address(name: str, value: str) -> str:
    """Return a database address for SQLAlchemy. Raises ConfigError, which names the setting and omits the value.

    Several hosts are moved to the query, where SQLAlchemy expects them
    (https://docs.sqlalchemy.org/en/21/dialects/postgresql.html#specifying-multiple-fallback-hosts).
    """
    several = _HOSTS.fullmatch(value)
    if several and "[" in several["hosts"]:  # SQLAlchemy splits it at every colon
        raise ConfigError(f"{name} must list several hosts by name or IPv4 address.")
    if several:
        path, _, query = several["rest"].partition("?")
        hosts = [f"host={host}" for host in several["hosts"].split(",")]
        value = several["start"] + (path or "/") + "?" + "&".join([*hosts, *([query] if query else [])])
    try:
        url = make_url(value)
        url.get_dialect()
        if several:
            connect_arguments(url)
    except (ArgumentError, NoSuchModuleError, ValueError):
        # The message omits the value: it may contain a password.
        raise ConfigError(f"{name} is not a database address: {_EXAMPLE}") from None
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigError(f"{name} must start with postgresql:// or sqlite:///; it is {url.drivername}.")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ConfigError(f"{name} must name a file: an SQLite database in memory is lost at once.")
    if url.get_backend_name() == "sqlite":  # Flask-SQLAlchemy would resolve a relative path in another folder
        return str(url.set(database=str(Path(str(url.database)).absolute())))
    return value


def connect_arguments(url: URL) -> dict[str, Any]:
    """Return the parameters of an address of PostgreSQL as libpq takes them."""
    _, arguments = url.get_dialect()().create_connect_args(url)
    return {name: value for name, value in arguments.items() if name != "context"}
