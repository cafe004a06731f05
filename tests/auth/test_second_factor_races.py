"""Log-in with a recovery code during removal of the second factor: neither fails with an error."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from reflow_accounts.auth import login, recovery_codes, second_factor
from reflow_accounts.auth.models import Factor, RecoveryCode, SessionKind
from reflow_accounts.database import db
from tests.factories import CLIENT
from tests.helpers import rows
from tests.helpers.authenticator_app import turn_on


@pytest.fixture
def log_in(app, cast):
    """`log_in(meanwhile)`: log in with a recovery code, call `meanwhile` before the commit; return the verdict."""
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
    """`turn_off(meanwhile)`: turn off Ada's second factor, call `meanwhile` before the commit."""

    def turn_off(meanwhile):
        with app.app_context():
            user = cast.ada.row()
            second_factor.turn_off(user, by=user, client=CLIENT)
            meanwhile()
            db.session.commit()
            return True

    return turn_off


def nothing():
    """Do nothing."""


def run_second_during_first(first, second):
    """Run `second` while `first` is not committed; return what `first` returns and what `second` returns."""
    with ThreadPoolExecutor(1) as pool:
        seconds = []

        def meanwhile():
            seconds.append(pool.submit(second, nothing))
            wait(seconds, timeout=0.5)

        return [first(meanwhile), seconds[0].result(timeout=30)]


def test_removal_waits_for_a_log_in_with_a_recovery_code(app, log_in, turn_off):
    assert run_second_during_first(log_in, turn_off) == [True, True]
    assert rows.count(app, RecoveryCode) == 0


def test_recovery_code_is_refused_after_the_removal(app, log_in, turn_off):
    assert run_second_during_first(turn_off, log_in) == [True, False]
    assert rows.count(app, RecoveryCode) == 0
