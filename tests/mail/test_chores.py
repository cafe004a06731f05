"""What a serving process does beside answering: in its thread, when due or woken, whatever fails."""

import threading
from queue import Queue

import pytest

from reflow_accounts import chores
from reflow_accounts.chores import Chore, Chores

SECONDS = 10
NEVER_AGAIN = 10_000.0


@pytest.fixture
def begin(app):
    """Start chores; they are stopped after the test."""
    begun = []

    def begin(*wanted: Chore) -> Chores:
        running = Chores(app, wanted)
        begun.append(running)
        running.start()
        return running

    yield begin
    for running in begun:
        running.stop()


def test_a_chore_is_done_at_once_and_again(begin):
    done = Queue()
    begin(Chore("often", 0.01, lambda: done.put(1)), Chore("once", NEVER_AGAIN, lambda: done.put(2)))
    first = [done.get(timeout=SECONDS) for _ in range(5)]
    assert sorted(first) == [1, 1, 1, 1, 2]


def test_a_chore_that_is_woken_is_done_before_its_time(begin):
    done = Queue()
    running = begin(Chore("woken", NEVER_AGAIN, lambda: done.put(1)))
    for _ in range(3):
        done.get(timeout=SECONDS)
        running.wake("woken")
    running.wake("unknown")
    done.get(timeout=SECONDS)


def test_a_chore_that_is_woken_while_it_is_in_hand_is_done_again(begin):
    begun, go_on = Queue(), threading.Event()

    def act():
        begun.put(1)
        go_on.wait(SECONDS)

    running = begin(Chore("woken", NEVER_AGAIN, act))
    begun.get(timeout=SECONDS)
    running.wake("woken")
    go_on.set()
    begun.get(timeout=SECONDS)


def test_a_chore_that_fails_is_logged_without_its_words_rests_and_stops_no_other(begin, caplog):
    done, failed, typed = Queue(), Queue(), "what somebody typed"

    def fail():
        failed.put(1)
        raise RuntimeError(typed)

    running = begin(Chore("broken", 0.01, fail), Chore("whole", 0.01, lambda: done.put(1)))
    for _ in range(3):
        failed.get(timeout=SECONDS)
        done.get(timeout=SECONDS)
    running.stop()
    assert "chore broken failed and rests 0 s: RuntimeError" in caplog.text
    assert typed not in caplog.text


def test_a_chore_that_rests_is_not_woken_and_begins_afresh_once_it_works(app):
    outcomes = [RuntimeError(), RuntimeError(), None, RuntimeError()]

    def act():
        outcome = outcomes.pop(0)
        if outcome:
            raise outcome

    chore = Chore("sometimes", 10.0, act)
    running = Chores(app, [chore])
    rests = []
    while outcomes:
        running._do(chore)
        running.wake("sometimes")
        rests.append(running._failures["sometimes"])
    assert rests == [1, 2, 0, 1]


def test_it_stops_after_the_chore_in_hand(begin):
    begun, go_on, finished = threading.Event(), threading.Event(), []

    def act():
        begun.set()
        go_on.wait(SECONDS)
        finished.append(1)

    running = begin(Chore("long", 0.01, act))
    assert begun.wait(SECONDS)
    stopper = threading.Thread(target=running.stop)
    stopper.start()
    go_on.set()
    stopper.join(SECONDS)
    assert finished == [1]
    assert not running._thread.is_alive()


def test_a_thread_of_chores_keeps_no_process_alive(begin):
    assert begin()._thread.daemon


def test_no_process_but_a_serving_one_does_chores(app):
    assert chores._running == []
    with app.app_context():
        assert app.test_cli_runner().invoke(args=["config"]).exit_code == 0
    assert chores._running == []
    assert "chores" not in {thread.name for thread in threading.enumerate()}
    assert not chores.wake("mail")


def names_of_chores(app) -> set[str]:
    return {chore.name for thread in chores.chores_of(app.config["SETTINGS"]) for chore in thread}


def test_serving_processes_send_mail_unless_workers_do(app, settings):
    assert names_of_chores(app) > {"mail", "fold", "old counters", "old sessions", "months"}
    settings(mail_sender="worker")
    assert "mail" not in names_of_chores(app)
    assert "fold" in names_of_chores(app)


def test_every_chore_of_the_house_can_be_done(app):
    for chore in (*chores.HOUSEKEEPING, *chores.MAIL_CHORES):
        with app.app_context():
            chore.act()


def test_a_chore_has_an_application_context_of_its_own(begin, app):
    from flask import current_app, g

    seen = Queue()

    def act():
        seen.put((current_app.name, "mark" in g))
        g.mark = 1

    begin(Chore("in context", 0.01, act))
    assert [seen.get(timeout=SECONDS) for _ in range(2)] == [(app.name, False)] * 2
