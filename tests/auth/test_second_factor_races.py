"""A log-in with a recovery code while the second factor is turned off: neither fails."""

import threading

import pytest

from reflow_accounts.auth import login, recovery_codes, second_factor
from reflow_accounts.auth.models import Factor, RecoveryCode, SessionKind
from reflow_accounts.database import db
from tests.factories import CLIENT
from tests.helpers import rows
from tests.helpers.authenticator_app import turn_on


@pytest.fixture
def log_in(app, cast):
    """Begin a log-in of Ada with a recovery code, let `meanwhile` run, and end it; say whether the code was right."""
    code = turn_on(cast.ada).recovery_codes[0]

    def log_in(meanwhile):
        with app.app_context():
            user = cast.ada.row()
            is_right = recovery_codes.accept(user, code, client=CLIENT)
            meanwhile()
            if is_right:
                factors = [Factor.PASSWORD, Factor.RECOVERY_CODE]
                login.start_session(user, SessionKind.BROWSER, factors, client=CLIENT)
            db.session.commit()
            return is_right

    return log_in


@pytest.fixture
def turn_off(app, cast):
    """Begin to turn off Ada's second factor, let `meanwhile` run, and end it."""

    def turn_off(meanwhile):
        with app.app_context():
            user = cast.ada.row()
            second_factor.turn_off(user, by=user, client=CLIENT)
            meanwhile()
            db.session.commit()
            return True

    return turn_off


def nothing():
    """Lets nobody act."""


def one_during_the_other(first, second):
    """Run `second` while `first` is not committed; return what both return."""
    outcomes = []
    waiting = threading.Thread(target=lambda: outcomes.append(second(nothing)))

    def meanwhile():
        waiting.start()
        waiting.join(0.5)

    outcomes.append(first(meanwhile))
    waiting.join()
    return outcomes


def test_turning_off_waits_for_a_log_in_with_a_recovery_code(app, log_in, turn_off):
    assert one_during_the_other(log_in, turn_off) == [True, True]
    assert rows.count(app, RecoveryCode) == 0


def test_recovery_code_is_wrong_once_the_second_factor_is_off(app, log_in, turn_off):
    assert one_during_the_other(turn_off, log_in) == [True, False]
    assert rows.count(app, RecoveryCode) == 0
