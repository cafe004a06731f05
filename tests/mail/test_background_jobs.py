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
def start_jobs(app):
    """`start_jobs(job, …)`: start jobs, which are stopped after the test."""
    started = []

    def start_jobs(*jobs: BackgroundJob) -> JobRunner:
        runner = JobRunner(app, jobs)
        started.append(runner)
        runner.start()
        return runner

    yield start_jobs
    for runner in started:
        runner.stop()


def test_job_runs_at_once_and_again(start_jobs):
    runs = Queue()
    start_jobs(
        BackgroundJob("often", 0.01, lambda: runs.put(1)),
        BackgroundJob("once", NEVER_AGAIN, lambda: runs.put(2)),
    )
    first = [runs.get(timeout=SECONDS) for _ in range(5)]
    assert sorted(first) == [1, 1, 1, 1, 2]


def test_woken_job_runs_early(start_jobs):
    runs = Queue()
    runner = start_jobs(BackgroundJob("woken", NEVER_AGAIN, lambda: runs.put(1)))
    for _ in range(3):
        runs.get(timeout=SECONDS)
        runner.wake("woken")
    runner.wake("unknown")
    runs.get(timeout=SECONDS)


def test_job_woken_during_its_run_runs_again(start_jobs):
    started, may_finish = Queue(), threading.Event()

    def run():
        started.put(1)
        may_finish.wait(SECONDS)

    runner = start_jobs(BackgroundJob("woken", NEVER_AGAIN, run))
    started.get(timeout=SECONDS)
    runner.wake("woken")
    may_finish.set()
    started.get(timeout=SECONDS)


def test_failed_job_is_logged_without_message_and_backs_off(start_jobs, caplog):
    runs, failed, user_input = Queue(), Queue(), "what somebody typed"

    def fail():
        failed.put(1)
        raise RuntimeError(user_input)

    runner = start_jobs(
        BackgroundJob("broken", 0.01, fail), BackgroundJob("whole", 0.01, lambda: runs.put(1))
    )
    for _ in range(3):
        failed.get(timeout=SECONDS)
        runs.get(timeout=SECONDS)
    runner.stop()
    assert "job broken failed, next try in 0 s: RuntimeError" in caplog.text
    assert user_input not in caplog.text


def test_job_in_back_off_cannot_be_woken(app):
    results = [RuntimeError(), RuntimeError(), None, RuntimeError()]

    def run():
        result = results.pop(0)
        if result:
            raise result

    job = BackgroundJob("sometimes", 10.0, run)
    runner = JobRunner(app, [job])
    waits = []
    while results:
        runner._due_at["sometimes"] = time.monotonic() + job.every_seconds
        runner._do(job)
        runner.wake("sometimes")
        waits.append(round(runner._due_at["sometimes"] - time.monotonic()))
    assert waits == [2, 4, 0, 2]


def test_stop_waits_for_the_running_job(start_jobs):
    started, may_finish, finished = threading.Event(), threading.Event(), []

    def run():
        started.set()
        may_finish.wait(SECONDS)
        finished.append(1)

    runner = start_jobs(BackgroundJob("long", 0.01, run))
    assert started.wait(SECONDS)
    stopper = threading.Thread(target=runner.stop)
    stopper.start()
    may_finish.set()
    stopper.join(SECONDS)
    assert finished == [1]
    assert not runner._thread.is_alive()


def test_stop_waits_for_all_hanging_jobs_together(app, monkeypatch):
    monkeypatch.setattr(background_jobs, "SECONDS_TO_STOP", 3.0)
    may_finish, runners = threading.Event(), []
    try:
        for name in ("one", "other"):
            started = threading.Event()

            def run(started=started):
                started.set()
                may_finish.wait(SECONDS)

            runners.append(JobRunner(app, [BackgroundJob(name, NEVER_AGAIN, run)]))
            runners[-1].start()
            assert started.wait(SECONDS)
        monkeypatch.setattr(background_jobs, "_runners", runners)
        before = time.monotonic()
        background_jobs.stop()
        # At the end of the process every runner is stopped once more.
        for runner in runners:
            runner.stop()
        assert 2.9 < time.monotonic() - before < 5.9
    finally:
        may_finish.set()


def test_thread_of_jobs_is_a_daemon(start_jobs):
    assert start_jobs()._thread.daemon


def test_only_serving_processes_run_jobs(app):
    assert background_jobs._runners == []
    with app.app_context():
        assert app.test_cli_runner().invoke(args=["config"]).exit_code == 0
    assert background_jobs._runners == []
    assert "jobs" not in {thread.name for thread in threading.enumerate()}
    assert not background_jobs.wake("mail")


def job_names(app) -> set[str]:
    return {job.name for thread in background_jobs.jobs_of(app.config["SETTINGS"]) for job in thread}


def test_serving_processes_send_mail_unless_workers_are_configured(app, settings):
    assert job_names(app) > {"mail", "roll-up", "old counters", "old sessions", "months"}
    settings(mail_sender="worker")
    assert "mail" not in job_names(app)
    assert "roll-up" in job_names(app)


def test_all_jobs_run(app):
    for jobs in background_jobs.jobs_of(app.config["SETTINGS"]):
        for job in jobs:
            with app.app_context():
                job.act()


def test_job_has_its_own_application_context(start_jobs, app):
    from flask import current_app, g

    contexts = Queue()

    def run():
        contexts.put((current_app.name, "mark" in g))
        g.mark = 1

    start_jobs(BackgroundJob("in context", 0.01, run))
    assert [contexts.get(timeout=SECONDS) for _ in range(2)] == [(app.name, False)] * 2
