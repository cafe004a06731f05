"""Requests that go together: who comes while others are at the database goes with those that wait by then."""

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """A leader deals with what the others leave to it and return from; nobody waits for anybody.

    There is no pause to collect more: while the database makes one group durable, the next one gathers.
    """

    def __init__(self, deal: Callable[[list[T]], None], most: int) -> None:
        """Take what deals with a group of up to `most`; it must not raise, or what waits would be left."""
        self._deal, self._most = deal, most
        self._waiting: deque[T] = deque()
        self._leads = Lock()

    def add(self, item: T) -> None:
        """Deal with `item` and all that waits, or leave it to the thread that is dealing now."""
        self._waiting.append(item)
        # Asked again after each release: who came in between found the place taken, and left.
        while self._waiting and self._leads.acquire(blocking=False):
            try:
                while group := self._next():
                    self._deal(group)
            finally:
                self._leads.release()

    def _next(self) -> list[T]:
        # Only the leader takes, so what is there stays there.
        return [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
