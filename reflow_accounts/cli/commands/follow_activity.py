"""`reflow activity --follow`: polls the activity and shows every entry once, oldest first."""

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

from reflow_accounts.cli.errors import Problem, Unreachable
from reflow_accounts.cli.http.client import LARGEST_PAGE, Client
from reflow_accounts.cli.http.json_values import as_object
from reflow_accounts.cli.http.user_agent import user_agent
from reflow_accounts.cli.output import tell
from reflow_accounts.contract import API_PREFIX

PATH = "/activity"
# Seconds between two polls: short after new entries, longer while there are none.
SHORTEST, LONGEST = 2.0, 15.0
_SLOWER = 1.5
LONGEST_PAUSE = 3600.0  # seconds, whatever the server asks for
# Entries of the same time may appear in the log a little after later ones.
OVERLAP = timedelta(seconds=10)
_RETRY_STATUSES = (429, 503)

Entry = dict[str, Any]


class ActivityFeed:
    """Reads one list of activity and remembers its newest part.

    Entries have no id, so equal entries are counted: each poll requests the last seconds again, and an
    entry that occurs more often than before is new.
    """

    def __init__(self, client: Client, query: list[tuple[str, str]], *, is_recorded: bool) -> None:
        """Read the list for `query`; `is_recorded` says whether our own requests are in it."""
        self._client = client
        self._query = [parameter for parameter in query if parameter[0] != "since"]
        self._since = next((_time(value) for name, value in query if name == "since"), None)
        self._is_recorded = is_recorded
        self._known: Counter[tuple[str, ...]] = Counter()
        self._requests = 0  # of ours, whose entries have not been seen yet

    def follow(self, limit: int, show: Callable[[Entry], None]) -> None:
        """Show the newest `limit` entries and then each new one, until the reader of stdout closes it.

        While the server is not available, polls on and says so once. Raises CommandError when the server
        refuses the request, or cannot be reached at the start.
        """
        entries, seconds, is_away = self.newest(limit), SHORTEST, False
        while True:
            for entry in entries:
                show(entry)
            if not wait(seconds):
                return
            try:
                entries = self.new_entries()
            except (Unreachable, Problem) as fault:
                if isinstance(fault, Problem) and fault.status not in _RETRY_STATUSES:
                    raise
                if not is_away:
                    tell(*fault.lines, "Going on as soon as it answers; Ctrl-C ends it.")
                entries, is_away = [], True
                retry_after = fault.retry_after if isinstance(fault, Problem) else None
                pause = min(retry_after or 0, LONGEST_PAUSE)
                seconds = max(pause, min(seconds * _SLOWER, LONGEST))
                continue
            seconds = SHORTEST if entries or is_away else min(seconds * _SLOWER, LONGEST)
            is_away = False

    def newest(self, limit: int) -> list[Entry]:
        """Return the newest `limit` entries, oldest first. Raises CommandError."""
        entries: list[Entry] = []
        for entry in self._entries():
            if len(entries) >= limit:
                at, newest = _time(entry.get("at")), _newest_time(entries)
                if at is None or newest is None or at < newest - OVERLAP:
                    break
            entries.append(entry)
        self._remember(entries)
        return entries[:limit][::-1]

    def new_entries(self) -> list[Entry]:
        """Return the new entries, oldest first. Raises CommandError; then the next call returns them."""
        requests_before = self._requests
        entries = list(self._entries())
        known, new = Counter(self._known), []
        own = requests_before if self._is_recorded else 0
        for entry in entries:
            if known[_identity(entry)]:
                known[_identity(entry)] -= 1
            elif own and _is_own_request(entry):
                own -= 1  # no more entries are left out than requests were sent
            else:
                new.append(entry)
        self._requests -= requests_before
        self._remember(entries)
        return new[::-1]

    def _entries(self) -> Iterator[Entry]:
        since = [("since", self._since.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))] if self._since else []
        cursors: list[tuple[str, str]] = []
        while True:
            self._requests += 1
            page = self._client.listing(PATH, [*self._query, *since, *cursors[-1:]], LARGEST_PAGE)
            yield from page["items"]
            cursor = ("cursor", str(page["next_cursor"]))
            if not page["next_cursor"] or cursor in cursors:
                return
            cursors.append(cursor)

    def _remember(self, entries: list[Entry]) -> None:
        self._known = Counter(map(_identity, entries))
        newest = _newest_time(entries)
        if newest and (self._since is None or newest - OVERLAP > self._since):
            self._since = newest - OVERLAP


def wait(seconds: float) -> bool:
    """Wait, and return whether stdout still has a reader. A closed pipe ends the wait, except on Windows."""
    try:
        stdout = sys.stdout.fileno()
        is_pipe = stat.S_ISFIFO(os.fstat(stdout).st_mode)
    except (AttributeError, OSError, ValueError):  # there is no stdout
        is_pipe = False
    if not is_pipe or not hasattr(select, "poll"):  # Windows has no poll
        time.sleep(seconds)
        return True
    reader = select.poll()
    reader.register(stdout, 0)  # a closed pipe is always reported
    return not reader.poll(seconds * 1000)


def _identity(entry: Entry) -> tuple[str, ...]:
    """Return the parts of an entry that never change; names may."""
    use = as_object(entry.get("use"))
    facts = [use.get(name) for name in ("method", "path", "status", "address", "user_agent")]
    return tuple(map(str, [entry.get("type"), entry.get("at"), entry.get("action"), *facts]))


def _is_own_request(entry: Entry) -> bool:
    use = as_object(entry.get("use"))
    request = (use.get("method"), use.get("path"), use.get("user_agent"))
    return request == ("GET", API_PREFIX + PATH, user_agent(os.environ))


def _newest_time(entries: list[Entry]) -> datetime | None:
    return max((at for at in (_time(entry.get("at")) for entry in entries) if at), default=None)


def _time(value: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(value))
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
