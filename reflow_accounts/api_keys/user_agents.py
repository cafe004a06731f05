"""Parse the user agent of a use: the program that claims to have made the request. Unverified."""

import re
from typing import NamedTuple
from urllib.parse import unquote

from reflow_accounts.contract import CI_PRODUCTS

# The format of `cli/http/user_agent.py`, which percent-encodes parentheses and backslashes.
_AGENT = re.compile(
    r"reflow/(?P<version>[0-9A-Za-z.+-]{1,40}) \((?P<system>[^()\\;]{1,60})\)"
    rf"(?: (?P<product>{'|'.join(CI_PRODUCTS)})(?: \((?P<job>[^()\\]+)\))?)?"
)
LONGEST_PROGRAM = 120
_RUN = re.compile(r", run [0-9A-Za-z._-]{1,20}$")
_JOB = re.compile(r"(?P<repository>[^; ]+)?(?:(?(repository); )run (?P<run>[0-9A-Za-z._-]{1,20}))?")


def program_of(user_agent: str) -> str | None:
    """Return the program as text: "GitHub Actions, acme/web, run 812", or "reflow 1.2.3 (Linux x86_64)".

    None for a user agent that the `reflow` command does not send. The text is what the client claims, and has only
    printable characters.
    """
    agent = _AGENT.fullmatch(user_agent)
    try:
        description = _describe(agent) if agent else None
    except UnicodeDecodeError:
        return None
    return description if description and description.isprintable() else None


class Program(NamedTuple):
    """A program; `is_ci` for a CI system, whose name includes the repository but not the run."""

    name: str
    is_ci: bool


def read_program(user_agent: str) -> Program:
    """Return what a user agent claims: a CI system with its repository, or the first product (RFC 9110, 10.1.5).

    The name has at most LONGEST_PROGRAM printable characters; it is empty without a user agent.
    """
    description, agent = program_of(user_agent), _AGENT.fullmatch(user_agent)
    is_ci = bool(description and agent and agent["product"])
    if is_ci and description:
        name = _RUN.sub("", description)
    else:
        name = "".join(c for c in user_agent.split(" ", 1)[0] if c.isprintable())
    return Program(name[:LONGEST_PROGRAM], is_ci)


def _describe(agent: re.Match[str]) -> str | None:
    if agent["product"] is None:
        return f"reflow {agent['version']} ({unquote(agent['system'], errors='strict')})"
    job = _JOB.fullmatch(agent["job"] or "")
    if job is None:
        return None
    repository = unquote(job["repository"] or "", errors="strict")
    run = f"run {job['run']}" if job["run"] else ""
    return ", ".join(part for part in (CI_PRODUCTS[agent["product"]], repository, run) if part)
