"""What the command says of itself to the server: its version, the system, and the CI job that it is part of."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from reflow_accounts import __version__
from reflow_accounts.cli.text import redacted

# Together they stay below the 255 characters that the server keeps.
LONGEST_REPOSITORY = 120
_LONGEST_WORD = 20
_ELLIPSIS = quote("…")
_RUN = re.compile(rf"[0-9A-Za-z._-]{{1,{_LONGEST_WORD}}}")


class _Ci(NamedTuple):
    """A CI: its name as a product, and the variables that say so and tell repository and run."""

    product: str
    sign: str
    # Read from the address of the repository, else made of the words that these variables hold.
    address: str
    words: tuple[str, ...]
    # The first that is set.
    runs: tuple[str, ...]


# https://docs.github.com/en/actions/reference/variables-reference
# https://docs.gitlab.com/ci/variables/predefined_variables/
# https://circleci.com/docs/reference/variables/
# https://buildkite.com/docs/pipelines/configure/environment-variables
# https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables
_CIS = (
    _Ci(
        "GitHub-Actions",
        "GITHUB_ACTIONS",
        "",
        ("GITHUB_REPOSITORY",),
        ("GITHUB_RUN_NUMBER", "GITHUB_RUN_ID"),
    ),
    _Ci("GitLab-CI", "GITLAB_CI", "", ("CI_PROJECT_PATH",), ("CI_PIPELINE_IID", "CI_PIPELINE_ID")),
    _Ci(
        "CircleCI",
        "CIRCLECI",
        "CIRCLE_REPOSITORY_URL",
        ("CIRCLE_PROJECT_USERNAME", "CIRCLE_PROJECT_REPONAME"),
        ("CIRCLE_BUILD_NUM",),
    ),
    _Ci(
        "Buildkite",
        "BUILDKITE",
        "BUILDKITE_REPO",
        ("BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_PIPELINE_SLUG"),
        ("BUILDKITE_BUILD_NUMBER",),
    ),
    # Last: its sign is an address, which may be left over in the environment of another.
    _Ci("Jenkins", "JENKINS_URL", "GIT_URL", ("JOB_NAME",), ("BUILD_NUMBER",)),
)


def user_agent(environ: Mapping[str, str], machine: str | None = None) -> str:
    """Return the header User-Agent (RFC 9110, 10.1.5), at most 255 characters of ASCII:
    `reflow/1.2.3 (Linux x86_64) GitHub-Actions (acme/web; run 812)`.

    `machine` is the system in words; when left out, that of this machine. What the variables hold is other
    people's words: they are percent-encoded and cut to size, and what may be a secret is left out.
    """
    system = " ".join(_encoded(word, _LONGEST_WORD) for word in (machine or _machine(environ)).split()[:2])
    words = f"reflow/{__version__} ({system})"
    ci = next((ci for ci in _CIS if environ.get(ci.sign, "").lower() not in ("", "false")), None)
    if ci is None:
        return words
    told = "; ".join(part for part in (_repository(ci, environ), _run(ci, environ)) if part)
    return f"{words} {ci.product}" + (f" ({told})" if told else "")


def _machine(environ: Mapping[str, str]) -> str:
    # Not the module platform: on Windows it may ask the system's services, which takes long.
    if sys.platform == "win32":
        return f"Windows {environ.get('PROCESSOR_ARCHITECTURE', '')}"
    found = os.uname()
    return f"{found.sysname} {found.machine}"


def _repository(ci: _Ci, environ: Mapping[str, str]) -> str:
    named = repository_in(environ.get(ci.address, "")) or _named([environ.get(word, "") for word in ci.words])
    return _encoded(named, LONGEST_REPOSITORY) if _is_fit(named) else ""


def _named(words: list[str]) -> str:
    # What has an @ may be an address with a password in it.
    return "" if not all(words) or any("@" in word for word in words) else "/".join(words)


def repository_in(address: str) -> str:
    """Return the path of a repository's address (`acme/web`) without host, name, password and query.

    Of a folder on this machine only the last part is told. An address that cannot be read safely gives "".
    """
    is_local = address.startswith("file:")
    # Whatever stands before the last @ may be a password, wherever a slash or question mark is in it.
    rest = address.partition("://")[2] if "://" in address else address
    rest = rest.rpartition("@")[2]
    if "://" in address and not is_local:
        path = re.split("[?#]", rest)[0].partition("/")[2]
    else:
        host, _, path = rest.partition(":")
        if is_local or not path or len(host) == 1 or "/" in host:
            path = re.split(r"[/\\]", rest.rstrip("/\\"))[-1]
    return path.strip("/").removesuffix(".git")


def _run(ci: _Ci, environ: Mapping[str, str]) -> str:
    run = next((environ[name] for name in ci.runs if environ.get(name)), "")
    return f"run {run}" if _RUN.fullmatch(run) and _is_fit(run) else ""


def _is_fit(words: str) -> bool:
    return words.isprintable() and redacted(words) == words


def _encoded(words: str, longest: int) -> str:
    """Return `words` with all but plain characters percent-encoded, cut between two of them to `longest`."""
    pieces = [quote(character, safe="/:+", errors="replace") for character in words[: longest + 1]]
    if sum(map(len, pieces)) <= longest:
        return "".join(pieces)
    kept, room = "", longest - len(_ELLIPSIS)
    for piece in pieces:
        if len(kept) + len(piece) > room:
            break
        kept += piece
    return kept + _ELLIPSIS
