"""Parts of an answer of the API: one field, or what jq selects."""

from __future__ import annotations

import json
import shutil
from typing import Any

from reflow_accounts.cli.errors import CommandError, UsageFault
from reflow_accounts.cli.output import document, result, say
from reflow_accounts.cli.text import clean


def print_field(data: Any, path: str) -> None:
    """Print the value at `path` (user.name, items.0.id): a string as it is, anything else as JSON.

    Raises CommandError when the answer has no such field.
    """
    value = data
    for name in path.strip(".").split("."):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and len(name) < 9 and int(name) < len(value):
            value = value[int(name)]
        else:
            raise CommandError(f"The answer has no field {clean(path)}.")
    if isinstance(value, str):
        result(clean(value))
    else:
        document(value)


def find_jq() -> str:
    """Return the path of the program jq. Raises UsageFault when it is not installed."""
    program = shutil.which("jq")
    if program is None:
        raise UsageFault("--jq needs the program jq, which is not installed. --field A.B needs nothing.")
    return program


def filter_with_jq(data: Any, expression: str) -> None:
    """Print the answer filtered with the jq filter `expression`; strings without quotes. Raises CommandError."""
    import subprocess

    done = subprocess.run(  # noqa: S603 (a fixed program; no shell reads the filter)
        # The space keeps a filter such as "-1" from being an option; jq 1.6 does not support "--".
        [find_jq(), "-r", f" {expression}"],
        input=json.dumps(data).encode(),
        capture_output=True,
        check=False,
    )
    printed = done.stdout.decode(errors="replace").replace("\r\n", "\n")  # on Windows
    for line in printed.removesuffix("\n").split("\n") if printed else ():
        result("\t".join(map(clean, line.split("\t"))))  # tabs come from the filter, such as @tsv
    if done.returncode:
        say(*done.stderr.decode(errors="replace").splitlines()[:3])
        raise CommandError(f"jq ended with code {done.returncode}.")
