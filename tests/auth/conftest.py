"""Fixtures of people: a clock that stands still until it is told otherwise."""

from collections.abc import Iterator

import pytest
import time_machine


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """The time, in the middle of a time step; `clock.shift(seconds)` moves it on."""
    with time_machine.travel("2026-11-24T12:00:10Z", tick=False) as clock:
        yield clock
