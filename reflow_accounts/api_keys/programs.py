"""Which program a use says that it came from, read out of its user agent: words that nobody has proved."""

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

    None for every user agent that is not, letter for letter, one of the `reflow` command: it has no other
    name than itself. The words hold nothing invisible and no line ends; they are what the client says.
    """
    agent = _AGENT.fullmatch(user_agent)
    try:
        words = _words(agent) if agent else None
    except UnicodeDecodeError:
        return None
    return words if words and words.isprintable() else None


def _words(agent: re.Match[str]) -> str | None:
    if agent["product"] is None:
        return f"reflow {agent['version']} ({unquote(agent['system'], errors='strict')})"
    job = _JOB.fullmatch(agent["job"] or "")
    if job is None:
        return None
    repository = unquote(job["repository"] or "", errors="strict")
    run = f"run {job['run']}" if job["run"] else ""
    return ", ".join(word for word in (CI_PRODUCTS[agent["product"]], repository, run) if word)
