"""Background jobs of a serving process: the job runner and the list of jobs."""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.util import Finalize

from flask import Flask

from reflow_accounts.activity.chain import extend_chains
from reflow_accounts.api_auth import refused_keys
from reflow_accounts.api_keys.reminders import remind_of_unused_keys, send_client_digests, send_reminders
from reflow_accounts.api_keys.usage.clients import collect_clients, prune_clients
from reflow_accounts.api_keys.usage.retention import ensure_months
from reflow_accounts.api_keys.usage.rollup import roll_up, set_waker
from reflow_accounts.auth.device_flow import prune_device_logins
from reflow_accounts.auth.mail_links import prune_links
from reflow_accounts.auth.sessions import prune_sessions
from reflow_accounts.config import Settings
from reflow_accounts.database import db
from reflow_accounts.database_errors import describe
from reflow_accounts.mail import sender
from reflow_accounts.mail.service import when_posted
from reflow_accounts.marketplace.reconcile import report_waiting
from reflow_accounts.marketplace.registration import prune_claims
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.subscriptions.change_log import record_due
from reflow_accounts.teams.invitations import prune_invitations

MINUTE = 60.0
HOUR = 60 * MINUTE
# Maximum back-off after failures, in seconds (or the interval of the job, if that is longer).
LONGEST_BACKOFF = 60.0
# How long a stopping process waits for the running job.
SECONDS_TO_STOP = 5.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackgroundJob:
    """A job to run at intervals, at once when woken, and with back-off after failures.

    `act` runs in its own application context, possibly in several processes concurrently. A long job checks
    `is_stopping`.
    """

    name: str
    every_seconds: float
    act: Callable[[], object]


def jobs_of(settings: Settings) -> list[list[BackgroundJob]]:
    """Return the jobs of a serving process; each inner list gets its own thread."""
    mail = [MAIL_JOBS] if settings.mail_sender == "inside" else []
    return [HOUSEKEEPING, READERS_OF_USES, CANARIES, *mail]


class JobRunner:
    """Runs jobs one at a time until `stop` is called."""

    def __init__(self, app: Flask, jobs: Iterable[BackgroundJob]) -> None:
        self._app = app
        self._jobs = {job.name: job for job in jobs}
        self._due_at = dict.fromkeys(self._jobs, time.monotonic())
        self._failures = dict.fromkeys(self._jobs, 0)
        self._changed = threading.Condition()
        self._stop_by: float | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether the running job should end."""
        return self._stop_by is not None

    def start(self) -> None:
        """Run the jobs in a daemon thread."""
        self._thread = threading.Thread(target=self.run, name="jobs", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Run the jobs until `stop` is called."""
        while job := self._wait_for_next():
            self._do(job)

    def begin_to_stop(self) -> None:
        """Start no more jobs."""
        with self._changed:
            self._stop_by = self._stop_by or time.monotonic() + SECONDS_TO_STOP
            self._changed.notify_all()

    def stop(self) -> None:
        """Start no more jobs, and wait for the running one until SECONDS_TO_STOP after the first call."""
        self.begin_to_stop()
        if self._thread and self._stop_by:
            self._thread.join(max(self._stop_by - time.monotonic(), 0))

    def wake(self, name: str) -> bool:
        """Run a job at once, or again if it is running; return whether this runner has it.

        A job in back-off is not woken.
        """
        with self._changed:
            if name in self._jobs and not self._failures[name]:
                self._due_at[name] = time.monotonic()
                self._changed.notify_all()
        return name in self._jobs

    def has_job(self, name: str) -> bool:
        """Return whether this runner has a job."""
        return name in self._jobs

    def _wait_for_next(self) -> BackgroundJob | None:
        """Wait until a job is due and schedule its next run. Returns None after `stop`."""
        with self._changed:
            while not self.is_stopping:
                name = min(self._due_at, key=self._due_at.__getitem__, default="")
                seconds_left = self._due_at[name] - time.monotonic() if name else None
                if seconds_left is not None and seconds_left <= 0:
                    # Set before the run, so that a wake-up during the run causes another one.
                    self._due_at[name] = time.monotonic() + self._jobs[name].every_seconds
                    return self._jobs[name]
                self._changed.wait(seconds_left)
        return None

    def _do(self, job: BackgroundJob) -> None:
        try:
            with self._app.app_context():
                job.act()
        except Exception as error:
            self._back_off(job, error)
        else:
            self._failures[job.name] = 0

    def _back_off(self, job: BackgroundJob, error: Exception) -> None:
        with self._changed:
            failures = self._failures[job.name] = self._failures[job.name] + 1
            longest = max(LONGEST_BACKOFF, job.every_seconds)
            seconds = min(min(1.0, job.every_seconds) * 2 ** min(failures, 20), longest)
            self._due_at[job.name] = time.monotonic() + seconds
        # The message of an exception may contain user input: log its type and, once, the traceback.
        trace = "\n" + "".join(traceback.format_tb(error.__traceback__)) if failures == 1 else ""
        _logger.warning("job %s failed, next try in %.0f s: %s%s", job.name, seconds, describe(error), trace)


_runners: list[JobRunner] = []


def start(app: Flask) -> None:
    """Start the jobs of this serving process. Idempotent."""
    if _runners:
        return
    for jobs in jobs_of(app.config["SETTINGS"]):
        runner = JobRunner(app, jobs)
        _runners.append(runner)
        runner.start()
        # Unlike atexit, this also runs in the forked worker processes of the server.
        Finalize(None, runner.stop, exitpriority=10)


def stop() -> None:
    """Stop the jobs of this process; wait up to SECONDS_TO_STOP for running ones."""
    for runner in _runners:
        runner.begin_to_stop()
    for runner in _runners:
        runner.stop()


def wake(name: str) -> bool:
    """Run a job at once; return whether this process has it."""
    return any([runner.wake(name) for runner in _runners])  # noqa: C419  # wake it in all runners


def has_job(name: str) -> bool:
    """Return whether this process runs a job."""
    return any(runner.has_job(name) for runner in _runners)


def is_stopping() -> bool:
    """Return whether running jobs should end."""
    return any(runner.is_stopping for runner in _runners)


def mail_runner(app: Flask) -> JobRunner:
    """Return a runner of the mail jobs, for the mail worker."""
    runner = JobRunner(app, MAIL_JOBS)
    _runners.append(runner)
    return runner


def _commit_after(prune: Callable[[], object]) -> Callable[[], None]:
    def act() -> None:
        prune()
        db.session.commit()

    return act


# The roll-up also runs when a batch is full (`set_waker`).
HOUSEKEEPING = [
    BackgroundJob("roll-up", 5 * MINUTE, roll_up),
    BackgroundJob("mails about keys", 10 * MINUTE, send_reminders),
    BackgroundJob("mails about new clients of keys", 10 * MINUTE, send_client_digests),
    BackgroundJob("mails about unused keys", 24 * HOUR, remind_of_unused_keys),
    BackgroundJob("old clients of keys", HOUR, prune_clients),
    BackgroundJob("old counters", 10 * MINUTE, rate_limits.prune),
    BackgroundJob("subscriptions", MINUTE / 2, record_due),
    BackgroundJob("waiting purchases", 10 * MINUTE, report_waiting),
    BackgroundJob("old claims", HOUR, _commit_after(prune_claims)),
    BackgroundJob("old device logins", HOUR, _commit_after(prune_device_logins)),
    BackgroundJob("old mailed links", HOUR, _commit_after(prune_links)),
    BackgroundJob("old sessions", 24 * HOUR, _commit_after(prune_sessions)),
    BackgroundJob("old invitations", 24 * HOUR, _commit_after(prune_invitations)),
    BackgroundJob("months", 24 * HOUR, ensure_months),
]
# These read every use, with pauses. They have a separate thread, so that the roll-up does not wait for them.
READERS_OF_USES = [
    BackgroundJob("clients of keys", MINUTE, lambda: collect_clients(is_stopping)),
    BackgroundJob("hash chains", MINUTE, lambda: extend_chains(is_stopping)),
]
# A separate thread, so that no longer job delays it.
CANARIES = [BackgroundJob("canaries", 1.0, refused_keys.note_waiting)]
MAIL_JOBS = [
    BackgroundJob("mail", 1.0, lambda: sender.send_due(is_stopping)),
    BackgroundJob("old mail", 24 * HOUR, sender.prune_done),
]
when_posted(lambda: wake("mail"))
set_waker(lambda: wake("roll-up"))
refused_keys.set_job(lambda: has_job("canaries"))
