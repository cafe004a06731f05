"""Long background work, done in batches that leave the processor and SQLite's only writer to requests."""

import time
from collections.abc import Callable
from enum import Enum, auto

# After a batch the work rests for this many times as long as the batch took. Requests in the same process wait for
# Python's interpreter lock meanwhile, and those of every process for the writer.
REST = 3.0
# Waiting writers of SQLite retry every millisecond.
SHORTEST_REST_S = 0.003


class Batch(Enum):
    """What became of a batch."""

    ADDED = auto()
    # There is nothing left to add.
    DONE = auto()
    # Another process added it meanwhile, and goes on.
    TAKEN = auto()


def run(add_next: Callable[[], Batch], is_stopping: Callable[[], bool]) -> Batch:
    """Call `add_next` until it has added everything; return the last result.

    The result is ADDED when `is_stopping` ended the work early. TAKEN also ends it: two processes that read the
    same batches would cost requests twice the time.
    """
    result = Batch.ADDED
    while result is Batch.ADDED and not is_stopping():
        began = time.monotonic()
        result = add_next()
        if result is Batch.ADDED:
            time.sleep(max(SHORTEST_REST_S, REST * (time.monotonic() - began)))
    return result
