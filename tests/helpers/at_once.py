"""Runs functions at the same time, in threads."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def at_once(functions: Sequence[Callable[[], Result]]) -> list[Result]:
    """Call each function in its own thread, all at the same time; return their results."""
    barrier = threading.Barrier(len(functions))

    def run(act: Callable[[], Result]) -> Result:
        barrier.wait()
        return act()

    with ThreadPoolExecutor(len(functions)) as threads:
        return list(threads.map(run, functions))
