"""The job runner: intervals, wake-ups, failures, stop."""

import threading
import time
from queue import Queue

import pytest

from reflow_accounts import background_jobs
from reflow_accounts.background_jobs import BackgroundJob, JobRunner

SECONDS = 10
NEVER_AGAIN = 10_000.0


@pytest.fixture
def begin(app):
    """Start jobs; they are stopped after the test."""
    begun = []

    def begin(*wanted: BackgroundJob) -> JobRunner:
        running = JobRunner(app, wanted)
        begun.append(running)
        running.start()
        return running

    yield begin
    for running in begun:
        running.stop()


def test_job_is_done_at_once_and_again(begin):
    done = Queue()
    begin(
        BackgroundJob("often", 0.01, lambda: done.put(1)),
        BackgroundJob("once", NEVER_AGAIN, lambda: done.put(2)),
    )
    first = [done.get(timeout=SECONDS) for _ in range(5)]
    assert sorted(first) == [1, 1, 1, 1, 2]


def test_woken_job_runs_early(begin):
    done = Queue()
    running = begin(BackgroundJob("woken", NEVER_AGAIN, lambda: done.put(1)))
    for _ in range(3):
        done.get(timeout=SECONDS)
        running.wake("woken")
    running.wake("unknown")
    done.get(timeout=SECONDS)


def test_job_woken_during_its_run_runs_again(begin):
    begun, go_on = Queue(), threading.Event()

    def act():
        begun.put(1)
        go_on.wait(SECONDS)

    running = begin(BackgroundJob("woken", NEVER_AGAIN, act))
    begun.get(timeout=SECONDS)
    running.wake("woken")
    go_on.set()
    begun.get(timeout=SECONDS)


def test_failed_job_is_logged_without_message_and_backs_off(begin, caplog):
    done, failed, typed = Queue(), Queue(), "what somebody typed"

    def fail():
        failed.put(1)
        raise RuntimeError(typed)

    running = begin(BackgroundJob("broken", 0.01, fail), BackgroundJob("whole", 0.01, lambda: done.put(1)))
    for _ in range(3):
        failed.get(timeout=SECONDS)
        done.get(timeout=SECONDS)
    running.stop()
    assert "job broken failed, next try in 0 s: RuntimeError" in caplog.text
    assert typed not in caplog.text


def test_job_in_back_off_is_not_woken(app):
    outcomes = [RuntimeError(), RuntimeError(), None, RuntimeError()]

    def act():
        outcome = outcomes.pop(0)
        if outcome:
            raise outcome

    job = BackgroundJob("sometimes", 10.0, act)
    running = JobRunner(app, [job])
    rests = []
    while outcomes:
        running._due_at["sometimes"] = time.monotonic() + job.every_seconds
        running._do(job)
        running.wake("sometimes")
        rests.append(round(running._due_at["sometimes"] - time.monotonic()))
    assert rests == [20, 40, 0, 20]


def test_stop_waits_for_the_running_job(begin):
    begun, go_on, finished = threading.Event(), threading.Event(), []

    def act():
        begun.set()
        go_on.wait(SECONDS)
        finished.append(1)

    running = begin(BackgroundJob("long", 0.01, act))
    assert begun.wait(SECONDS)
    stopper = threading.Thread(target=running.stop)
    stopper.start()
    go_on.set()
    stopper.join(SECONDS)
    assert finished == [1]
    assert not running._thread.is_alive()


def test_jobs_that_hang_are_waited_for_once_in_all(app, monkeypatch):
    monkeypatch.setattr(background_jobs, "SECONDS_TO_STOP", 1.0)
    go_on, hanging = threading.Event(), []
    try:
        for name in ("one", "other"):
            begun = threading.Event()

            def hang(begun=begun):
                begun.set()
                go_on.wait(SECONDS)

            hanging.append(JobRunner(app, [BackgroundJob(name, NEVER_AGAIN, hang)]))
            hanging[-1].start()
            assert begun.wait(SECONDS)
        monkeypatch.setattr(background_jobs, "_running", hanging)
        before = time.monotonic()
        background_jobs.stop()
        # As at the end of the process, which does not know that they were told already.
        for running in hanging:
            running.stop()
        assert 0.9 < time.monotonic() - before < 1.9
    finally:
        go_on.set()


def test_thread_of_jobs_keeps_no_process_alive(begin):
    assert begin()._thread.daemon


def test_only_serving_processes_run_jobs(app):
    assert background_jobs._running == []
    with app.app_context():
        assert app.test_cli_runner().invoke(args=["config"]).exit_code == 0
    assert background_jobs._running == []
    assert "jobs" not in {thread.name for thread in threading.enumerate()}
    assert not background_jobs.wake("mail")


def names_of_jobs(app) -> set[str]:
    return {job.name for thread in background_jobs.jobs_of(app.config["SETTINGS"]) for job in thread}


def test_serving_processes_send_mail_unless_workers_do(app, settings):
    assert names_of_jobs(app) > {"mail", "roll-up", "old counters", "old sessions", "months"}
    settings(mail_sender="worker")
    assert "mail" not in names_of_jobs(app)
    assert "roll-up" in names_of_jobs(app)


def test_all_jobs_run(app):
    for jobs in background_jobs.jobs_of(app.config["SETTINGS"]):
        for job in jobs:
            with app.app_context():
                job.act()


def test_job_has_an_application_context_of_its_own(begin, app):
    from flask import current_app, g

    seen = Queue()

    def act():
        seen.put((current_app.name, "mark" in g))
        g.mark = 1

    begin(BackgroundJob("in context", 0.01, act))
    assert [seen.get(timeout=SECONDS) for _ in range(2)] == [(app.name, False)] * 2
