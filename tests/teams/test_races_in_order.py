"""The races of two Admins with the narrow moment held open: the second act waits for the first, whichever they are."""

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
from tests.teams.acts import admins_of

# As long as the first act gives the second to slip through. That one waits cannot be seen from outside.
HELD_OPEN = 0.3
LEFT = {Conflict, members.NeedsAdmin}


def leave(team, me, _other):
    members.leave(team.row(), by=me.row(), client=CLIENT)


def lower_oneself(team, me, _other):
    members.change_rights(team.row(), me.id, Rights.VIEW, by=me.row(), client=CLIENT)


def lower_the_other(team, me, other):
    members.change_rights(team.row(), other.id, Rights.VIEW, by=me.row(), client=CLIENT)


def remove_the_other(team, me, other):
    members.remove(team.row(), other.id, by=me.row(), client=CLIENT)


def delete_the_account(_team, me, _other):
    delete_account(me.row(), me.password, hasher(), client=CLIENT)


@pytest.mark.parametrize(
    ("first", "second", "refusals"),
    [
        (leave, leave, LEFT),
        (leave, lower_oneself, LEFT),
        (leave, delete_the_account, LEFT),
        (lower_oneself, leave, LEFT),
        (lower_oneself, lower_oneself, LEFT),
        (lower_oneself, delete_the_account, LEFT),
        (delete_the_account, leave, LEFT),
        (delete_the_account, lower_oneself, LEFT),
        (delete_the_account, delete_the_account, LEFT),
        (lower_the_other, lower_the_other, {InsufficientRights}),
        (lower_the_other, remove_the_other, {InsufficientRights}),
        (remove_the_other, remove_the_other, {NotFound}),
        (delete_the_account, remove_the_other, {NotFound}),
    ],
)
def test_second_act_waits_and_one_admin_remains(app, cast, first, second, refusals):
    team, ada, ben = cast.acme, cast.ada, cast.ben
    team.give(ben, Rights.ADMIN)
    acted, slipped = threading.Event(), threading.Event()

    def go_first():
        with app.app_context():
            first(team, ada, ben)
            db.session.flush()
            acted.set()
            slipped.wait(HELD_OPEN)
            db.session.commit()

    def go_second():
        with app.app_context():
            acted.wait(10)
            try:
                second(team, ben, ada)
                db.session.flush()
                slipped.set()
                db.session.commit()
            except DomainError as error:
                db.session.rollback()
                return type(error)
        return None

    with ThreadPoolExecutor(2) as threads:
        done, answer = threads.submit(go_first), threads.submit(go_second)
        done.result()
        assert answer.result() in refusals
    assert len(admins_of(team)) == 1
