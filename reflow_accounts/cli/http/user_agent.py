"""The User-Agent header: the version of the command, the system, and the CI job that runs it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from reflow_accounts import __version__
from reflow_accounts.cli.text import redact

# Together they stay below the 255 characters that the server keeps.
LONGEST_REPOSITORY = 120
_LONGEST_WORD = 20
_ELLIPSIS = quote("…")
_RUN = re.compile(rf"[0-9A-Za-z._-]{{1,{_LONGEST_WORD}}}")


class _Ci(NamedTuple):
    """A CI service: its product name, and the variables that identify it, the repository and the run."""

    product: str
    marker: str
    # The variable with the repository's address; without a value, the variables in `names` are joined.
    address: str
    names: tuple[str, ...]
    # The first variable that is set counts.
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
    # Last, because JENKINS_URL may also be set in another CI.
    _Ci("Jenkins", "JENKINS_URL", "GIT_URL", ("JOB_NAME",), ("BUILD_NUMBER",)),
)


def user_agent(environ: Mapping[str, str], machine: str | None = None) -> str:
    """Return the User-Agent header (RFC 9110, 10.1.5), at most 255 ASCII characters:
    `reflow/1.2.3 (Linux x86_64) GitHub-Actions (acme/web; run 812)`.

    `machine` is the system and processor as text (default: this machine's). Values of variables are untrusted:
    they are percent-encoded, shortened, and left out when they may contain a secret.
    """
    if machine is None and sys.platform == "win32":
        # Not the module platform: on Windows it may query system services, which is slow.
        machine = f"Windows {environ.get('PROCESSOR_ARCHITECTURE', '')}"
    elif machine is None:
        machine = f"{os.uname().sysname} {os.uname().machine}"
    system = " ".join(_percent_encode(word, _LONGEST_WORD) for word in machine.split()[:2])
    header = f"reflow/{__version__} ({system})"
    ci = next((ci for ci in _CIS if _is_set(environ, ci.marker)), None)
    if ci is None:
        return header
    run = next((environ[name] for name in ci.runs if environ.get(name)), "")
    run = f"run {run}" if _RUN.fullmatch(run) and _is_safe(run) else ""
    details = "; ".join(part for part in (_repository(ci, environ), run) if part)
    return f"{header} {ci.product}" + (f" ({details})" if details else "")


def is_ci(environ: Mapping[str, str]) -> bool:
    """Return whether the command runs in CI."""
    return any(_is_set(environ, name) for name in ("CI", *(ci.marker for ci in _CIS)))


def _is_set(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() not in ("", "false", "0")


def _repository(ci: _Ci, environ: Mapping[str, str]) -> str:
    name = repository_in(environ.get(ci.address, ""))
    if not name:
        values = [environ.get(variable, "") for variable in ci.names]
        # A value with an @ may be an address with a password.
        name = "/".join(values) if all(values) and not any("@" in value for value in values) else ""
    return _percent_encode(name, LONGEST_REPOSITORY) if _is_safe(name) else ""


def repository_in(address: str) -> str:
    """Return the path in a repository's address (`acme/web`), without host, user name, password and query.

    For a local folder, return its name. Return "" for an address that cannot be parsed safely.
    """
    is_local = address.startswith("file:")
    # Everything before the last @ may be a password, even if it contains a slash or question mark.
    rest = address.partition("://")[2] if "://" in address else address
    rest = rest.rpartition("@")[2]
    if "://" in address and not is_local:
        path = re.split("[?#]", rest)[0].partition("/")[2]
    else:
        host, _, path = rest.partition(":")
        if is_local or not path or len(host) == 1 or "/" in host:
            path = re.split(r"[/\\]", rest.rstrip("/\\"))[-1]
    return path.strip("/").removesuffix(".git")


def _is_safe(text: str) -> bool:
    return text.isprintable() and redact(text) == text


def _percent_encode(text: str, longest: int) -> str:
    """Return `text` percent-encoded, shortened between two characters to at most `longest`."""
    pieces = [quote(character, safe="/:+", errors="replace") for character in text[: longest + 1]]
    if sum(map(len, pieces)) <= longest:
        return "".join(pieces)
    kept, available = "", longest - len(_ELLIPSIS)
    for piece in pieces:
        if len(kept) + len(piece) > available:
            break
        kept += piece
    return kept + _ELLIPSIS
