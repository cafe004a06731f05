"""Fixtures of the tests of log-in: a clock that stands still."""

from collections.abc import Iterator

import pytest
import time_machine


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A frozen time, in the middle of a TOTP time step; `clock.shift(seconds)` advances it."""
    with time_machine.travel("2026-11-24T12:00:10Z", tick=False) as clock:
        yield clock
