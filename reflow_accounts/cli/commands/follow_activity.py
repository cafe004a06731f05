"""The activity as it goes on: asked for again and again, every line shown once, the oldest first."""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from reflow_accounts.cli.errors import CommandError, Problem, Unreachable
from reflow_accounts.cli.http.client import LARGEST_PAGE, Client
from reflow_accounts.cli.http.user_agent import user_agent
from reflow_accounts.contract import API_PREFIX

PATH = "/activity"
# Seconds between two questions: few while something happens, more when nothing comes.
SHORTEST, LONGEST = 2.0, 15.0
_SLOWER = 1.5
# What happened at one moment may be in the log a little after what happened later.
OVERLAP = timedelta(seconds=10)
_AWAY = (429, 503)

Entry = dict[str, Any]


class Following:
    """One list of the activity, and what was seen of its newest part.

    Entries have no id, so lines that say the same are counted: each time the last seconds that were seen
    are asked for again, and what is there more often than before is new.
    """

    def __init__(self, client: Client, query: list[tuple[str, str]], *, is_recorded: bool) -> None:
        """Follow the list that `query` asks for; `is_recorded` says whether our questions are in it."""
        self._client = client
        self._query = [words for words in query if words[0] != "since"]
        self._since = next((_time(value) for name, value in query if name == "since"), None)
        self._is_recorded = is_recorded
        self._known: Counter[tuple[str, ...]] = Counter()
        self._asked = 0  # questions whose own uses are not seen yet

    def begin(self, limit: int) -> list[Entry]:
        """Return the newest `limit` entries, oldest first. Raises CommandError."""
        entries: list[Entry] = []
        for entry in self._entries():
            if len(entries) >= limit and _is_older(entry, _newest(entries)):
                break
            entries.append(entry)
        self._remember(entries)
        return entries[:limit][::-1]

    def news(self) -> list[Entry]:
        """Return what is new since the last answer, oldest first. Raises CommandError; then nothing is lost."""
        asked_before = self._asked
        entries = list(self._entries())
        fresh = self._without_own(self._unknown(entries), asked_before)
        self._asked -= asked_before
        self._remember(entries)
        return fresh[::-1]

    def _entries(self) -> Iterator[Entry]:
        since = [("since", self._since.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))] if self._since else []
        cursors: list[tuple[str, str]] = []
        while True:
            self._asked += 1
            page = self._client.listing(PATH, [*self._query, *since, *cursors[-1:]], LARGEST_PAGE)
            yield from page["items"]
            further = ("cursor", str(page["next_cursor"]))
            if not page["next_cursor"] or further in cursors:
                return
            cursors.append(further)

    def _unknown(self, entries: list[Entry]) -> list[Entry]:
        known, fresh = Counter(self._known), []
        for entry in entries:
            if known[_identity(entry)]:
                known[_identity(entry)] -= 1
            else:
                fresh.append(entry)
        return fresh

    def _without_own(self, entries: list[Entry], asked: int) -> list[Entry]:
        """Leave out the uses that our own questions were, and no more than there were questions."""
        kept, left = [], asked if self._is_recorded else 0
        for entry in entries:
            if left and _is_question(entry):
                left -= 1
            else:
                kept.append(entry)
        return kept

    def _remember(self, entries: list[Entry]) -> None:
        self._known = Counter(map(_identity, entries))
        newest = _newest(entries)
        if newest and (self._since is None or newest - OVERLAP > self._since):
            self._since = newest - OVERLAP


def follow(
    following: Following, limit: int, show: Callable[[Entry], None], tell: Callable[..., None]
) -> None:
    """Show the newest `limit` entries and then each new one, until the reader of stdout is gone.

    While the server is away or takes no requests it is asked again, and that is told once. Raises
    CommandError when it refuses us, or cannot be reached at the beginning.
    """
    entries, seconds, is_away = following.begin(limit), SHORTEST, False
    while True:
        for entry in entries:
            show(entry)
        if not wait(seconds):
            return
        try:
            entries = following.news()
        except (Unreachable, Problem) as fault:
            if isinstance(fault, Problem) and fault.status not in _AWAY:
                raise
            if not is_away:
                tell(*fault.lines, "Going on as soon as it answers; Ctrl-C ends it.")
            entries, is_away = [], True
            seconds = max(_pause_asked_for(fault), min(seconds * _SLOWER, LONGEST))
            continue
        seconds = SHORTEST if entries or is_away else min(seconds * _SLOWER, LONGEST)
        is_away = False


def wait(seconds: float) -> bool:
    """Wait, and say whether stdout still has a reader. Where that can be seen, its end ends the wait."""
    try:
        stdout = sys.stdout.fileno()
        is_pipe = stat.S_ISFIFO(os.fstat(stdout).st_mode)
    except (AttributeError, OSError, ValueError):  # there is no stdout
        is_pipe = False
    if not is_pipe or not hasattr(select, "poll"):  # Windows has none
        time.sleep(seconds)
        return True
    reader = select.poll()
    reader.register(stdout, 0)  # an end is always reported
    return not reader.poll(seconds * 1000)


def _pause_asked_for(fault: CommandError) -> float:
    seconds = fault.retry_after if isinstance(fault, Problem) else None
    return float(min(seconds or 0, 3600))


def _identity(entry: Entry) -> tuple[str, ...]:
    """Return what never changes about an entry: the names in it may."""
    use = _use(entry)
    facts = [use.get(name) for name in ("method", "path", "status", "address", "user_agent")]
    return tuple(map(str, [entry.get("type"), entry.get("at"), entry.get("action"), *facts]))


def _use(entry: Entry) -> dict[str, Any]:
    use = entry.get("use")
    return use if isinstance(use, dict) else {}


def _is_question(entry: Entry) -> bool:
    use = _use(entry)
    said = (use.get("method"), use.get("path"), use.get("user_agent"))
    return said == ("GET", API_PREFIX + PATH, user_agent(os.environ))


def _newest(entries: list[Entry]) -> datetime | None:
    return max((at for at in (_time(entry.get("at")) for entry in entries) if at), default=None)


def _is_older(entry: Entry, newest: datetime | None) -> bool:
    at = _time(entry.get("at"))
    return at is None or newest is None or at < newest - OVERLAP


def _time(words: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(words))
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
