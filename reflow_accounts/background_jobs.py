"""What a serving process does beside answering: one thread, and the list of its jobs."""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.util import Finalize

from flask import Flask

from reflow_accounts.api_keys.usage.retention import ensure_months
from reflow_accounts.api_keys.usage.rollup import ask_when_due, roll_up
from reflow_accounts.auth.device_flow import prune_device_logins
from reflow_accounts.auth.sessions import prune_sessions
from reflow_accounts.config import Settings
from reflow_accounts.database import db
from reflow_accounts.mail import sender
from reflow_accounts.mail.service import when_posted
from reflow_accounts.marketplace.registration import prune_claims
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.subscriptions.change_log import record_due

MINUTE = 60.0
HOUR = 60 * MINUTE
# After failures a job rests twice as long each time, up to this (or its own interval, if that is longer).
LONGEST_REST = 60.0
# How long the end of a process waits for the job in hand.
SECONDS_TO_STOP = 5.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackgroundJob:
    """Something to do every so many seconds, at once when woken, and again later when it failed.

    `act` runs in an application context of its own, in one process or in several at the same time. A long
    one asks `is_stopping` now and then.
    """

    name: str
    every_seconds: float
    act: Callable[[], object]


def jobs_of(settings: Settings) -> list[list[BackgroundJob]]:
    """List the jobs of a serving process; each inner list has a thread of its own, so that none waits long."""
    mail = [MAIL_JOBS] if settings.mail_sender == "inside" else []
    return [HOUSEKEEPING, *mail]


class JobRunner:
    """Runs jobs, one at a time, until told to stop."""

    def __init__(self, app: Flask, jobs: Iterable[BackgroundJob]) -> None:
        self._app = app
        self._jobs = {job.name: job for job in jobs}
        self._due_at = dict.fromkeys(self._jobs, time.monotonic())
        self._failures = dict.fromkeys(self._jobs, 0)
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether a job in hand should come to an end."""
        return self._is_stopping

    def start(self) -> None:
        """Run in a thread that does not keep the process alive."""
        self._thread = threading.Thread(target=self.run, name="jobs", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Run the jobs until `stop` is called."""
        while job := self._wait_for_next():
            self._do(job)

    def stop(self, seconds: float = SECONDS_TO_STOP) -> None:
        """Begin nothing new, and wait so long for the job in hand."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread:
            self._thread.join(seconds)

    def wake(self, name: str) -> bool:
        """Have a job done at once, or again when it is in hand; say whether it is one of these.

        One that rests after a failure goes on resting.
        """
        with self._changed:
            if name in self._jobs and not self._failures[name]:
                self._due_at[name] = time.monotonic()
                self._changed.notify_all()
        return name in self._jobs

    def _wait_for_next(self) -> BackgroundJob | None:
        """Wait until a job is due and plan its next time; None when it is time to stop."""
        with self._changed:
            while not self._is_stopping:
                name = min(self._due_at, key=self._due_at.__getitem__, default="")
                left = self._due_at[name] - time.monotonic() if name else None
                if left is not None and left <= 0:
                    # Before it begins, so that waking it while it is in hand has it done again.
                    self._due_at[name] = time.monotonic() + self._jobs[name].every_seconds
                    return self._jobs[name]
                self._changed.wait(left)
        return None

    def _do(self, job: BackgroundJob) -> None:
        try:
            with self._app.app_context():
                job.act()
        except Exception as error:
            self._rest(job, error)
        else:
            self._failures[job.name] = 0

    def _rest(self, job: BackgroundJob, error: Exception) -> None:
        with self._changed:
            failures = self._failures[job.name] = self._failures[job.name] + 1
            longest = max(LONGEST_REST, job.every_seconds)
            seconds = min(job.every_seconds * 2 ** min(failures, 20), longest)
            self._due_at[job.name] = time.monotonic() + seconds
        # The message of an exception may hold what was typed: the log gets its type and, once, the places.
        places = "\n" + "".join(traceback.format_tb(error.__traceback__)) if failures == 1 else ""
        _logger.warning(
            "job %s failed and rests %.0f s: %s%s", job.name, seconds, type(error).__name__, places
        )


_running: list[JobRunner] = []


def start(app: Flask) -> None:
    """Begin the jobs of this process, which serves; to begin them twice changes nothing."""
    if _running:
        return
    for wanted in jobs_of(app.config["SETTINGS"]):
        running = JobRunner(app, wanted)
        _running.append(running)
        running.start()
        # `atexit` is not run in the processes that the server forks; this is run in them too.
        Finalize(None, running.stop, exitpriority=10)


def stop() -> None:
    """Stop the jobs of this process; returns when the jobs in hand have ended, or after SECONDS_TO_STOP."""
    for running in _running:
        running.stop()


def wake(name: str) -> bool:
    """Have a job done at once; say whether this process does it at all."""
    return any([running.wake(name) for running in _running])  # noqa: C419  # each is woken


def is_stopping() -> bool:
    """Say whether the job in hand should come to an end."""
    return any(running.is_stopping for running in _running)


def send_mail(app: Flask) -> JobRunner:
    """Return the mail jobs alone, for a process that does nothing else."""
    running = JobRunner(app, MAIL_JOBS)
    _running.append(running)
    return running


def _send() -> None:
    sender.send_due(is_stopping)


def _prune_sessions() -> None:
    prune_sessions()
    db.session.commit()


def _prune_device_logins() -> None:
    prune_device_logins()
    db.session.commit()


# The log of uses is folded when a batch is full (woken), and what is left of it now and then.
HOUSEKEEPING = [
    BackgroundJob("fold", 5 * MINUTE, roll_up),
    BackgroundJob("old counters", 10 * MINUTE, rate_limits.prune),
    BackgroundJob("subscriptions", MINUTE / 2, record_due),
    BackgroundJob("old claims", HOUR, prune_claims),
    BackgroundJob("old device logins", HOUR, _prune_device_logins),
    BackgroundJob("old sessions", 24 * HOUR, _prune_sessions),
    BackgroundJob("months", 24 * HOUR, ensure_months),
]
MAIL_JOBS = [BackgroundJob("mail", 1.0, _send), BackgroundJob("old mail", 24 * HOUR, sender.prune_done)]
when_posted(lambda: wake("mail"))
ask_when_due(lambda: wake("fold"))
