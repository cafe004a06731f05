"""Random histories of purchases lead to the state of the model, in any order, with losses and several workers."""

from datetime import timedelta
from random import Random

import pytest
import time_machine
from sqlalchemy import select

from reflow_accounts.database import db, now
from reflow_accounts.marketplace.aws_client import Customer
from reflow_accounts.marketplace.events import ingest
from reflow_accounts.marketplace.events import register as register_customer
from reflow_accounts.marketplace.registration import connect
from reflow_accounts.marketplace.waiting import waiting_purchases
from reflow_accounts.subscriptions.models import Licence
from reflow_accounts.subscriptions.service import status_of
from tests import factories
from tests.factories import CLIENT
from tests.helpers.at_once import at_once
from tests.helpers.aws import ACCOUNT, PRODUCT
from tests.marketplace.buyer import claim_of
from tests.marketplace.histories import Registration, history

QUICK = range(4)
MANY = range(1000, 1150)
ORDERS_OF_MANY = 6


@pytest.fixture
def run(app, cast):
    """`run(team, steps, workers=2)`: have workers take the steps, each step in a transaction."""

    def take(team, step):
        with app.app_context():
            if isinstance(step, Registration):
                customer = Customer(PRODUCT, ACCOUNT, step.licence, step.agreement)
                claim = claim_of(register_customer(customer, is_trial=False))
                db.session.commit()
                connect(claim, team.id, "", by=cast.nina.row(), client=CLIENT)
            else:
                ingest(step, PRODUCT)
            db.session.commit()

    def run_steps(team, steps, workers=1):
        parts = [steps[number::workers] for number in range(workers)]
        at_once([lambda part=part: [take(team, step) for step in part] for part in parts if part])

    return run_steps


def facts_of(team):
    """Return whether a team is active, and the state of each of its licences."""
    with team.app.app_context():
        licences = db.session.scalars(select(Licence).where(Licence.team_id == team.row().id))
        return status_of(team.row()).is_active, {row.key: str(row.state) for row in licences}


def check_orders(app, cast, run, seed, orders):
    """Run a history in some orders, each with new names, and compare with the model."""
    for order in range(orders):
        number = seed * 1000 + order
        made, team = history(number), factories.team(app, f"Team {number}", cast.nina)
        workers = 1 + order % 3
        run(team, made.steps(Random(number)), workers=workers)
        states = {key: state for purchase in made.purchases for key, state in purchase.licence_states.items()}
        expected = (any(state == "active" for state in states.values()), states)
        assert facts_of(team) == expected, f"history {number}, {workers} workers"


def check_losses(app, cast, run, aws, ask, seed, every=1):
    """Drop each event of a history in turn, reconcile, and compare with the model."""
    for position in range(0, len(history(seed).events), every):
        made = history(number := seed * 1000 + position)
        team = factories.team(app, f"Team {number}", cast.nina)
        lost = made.events[position % len(made.events)]
        random = Random(number)
        with time_machine.travel(now() - timedelta(hours=2)):
            run(team, made.steps(random, without=lost))
        with_licences = random.random() < 0.5
        aws.agreements = {
            row["agreementId"]: row
            for purchase in made.purchases
            for row in purchase.agreements(with_licences=with_licences)
        }
        assert ask()[0] == 0
        is_active, _ = facts_of(team)
        if is_active != made.is_active:
            # Without the agreement in the token and the licence at AWS nothing connects the two.
            assert not with_licences, f"history {number} without {lost}"
            assert not is_active, f"history {number} without {lost}"
            with app.app_context():
                waiting = [licence.team_id for licence, _ in waiting_purchases()]
                assert team.row().id in waiting, f"history {number} without {lost}"


def test_random_histories_in_random_orders(app, cast, run):
    for seed in QUICK:
        check_orders(app, cast, run, seed, 3)


def test_lost_events_of_random_histories(app, cast, run, aws, ask):
    check_losses(app, cast, run, aws, ask, 7, every=4)


@pytest.mark.slow
@pytest.mark.long
def test_many_histories_in_many_orders(app, cast, run):
    for seed in MANY:
        check_orders(app, cast, run, seed, ORDERS_OF_MANY)


@pytest.mark.slow
@pytest.mark.long
def test_lost_events_of_many_histories(app, cast, run, aws, ask):
    for seed in MANY[:8]:
        check_losses(app, cast, run, aws, ask, seed)
