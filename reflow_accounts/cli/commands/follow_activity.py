"""`reflow activity --follow`: polls the activity and shows each entry once, oldest first."""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from reflow_accounts.cli.errors import ApiError, Unreachable
from reflow_accounts.cli.http.client import LARGEST_PAGE, ApiClient, as_object
from reflow_accounts.cli.http.user_agent import user_agent
from reflow_accounts.cli.output import tell
from reflow_accounts.cli.text import time_in
from reflow_accounts.contract import API_PREFIX

PATH = "/activity"
# Seconds between two polls: short after new entries, longer while there are none.
SHORTEST, LONGEST = 2.0, 15.0
_SLOWER = 1.5
LONGEST_PAUSE = 3600.0  # seconds, also for a longer Retry-After
# An entry may appear in the list up to this long after its own time.
OVERLAP = timedelta(seconds=10)
_RETRY_STATUSES = (429, 503)

Entry = dict[str, Any]
Query = list[tuple[str, str]]


class ActivityFeed:
    """Polls one list of activity and remembers its newest entries.

    Each poll requests the entries after one that is older than the newest by OVERLAP, so that late entries are
    not missed; entries that were shown before are skipped.
    """

    def __init__(self, client: ApiClient, query: Query, *, is_recorded: bool) -> None:
        """Follow the list for `query`; `is_recorded` is true when it contains our own requests."""
        self._client, self._query, self._is_recorded = client, query, is_recorded
        # The newest entries, newest first. The last one is the start of the next poll, if it is settled.
        self._known: list[Entry] = []
        self._requests = 0  # our own requests whose entries were not seen yet

    def follow(self, limit: int, show: Callable[[Entry], None]) -> None:
        """Show the newest `limit` entries and then each new one, until the reader of stdout closes it.

        Keeps polling while the server is unavailable, and announces that once. Raises CommandError when the
        server refuses a request, or cannot be reached at the start.
        """
        entries, seconds, is_away = self.newest(limit), SHORTEST, False
        while True:
            for entry in entries:
                show(entry)
            if not wait(seconds):
                return
            self._client.repeats = not is_away  # during an outage, each poll would announce its retries
            try:
                entries = self.new_entries()
            except (Unreachable, ApiError) as fault:
                if isinstance(fault, ApiError) and fault.status not in _RETRY_STATUSES:
                    raise
                if not is_away:
                    tell(*fault.lines, "Waiting until it answers again; press Ctrl-C to stop.")
                entries, is_away = [], True
                retry_after = fault.retry_after if isinstance(fault, ApiError) else None
                pause = min(retry_after or 0, LONGEST_PAUSE)
                seconds = max(pause, min(seconds * _SLOWER, LONGEST))
                continue
            seconds = SHORTEST if entries or is_away else min(seconds * _SLOWER, LONGEST)
            is_away = False

    def newest(self, limit: int) -> list[Entry]:
        """Return the newest `limit` entries, oldest first. Raises CommandError."""
        entries: list[Entry] = []
        for entry in self._read([]):
            entries.append(entry)
            if len(entries) >= limit and _is_settled(entry, entries[0]):
                break
        self._remember(entries)
        return entries[:limit][::-1]

    def new_entries(self) -> list[Entry]:
        """Return the new entries, oldest first. Raises CommandError; then the next call returns them."""
        requests_before = self._requests
        entries = self._later()
        known = {entry.get("id") for entry in self._known}
        unseen = [entry for entry in entries if entry.get("id") not in known]
        own = requests_before if self._is_recorded else 0
        own_request = ("GET", API_PREFIX + PATH, user_agent(os.environ))
        new = []
        for entry in unseen:
            use = as_object(entry.get("use"))
            if own and (use.get("method"), use.get("path"), use.get("user_agent")) == own_request:
                own -= 1  # skip at most as many entries as we sent requests
            else:
                new.append(entry)
        self._requests -= requests_before
        self._remember([*entries, *self._known[-1:]])
        return new[::-1]

    def _later(self) -> list[Entry]:
        if not self._known or not _is_settled(self._known[-1], self._known[0]):
            return list(self._read([]))  # the whole list is younger than OVERLAP
        start = self._known[-1]
        try:
            return list(self._read([("after", str(start.get("id")))]))
        except ApiError as problem:
            if problem.status != 404:
                raise
        # The server has pruned the entry.
        return list(self._read([("since", str(start.get("at")))]))

    def _read(self, start: Query) -> Iterator[Entry]:
        names = {name for name, _ in start}
        query = [*((name, value) for name, value in self._query if name not in names), *start]
        cursors: Query = []
        while True:
            self._requests += 1
            page = self._client.listing(PATH, [*query, *cursors[-1:]], LARGEST_PAGE)
            yield from page["items"]
            cursor = ("cursor", str(page["next_cursor"]))
            if not page["next_cursor"] or cursor in cursors:
                return
            cursors.append(cursor)

    def _remember(self, entries: list[Entry]) -> None:
        """Keep the entries up to the first one that is old enough to start the next poll."""
        self._known = []
        for entry in entries:
            self._known.append(entry)
            if _is_settled(entry, entries[0]):
                return


def feed_of(client: ApiClient, query: Query, key: Entry | None) -> ActivityFeed:
    """Return the feed of `query`, which selects `key` if given. Warn when its polls count as uses."""
    if client.uses_key:
        tell("warning: each poll of --follow counts as a use of the key. To avoid that, use --as login.")
    # Our own requests are listed if the list includes the uses of the key in use.
    secret = client.credential.secret if client.credential else ""
    is_listed = key is None or secret.endswith(key.get("hint") or "?")
    return ActivityFeed(client, query, is_recorded=client.uses_key and is_listed)


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


def _is_settled(entry: Entry, newest: Entry) -> bool:
    """Return whether `entry` is so much older than `newest` that no entry older than it can still appear."""
    at, newest_at = time_in(entry, "at"), time_in(newest, "at")
    return bool(at and newest_at and at < newest_at - OVERLAP)
