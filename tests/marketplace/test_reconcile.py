"""marketplace-reconcile ingests changes like events and reports each once."""

from datetime import timedelta

import boto3
import pytest
import time_machine

from reflow_accounts.database import db, now
from reflow_accounts.marketplace.models import Agreement
from reflow_accounts.marketplace.reconcile import flags_of
from reflow_accounts.subscriptions.licences import connect_to_team, find_licence
from reflow_accounts.subscriptions.models import LicenceState
from tests.helpers.aws import event

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def active_purchase(app, cast, ingest_events) -> None:
    """Solo has the active licence l-1 of agmt-1."""
    ingest_events(event("License Updated", "l-1", "agmt-1"))
    with app.app_context():
        connect_to_team(find_licence("l-1"), cast.solo.row(), by=None)
        db.session.commit()


def test_lost_end_is_found(app, aws, reconcile, active_purchase):
    aws.agreements["agmt-1"] = {"agreementId": "agmt-1", "status": "TERMINATED"}
    aws.agreements["of-another-product"] = {"agreementId": "of-another-product", "status": "ACTIVE"}
    assert reconcile() == (0, ["agmt-1: unknown → TERMINATED, which ends its licence", "1 change."])
    with app.app_context():
        assert find_licence("l-1").state == LicenceState.ENDING
    assert reconcile() == (0, ["No changes."])


def test_renewal_is_connected_and_unknown_one_is_reported(
    app, aws, reconcile, cast, active_purchase, ingest_events
):
    ingest_events(event("License Updated", "l-2", "agmt-2"))
    aws.agreements["agmt-2"] = {"agreementId": "agmt-2", "status": "ACTIVE", "initialAgreementId": "agmt-1"}
    assert "agmt-1: AWS does not know it" in reconcile()[1]
    with app.app_context():
        assert find_licence("l-2").team_id == cast.solo.row().id


def test_unknown_agreement_is_reported_once(app, aws, reconcile, active_purchase):
    assert reconcile() == (0, ["agmt-1: AWS does not know it", "1 change."])
    assert reconcile() == (0, ["No changes."])
    with time_machine.travel(now() + timedelta(days=1)):
        assert reconcile() == (0, ["No changes."])
        with app.app_context():
            licence, agreement = find_licence("l-1"), db.session.get_one(Agreement, "agmt-1")
            assert flags_of(licence, agreement) == ["AWS does not know the agreement."]
            assert licence.state == LicenceState.ACTIVE
    aws.agreements["agmt-1"] = {"agreementId": "agmt-1", "status": "ACTIVE"}
    with time_machine.travel(now() + timedelta(days=2)):
        assert reconcile() == (0, ["agmt-1: unknown → ACTIVE", "1 change."])
    del aws.agreements["agmt-1"]
    with time_machine.travel(now() + timedelta(days=3)):
        assert reconcile() == (0, ["agmt-1: AWS does not know it", "1 change."])
        assert reconcile() == (0, ["No changes."])


def test_other_products_are_ignored(aws, reconcile, ingest_events):
    ingest_events(event("License Updated", "l-9", "agmt-9", product="another"))
    ingest_events(event("Purchase Agreement Created", "", "agmt-9", product="another", status="ACTIVE"))
    aws.agreements["agmt-9"] = {"agreementId": "agmt-9", "status": "EXPIRED"}
    assert reconcile() == (0, ["No changes."])


def test_end_of_an_agreement_without_a_licence_is_reported(aws, reconcile, ingest_events):
    # Events of agreements do not name their product.
    ingest_events(event("Purchase Agreement Created", "", "agmt-8", product="", status="ACTIVE"))
    aws.agreements["agmt-8"] = {"agreementId": "agmt-8", "status": "EXPIRED"}
    assert reconcile() == (0, ["agmt-8: ACTIVE → EXPIRED", "1 change."])


def test_unavailable_aws_is_reported(aws, reconcile, ingest_events):
    ingest_events(event("License Updated", "l-1", "agmt-1"))
    aws.errors["SearchAgreements"] = "InternalServerException"
    code, [line] = reconcile()
    assert code == 1
    assert "AWS answered InternalServerException. Run the command again afterwards" in line


@pytest.mark.parametrize("error", ["ValidationException", "AccessDeniedException"])
def test_refused_agreement_does_not_stop_the_others(aws, reconcile, ingest_events, error):
    ingest_events(*(event("License Updated", f"l-{number}", f"agmt-{number}") for number in (1, 2, 3)))
    aws.refused_agreements = {"agmt-1": error, "agmt-2": error}
    code, lines = reconcile()
    assert code == 1
    assert lines[0] == "agmt-3: AWS does not know it"
    assert f"AWS answered {error} about agmt-1, and refused 1 more. Run the command again" in lines[1]


def test_event_during_the_search_is_newer_than_its_result(
    app, aws, reconcile, active_purchase, ingest_events
):
    aws.agreements["agmt-1"] = {"agreementId": "agmt-1", "status": "ACTIVE"}
    aws.agreements["agmt-2"] = {"agreementId": "agmt-2", "status": "ACTIVE"}
    with time_machine.travel(now()) as clock:

        def cancel(_operation):
            if len(aws.requests) == 2:
                clock.shift(timedelta(minutes=1))
                ingest_events(event("Purchase Agreement Ended", "", "agmt-1", status="CANCELLED"))
                clock.shift(timedelta(minutes=1))

        aws.on_request = cancel
        assert reconcile()[0] == 0
        assert aws.requests == ["SearchAgreements"] * 2
    with app.app_context():
        assert db.session.get_one(Agreement, "agmt-1").status == "CANCELLED"


@pytest.mark.slow
def test_throttled_search_is_repeated(aws, reconcile, active_purchase):
    aws.agreements["agmt-1"] = {"agreementId": "agmt-1", "status": "TERMINATED"}
    aws.throttled_requests = 3
    assert reconcile() == (0, ["agmt-1: unknown → TERMINATED, which ends its licence", "1 change."])


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"{}",
        b'{"agreementViewSummaries": [{"status": "ACTIVE"}]}',
        b'{"agreementViewSummaries": [{"agreementId": "agmt-1\\u0000"}]}',
        b'{"agreementViewSummaries": [{"agreementId": "agmt-1", "startTime": "yesterday"}]}',
        b'{"agreementViewSummaries": [{"agreementId": "agmt-1", "endTime": 1e300}]}',
    ],
)
def test_response_of_another_server_is_reported(aws, reconcile, active_purchase, body):
    aws.another_server = ("application/json", body)
    code, [line] = reconcile()
    assert code == 1
    assert "not one of the Agreement API. Check REFLOW_AWS_AGREEMENT_ENDPOINT. Run the command again" in line


def test_malformed_values_from_aws_are_ignored(app, aws, reconcile, active_purchase):
    aws.agreements["agmt-1"] = {"agreementId": "agmt-1", "status": "X" * 31, "initialAgreementId": "x" * 65}
    assert reconcile()[0] == 0
    with app.app_context():
        assert find_licence("l-1").state == LicenceState.ACTIVE


def test_missing_credentials_are_reported(aws, reconcile, ingest_events, monkeypatch):
    ingest_events(event("License Updated", "l-1", "agmt-1"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    # boto3 caches credentials.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    code, [line] = reconcile()
    assert code == 1
    assert "AWS credentials are missing: give the machine a role, or set AWS_ACCESS_KEY_ID" in line


def test_unavailable_database_is_reported(aws, another):
    app = another(aws=aws.settings, database_url="postgresql://nobody:nothing@127.0.0.1:1/none")
    with app.app_context():
        result = app.test_cli_runner().invoke(args=["marketplace-reconcile"])
    assert result.exit_code == 1
    assert "the database cannot be opened (connection failed: " in result.output
