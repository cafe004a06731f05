"""Options of `make bench`, checked before anything starts."""

import argparse
from collections.abc import Callable

KINDS = ["sqlite", "postgresql"]


def read(words: list[str] | None = None) -> argparse.Namespace:
    """Read the options; an invalid one ends the program with one sentence and exit code 2."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Compare API key checks with a bare Flask view on each database, and time the command's start.",
    )
    parser.add_argument("--hot", action="store_true", help="only one key, as a fleet of CI jobs uses it")
    parser.add_argument("--keys", type=_from(1), default=10_000, help="live keys, all in use (10,000)")
    parser.add_argument("--uses", type=_from(0), default=0, help="uses in the log beforehand (0)")
    backlog = "leave these uses to the background jobs, which run meanwhile"
    parser.add_argument("--backlog", action="store_true", help=backlog)
    parser.add_argument(
        "--pages", action="store_true", help="compare pages on that database with a small one"
    )
    parser.add_argument("--exports", action="store_true", help="exports of all uses of one user")
    parser.add_argument("--rounds", type=_from(1), default=5, help="rounds of each server, in turn (5)")
    # wrk takes whole seconds.
    parser.add_argument("--seconds", type=_from(1), default=3, help="length of a round, whole seconds (3)")
    starts = "rounds of starts of the command (20; 0: none)"
    parser.add_argument("--starts", type=_from(0), default=20, help=starts)
    parser.add_argument("--starts-only", action="store_true", help="measure only these")
    parser.add_argument("--database", choices=KINDS, nargs="+", default=KINDS)
    found = parser.parse_args(words)
    if found.starts_only and not found.starts:
        parser.error("--starts-only with --starts 0 leaves nothing to measure: omit one of them.")
    return found


def _from(least: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or int(text) < least:
            raise argparse.ArgumentTypeError(f"write a whole number, {least} or more, not {text[:20]!r}.")
        return int(text)

    return whole_number
