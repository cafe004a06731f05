"""Races of two Admins with a delayed commit: the second transaction waits for the first."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from reflow_accounts.auth.passwords import hasher
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, DomainError, InsufficientRights, NotFound
from reflow_accounts.teams import members
from reflow_accounts.teams.models import Rights
from reflow_accounts.users.deletion import delete_account
from tests.factories import CLIENT
from tests.teams.team_actions import admins_of

# How long the first transaction waits before it commits; the wait of the second cannot be observed directly.
COMMIT_DELAY_S = 0.3
REFUSED_LAST_ADMIN = {Conflict, members.NeedsAdmin}


def leave(team, actor, _other):
    members.leave(team.row(), by=actor.row(), client=CLIENT)


def demote_oneself(team, actor, _other):
    members.change_rights(team.row(), actor.id, Rights.VIEW, by=actor.row(), client=CLIENT)


def demote_the_other(team, actor, other):
    members.change_rights(team.row(), other.id, Rights.VIEW, by=actor.row(), client=CLIENT)


def remove_the_other(team, actor, other):
    members.remove(team.row(), other.id, by=actor.row(), client=CLIENT)


def delete_the_account(_team, actor, _other):
    delete_account(actor.row(), actor.password, hasher(), client=CLIENT)


@pytest.mark.parametrize(
    ("first", "second", "refusals"),
    [
        (leave, leave, REFUSED_LAST_ADMIN),
        (leave, demote_oneself, REFUSED_LAST_ADMIN),
        (leave, delete_the_account, REFUSED_LAST_ADMIN),
        (demote_oneself, leave, REFUSED_LAST_ADMIN),
        (demote_oneself, demote_oneself, REFUSED_LAST_ADMIN),
        (demote_oneself, delete_the_account, REFUSED_LAST_ADMIN),
        (delete_the_account, leave, REFUSED_LAST_ADMIN),
        (delete_the_account, demote_oneself, REFUSED_LAST_ADMIN),
        (delete_the_account, delete_the_account, REFUSED_LAST_ADMIN),
        (demote_the_other, demote_the_other, {InsufficientRights}),
        (demote_the_other, remove_the_other, {InsufficientRights}),
        (remove_the_other, remove_the_other, {NotFound}),
        (delete_the_account, remove_the_other, {NotFound}),
    ],
)
def test_second_transaction_waits_and_one_admin_remains(app, cast, first, second, refusals):
    team, ada, ben = cast.acme, cast.ada, cast.ben
    team.give(ben, Rights.ADMIN)
    first_flushed, second_flushed = threading.Event(), threading.Event()

    def go_first():
        with app.app_context():
            first(team, ada, ben)
            db.session.flush()
            first_flushed.set()
            second_flushed.wait(COMMIT_DELAY_S)
            db.session.commit()

    def go_second():
        with app.app_context():
            first_flushed.wait(10)
            try:
                second(team, ben, ada)
                db.session.flush()
                second_flushed.set()
                db.session.commit()
            except DomainError as error:
                db.session.rollback()
                return type(error)
        return None

    with ThreadPoolExecutor(2) as threads:
        first_result, second_result = threads.submit(go_first), threads.submit(go_second)
        first_result.result()
        assert second_result.result() in refusals
    assert len(admins_of(team)) == 1
