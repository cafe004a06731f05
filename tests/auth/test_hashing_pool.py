"""The pool that calculates password hashes: a few at once, a bounded queue, low priority."""

import os
import sys
import threading
from queue import Queue

import pytest

from reflow_accounts.auth.passwords import HASHING_THREADS, LONGEST_QUEUE, HashingPool
from reflow_accounts.errors import Overloaded

SECONDS = 10


def test_few_hashes_run_at_once_and_a_full_queue_refuses():
    pool, go_on, running, results = HashingPool(), threading.Event(), threading.Semaphore(0), Queue()

    def work():
        running.release()
        return go_on.wait(SECONDS)

    def call():
        try:
            results.put(pool.run(work))
        except Overloaded as error:
            results.put(error)

    callers = [threading.Thread(target=call) for _ in range(LONGEST_QUEUE + 1)]
    for caller in callers:
        caller.start()
    try:
        assert isinstance(results.get(timeout=SECONDS), Overloaded)
        for _ in range(HASHING_THREADS):
            assert running.acquire(timeout=SECONDS)
        assert not running.acquire(timeout=0.1)
    finally:
        go_on.set()
    assert [results.get(timeout=SECONDS) for _ in range(LONGEST_QUEUE)] == [True] * LONGEST_QUEUE


def test_place_is_free_again_after_a_failure():
    pool = HashingPool(1, 1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            pool.run(divmod, 1, 0)
    assert pool.run(len, "four") == 4


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_hashes_have_a_lower_priority_than_requests():
    def niceness():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert HashingPool().run(niceness) > niceness()
