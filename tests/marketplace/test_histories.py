"""Random histories of purchases lead to the state of the model, in any order, with losses and several workers."""

import os
from datetime import timedelta
from random import Random

import pytest
import time_machine
from sqlalchemy import select

from reflow_accounts.database import db, now
from reflow_accounts.marketplace.reconcile import waiting_purchases
from reflow_accounts.subscriptions.models import Licence
from reflow_accounts.subscriptions.service import status_of
from tests import factories
from tests.marketplace import workers
from tests.marketplace.histories import orders_of, random_history

SEEDS = range(4)
ORDERS = 3
# The larger run of CONTRIBUTING.md: REFLOW_TEST_HISTORIES=500 REFLOW_TEST_ORDERS=500.
MANY_SEEDS = range(1000, 1000 + int(os.environ.get("REFLOW_TEST_HISTORIES", "30")))
MANY_ORDERS = int(os.environ.get("REFLOW_TEST_ORDERS", "6"))
# For these seeds, each event is left out in turn.
SEEDS_OF_LOSSES = MANY_SEEDS[: max(1, len(MANY_SEEDS) // 5)]


@pytest.fixture
def apply_steps(app):
    with workers.processes(app.config["SETTINGS"]) as running:
        yield running


@pytest.fixture
def print_report(capsys, app):
    """Print the result of a larger run."""

    def write(text):
        with capsys.disabled():
            print(f"\n{db_name(app)}: {text}, 0 wrong")

    return write


def db_name(app):
    with app.app_context():
        return db.engine.dialect.name


def state_of(team):
    """Return whether a team is active, and the state of each of its licences."""
    with team.app.app_context():
        licences = db.session.scalars(select(Licence).where(Licence.team_id == team.row().id))
        return status_of(team.row()).is_active, {row.key: str(row.state) for row in licences}


def check_orders(app, cast, apply_steps, seed, limit):
    """Run a history in its orders, with new names each, by one, two and three processes; return how many."""
    number = 0
    for number, put_in_order in enumerate(orders_of(random_history(seed, "x"), seed, limit), 1):
        name = f"{seed}x{number}"
        history, team = random_history(seed, name), factories.team(app, f"Team {name}", cast.nina)
        count = 1 + number % workers.MOST_WORKERS
        apply_steps(put_in_order(history), team.id, cast.nina.id, count)
        states = {
            key: state for purchase in history.purchases for key, state in purchase.licence_states.items()
        }
        expected = (any(state == "active" for state in states.values()), states)
        assert state_of(team) == expected, f"history {name}, {count} processes"
    return number


def check_losses(app, cast, apply_steps, aws, reconcile, seed, every=1):
    """Drop each event of a history in turn, reconcile, and compare with the model; return how many."""
    positions = range(0, len(random_history(seed, "x").events), every)
    for position in positions:
        name = f"{seed}l{position}"
        history, team = random_history(seed, name), factories.team(app, f"Team {name}", cast.nina)
        lost, random = history.events[position], Random(f"{seed} {position}")
        apply_steps(history.steps(random, without=lost), team.id, cast.nina.id, 1)
        with_licences = random.random() < 0.5
        aws.agreements = {
            row["agreementId"]: row
            for purchase in history.purchases
            for row in purchase.agreements(with_licences=with_licences)
        }
        with time_machine.travel(now() + timedelta(hours=2)):
            assert reconcile()[0] == 0
            is_active, _ = state_of(team)
            if is_active != history.is_active:
                # An agreement without a licence at AWS cannot be connected to a token without an agreement.
                assert not with_licences, f"history {name} without {lost}"
                assert not is_active, f"history {name} without {lost}"
                with app.app_context():
                    waiting = [licence.team_id for licence, _ in waiting_purchases()]
                    assert team.row().id in waiting, f"history {name} without {lost}"
    return len(positions)


@pytest.mark.slow
def test_random_histories_in_random_orders(app, cast, apply_steps):
    for seed in SEEDS:
        check_orders(app, cast, apply_steps, seed, ORDERS)


@pytest.mark.slow
def test_lost_events_of_random_histories(app, cast, apply_steps, aws, reconcile):
    check_losses(app, cast, apply_steps, aws, reconcile, 7, every=4)


@pytest.mark.slow
@pytest.mark.long
def test_many_histories_in_many_orders(app, cast, apply_steps, print_report):
    runs = [check_orders(app, cast, apply_steps, seed, MANY_ORDERS) for seed in MANY_SEEDS]
    print_report(f"{len(runs)} histories in {sum(runs):,} orders")


@pytest.mark.slow
@pytest.mark.long
def test_lost_events_of_many_histories(app, cast, apply_steps, aws, reconcile, print_report):
    runs = [check_losses(app, cast, apply_steps, aws, reconcile, seed) for seed in SEEDS_OF_LOSSES]
    print_report(f"{len(runs)} histories without each of {sum(runs)} events")
