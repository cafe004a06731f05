"""marketplace-reconcile ingests changes like events and reports each once."""

from datetime import timedelta

import boto3
import pytest
import time_machine

from reflow_accounts.database import db, now
from reflow_accounts.marketplace.models import Agreement
from reflow_accounts.marketplace.reconcile import flags_of
from reflow_accounts.subscriptions.licences import claim, find_licence
from reflow_accounts.subscriptions.models import LicenceState
from tests.helpers.aws import event

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def bought(app, cast, take_in) -> None:
    """Solo has the active licence l-1 of agmt-1."""
    take_in(event("License Updated", "l-1", "agmt-1"))
    with app.app_context():
        claim(find_licence("l-1"), cast.solo.row(), by=None)
        db.session.commit()


def test_lost_end_is_found(app, aws, ask, bought):
    aws.agreements["agmt-1"] = {"agreementId": "agmt-1", "status": "TERMINATED"}
    aws.agreements["of-another-product"] = {"agreementId": "of-another-product", "status": "ACTIVE"}
    assert ask() == (0, ["agmt-1: unknown → TERMINATED, which ends its licence", "1 change."])
    with app.app_context():
        assert find_licence("l-1").state == LicenceState.ENDING
    assert ask() == (0, ["No changes."])


def test_renewal_is_connected_and_unknown_agreements_are_named(app, aws, ask, cast, bought, take_in):
    take_in(event("License Updated", "l-2", "agmt-2"))
    aws.agreements["agmt-2"] = {"agreementId": "agmt-2", "status": "ACTIVE", "initialAgreementId": "agmt-1"}
    assert "agmt-1: AWS does not know it" in ask()[1]
    with app.app_context():
        assert find_licence("l-2").team_id == cast.solo.row().id


def test_unknown_agreement_is_reported_once(app, aws, ask, bought):
    assert ask() == (0, ["agmt-1: AWS does not know it", "1 change."])
    assert ask() == (0, ["No changes."])
    with time_machine.travel(now() + timedelta(days=1)):
        assert ask() == (0, ["No changes."])
        with app.app_context():
            licence, agreement = find_licence("l-1"), db.session.get_one(Agreement, "agmt-1")
            assert flags_of(licence, agreement) == ["AWS does not know the agreement."]
            assert licence.state == LicenceState.ACTIVE
    aws.agreements["agmt-1"] = {"agreementId": "agmt-1", "status": "ACTIVE"}
    with time_machine.travel(now() + timedelta(days=2)):
        assert ask() == (0, ["agmt-1: unknown → ACTIVE", "1 change."])


def test_other_products_are_ignored(aws, ask, take_in):
    take_in(event("License Updated", "l-9", "agmt-9", product="another"))
    take_in(event("Purchase Agreement Created", "", "agmt-9", product="another", status="ACTIVE"))
    aws.agreements["agmt-9"] = {"agreementId": "agmt-9", "status": "EXPIRED"}
    assert ask() == (0, ["No changes."])


def test_licence_end_is_reported_only_when_it_ends(aws, ask, take_in):
    # Events of agreements do not say of which product they are.
    take_in(event("Purchase Agreement Created", "", "agmt-8", product="", status="ACTIVE"))
    aws.agreements["agmt-8"] = {"agreementId": "agmt-8", "status": "EXPIRED"}
    assert ask() == (0, ["agmt-8: ACTIVE → EXPIRED", "1 change."])


def test_unavailable_aws_is_reported(aws, ask, take_in):
    take_in(event("License Updated", "l-1", "agmt-1"))
    aws.errors["SearchAgreements"] = "InternalServerException"
    code, [words] = ask()
    assert code == 1
    assert "AWS answered InternalServerException. Run the command again afterwards" in words


def test_missing_credentials_are_reported(aws, ask, take_in, monkeypatch):
    take_in(event("License Updated", "l-1", "agmt-1"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    # It remembers the credentials that it found.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    code, [words] = ask()
    assert code == 1
    assert "AWS credentials are missing: give the machine a role, or set AWS_ACCESS_KEY_ID" in words


def test_unavailable_database_is_reported(aws, another):
    app = another(aws=aws.settings, database_url="postgresql://nobody:nothing@127.0.0.1:1/none")
    with app.app_context():
        done = app.test_cli_runner().invoke(args=["marketplace-reconcile"])
    assert done.exit_code == 1
    assert "the database cannot be opened (connection failed: " in done.output
