"""Calls to AWS through boto3, which is imported on the first call."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from reflow_accounts.aws_settings import REGION, AwsSettings
from reflow_accounts.marketplace.models import LONGEST_STATUS
from reflow_accounts.marketplace.parsing import ascii_text, licence_key_of

# Timeouts and attempts; a long poll of the queue waits longer.
CONNECT_SECONDS, READ_SECONDS, TRIES = 2, 5, 2
# No request of a person waits for the Agreement API, and AWS throttles questions about many agreements.
AGREEMENT_TRIES = 5
POLL_SECONDS = 20
MESSAGES_AT_ONCE = 10
# SQS waits for POLL_SECONDS when it has no messages; another server answers at once.
SHORTEST_EMPTY_POLL = 1.0
_NO_CREDENTIALS = (
    "AWS credentials are missing: give the machine a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
    "beside the REFLOW_ settings."
)
_NOT_SQS = "The answer is not one of SQS. Check REFLOW_AWS_SQS_ENDPOINT and REFLOW_AWS_QUEUE_URL."
_NOT_AGREEMENTS = "The answer is not one of the Agreement API. Check REFLOW_AWS_AGREEMENT_ENDPOINT."
_NOT_METERING = "The answer is not one of the Metering API. Check REFLOW_AWS_METERING_ENDPOINT."


class AwsAway(Exception):
    """AWS is unavailable. The message contains the error code but no part of the request."""


class AgreementRefused(Exception):
    """AWS refuses to describe an agreement, but may describe others. The text is the error code."""


class TokenInvalid(Exception):
    """The registration token is invalid or belongs to another seller."""


class TokenExpired(Exception):
    """The registration token has expired; AWS creates a new one for each click on its button."""


class Disabled(Exception):
    """The API is disabled for the seller account: an operator must enable it."""


@dataclass(frozen=True)
class Customer:
    """Result of ResolveCustomer: buyer, product and licence."""

    product_code: str
    aws_account: str
    licence_key: str
    agreement_id: str | None


@dataclass(frozen=True)
class Message:
    """A message of the queue; `receipt` deletes it."""

    id: str
    body: str
    receipt: str


@dataclass(frozen=True)
class AgreementFacts:
    """An agreement as returned by the Agreement API.

    Only SearchAgreements returns `licence_keys`, DescribeAgreement does not.
    https://docs.aws.amazon.com/marketplace/latest/APIReference/API_marketplace-agreements_SearchAgreements.html
    """

    agreement_id: str
    initial_id: str | None
    status: str
    starts_at: datetime | None
    ends_at: datetime | None
    aws_account: str = ""
    licence_keys: tuple[str, ...] = ()


def resolve_customer(settings: AwsSettings, token: str) -> Customer:
    """Return the buyer for a registration token. A token can be resolved repeatedly until it expires.

    Raises TokenInvalid, TokenExpired, Disabled, or AwsAway.
    https://docs.aws.amazon.com/marketplacemetering/latest/APIReference/API_ResolveCustomer.html
    """
    refusals: dict[str, type[Exception]] = {
        "InvalidTokenException": TokenInvalid,
        "ResourceNotFoundException": TokenInvalid,
        "ExpiredTokenException": TokenExpired,
        "DisabledApiException": Disabled,
    }
    with _translate_errors(refusals, another_server=_NOT_METERING):
        client = _client("meteringmarketplace", settings.metering_endpoint)
        response = client.resolve_customer(RegistrationToken=token)
        product_code, key = (
            ascii_text(response.get("ProductCode")),
            licence_key_of(response.get("LicenseArn")),
        )
        agreement_id = ascii_text((response.get("Metadata") or {}).get("AgreementId"))
    if product_code is None or key is None:
        raise TokenInvalid("The response of AWS has no product or no licence.")
    return Customer(
        product_code, ascii_text(response.get("CustomerAWSAccountId"), 12) or "", key, agreement_id
    )


class Queue:
    """The SQS queue of AWS Marketplace events."""

    def __init__(self, settings: AwsSettings) -> None:
        self._url = settings.queue_url
        with _translate_errors(another_server=_NOT_SQS):
            self._client = _client("sqs", settings.sqs_endpoint, read_seconds=POLL_SECONDS + READ_SECONDS)

    def receive(self) -> list[Message]:
        """Wait up to 20 seconds for messages. Raises AwsAway, also when another server answers."""
        started_at = time.monotonic()
        with _translate_errors(another_server=_NOT_SQS):
            response = self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=MESSAGES_AT_ONCE, WaitTimeSeconds=POLL_SECONDS
            )
            messages = [
                Message(message["MessageId"], message["Body"], message["ReceiptHandle"])
                for message in response.get("Messages", ())
            ]
        if not messages and time.monotonic() - started_at < SHORTEST_EMPTY_POLL:
            raise AwsAway(_NOT_SQS)
        return messages

    def delete(self, message: Message) -> None:
        """Delete a message from the queue. Raises AwsAway."""
        with _translate_errors(another_server=_NOT_SQS):
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)


def describe_agreement(settings: AwsSettings, agreement_id: str) -> AgreementFacts | None:
    """Return an agreement, or None when AWS does not know it. Raises AgreementRefused, or AwsAway."""
    refusals: dict[str, type[Exception]] = {
        "ResourceNotFoundException": _NotFound,
        "ValidationException": AgreementRefused,
        "AccessDeniedException": AgreementRefused,
    }
    try:
        with _translate_errors(refusals, another_server=_NOT_AGREEMENTS):
            client = _client("marketplace-agreement", settings.agreement_endpoint, tries=AGREEMENT_TRIES)
            return _facts(client.describe_agreement(agreementId=agreement_id))
    except _NotFound:
        return None


def search_agreements(settings: AwsSettings) -> Iterator[AgreementFacts]:
    """Yield all purchase agreements proposed by the seller account. Raises AwsAway."""
    filters = [
        {"name": "PartyType", "values": ["Proposer"]},
        {"name": "AgreementType", "values": ["PurchaseAgreement"]},
    ]
    more: dict[str, str] = {}
    with _translate_errors(another_server=_NOT_AGREEMENTS):
        client = _client("marketplace-agreement", settings.agreement_endpoint, tries=AGREEMENT_TRIES)
    while True:
        with _translate_errors(another_server=_NOT_AGREEMENTS):
            response = client.search_agreements(catalog="AWSMarketplace", filters=filters, **more)
            page = [_facts(summary) for summary in response.get("agreementViewSummaries", ())]
        yield from page
        if not response.get("nextToken"):
            return
        more = {"nextToken": response["nextToken"]}


class _NotFound(Exception):
    pass


def _facts(agreement: Mapping[str, Any]) -> AgreementFacts:
    agreement_id = ascii_text(agreement["agreementId"])
    if agreement_id is None:
        raise ValueError("the id is not one of AWS")
    arns = [entitlement.get("licenseArn") for entitlement in agreement.get("entitlements") or ()]
    return AgreementFacts(
        agreement_id,
        ascii_text(agreement.get("initialAgreementId")),
        ascii_text(agreement.get("status"), LONGEST_STATUS) or "",
        agreement.get("startTime"),
        agreement.get("endTime"),
        ascii_text((agreement.get("acceptor") or {}).get("accountId"), 12) or "",
        tuple(sorted(filter(None, map(licence_key_of, arns)))),
    )


def _client(service: str, endpoint: str, *, read_seconds: int = READ_SECONDS, tries: int = TRIES) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": tries},
    )
    return boto3.client(service, region_name=REGION, endpoint_url=endpoint or None, config=config)


@contextmanager
def _translate_errors(
    refusals: Mapping[str, type[Exception]] = MappingProxyType({}), *, another_server: str
) -> Iterator[None]:
    """Translate boto3 errors: AWS error codes in `refusals` to their exceptions, all others to AwsAway.

    `another_server` is the message about JSON of another form, for which boto3 raises errors of Python. The texts of
    boto3 errors are dropped, because they may repeat the request.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in refusals:
            raise refusals[code](code) from None
        raise AwsAway(f"AWS answered {code[:80] or 'with an error'}.") from None
    except (NoCredentialsError, PartialCredentialsError):
        raise AwsAway(_NO_CREDENTIALS) from None
    except (BotoCoreError, ResponseParserError) as error:
        raise AwsAway(f"AWS cannot be reached ({type(error).__name__}).") from None
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError, RuntimeError):
        raise AwsAway(another_server) from None
