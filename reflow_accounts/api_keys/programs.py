"""Reads the user agent of a use: the program that claims to have made the request. Unverified."""

import re
from urllib.parse import unquote

from reflow_accounts.contract import CI_PRODUCTS

# What `cli/http/user_agent.py` writes; brackets and backslashes are percent-encoded there.
_AGENT = re.compile(
    r"reflow/(?P<version>[0-9A-Za-z.+-]{1,40}) \((?P<system>[^()\\;]{1,60})\)"
    rf"(?: (?P<product>{'|'.join(CI_PRODUCTS)})(?: \((?P<job>[^()\\]+)\))?)?"
)
_JOB = re.compile(r"(?P<repository>[^; ]+)?(?:(?(repository); )run (?P<run>[0-9A-Za-z._-]{1,20}))?")


def program_of(user_agent: str) -> str | None:
    """Return the program in words: "GitHub Actions, acme/web, run 812", or "reflow 1.2.3 (Linux x86_64)".

    None for a user agent that the `reflow` command does not write. The words contain only printable
    characters; they are what the client claims.
    """
    agent = _AGENT.fullmatch(user_agent)
    try:
        description = _describe(agent) if agent else None
    except UnicodeDecodeError:
        return None
    return description if description and description.isprintable() else None


def _describe(agent: re.Match[str]) -> str | None:
    if agent["product"] is None:
        return f"reflow {agent['version']} ({unquote(agent['system'], errors='strict')})"
    job = _JOB.fullmatch(agent["job"] or "")
    if job is None:
        return None
    repository = unquote(job["repository"] or "", errors="strict")
    run = f"run {job['run']}" if job["run"] else ""
    return ", ".join(word for word in (CI_PRODUCTS[agent["product"]], repository, run) if word)
