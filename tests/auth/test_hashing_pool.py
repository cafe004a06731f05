"""The pool that calculates password hashes: a few at once, a bounded queue, low priority."""

import os
import sys
import threading
from queue import Queue

import pytest

from reflow_accounts.auth.passwords import HASHING_THREADS, LONGEST_QUEUE, HashingPool
from reflow_accounts.errors import Overloaded

SECONDS = 10


def test_concurrent_hashes_are_few_and_a_full_queue_refuses():
    pool, may_finish, running, results = HashingPool(), threading.Event(), threading.Semaphore(0), Queue()

    def hash_():
        running.release()
        return may_finish.wait(SECONDS)

    def run_or_refuse():
        try:
            results.put(pool.run(hash_))
        except Overloaded as error:
            results.put(error)

    threads = [threading.Thread(target=run_or_refuse) for _ in range(LONGEST_QUEUE + 1)]
    for thread in threads:
        thread.start()
    try:
        assert isinstance(results.get(timeout=SECONDS), Overloaded)
        for _ in range(HASHING_THREADS):
            assert running.acquire(timeout=SECONDS)
        assert not running.acquire(timeout=0.1)
    finally:
        may_finish.set()
    assert [results.get(timeout=SECONDS) for _ in range(LONGEST_QUEUE)] == [True] * LONGEST_QUEUE


def test_pool_accepts_work_after_a_failure():
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
