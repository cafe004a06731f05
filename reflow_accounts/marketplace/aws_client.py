"""AWS itself, and nothing of ours: the one module that speaks through boto3, which is imported when it is needed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from reflow_accounts.aws_settings import REGION, AwsSettings
from reflow_accounts.marketplace.parsing import licence_key_of, word

# Everything of AWS Marketplace is in one region. A poll waits longer than any other question.
CONNECT_SECONDS, READ_SECONDS, TRIES = 2, 5, 2
POLL_SECONDS = 20
MESSAGES_AT_ONCE = 10


class AwsAway(Exception):
    """AWS cannot be asked now; the sentence holds its code and nothing that was sent."""


class TokenInvalid(Exception):
    """The registration token is none of AWS's, or is for another seller."""


class TokenExpired(Exception):
    """The registration token is too old; a new one comes with each press of the button in AWS."""


class Disabled(Exception):
    """AWS refuses this seller's account the call: an operator must see to it."""


@dataclass(frozen=True)
class Customer:
    """Who bought what, as ResolveCustomer says."""

    product_code: str
    aws_account: str
    licence_key: str
    agreement_id: str | None


@dataclass(frozen=True)
class Message:
    """A message of the queue; `receipt` is what it is deleted by."""

    id: str
    body: str
    receipt: str


@dataclass(frozen=True)
class AgreementFacts:
    """An agreement as the Agreement API describes it."""

    agreement_id: str
    initial_id: str | None
    status: str
    starts_at: datetime | None
    ends_at: datetime | None


def resolve_customer(settings: AwsSettings, token: str) -> Customer:
    """Return who a registration token stands for; the same token does so again until it expires.

    Raises TokenInvalid, TokenExpired, Disabled, or AwsAway.
    https://docs.aws.amazon.com/marketplacemetering/latest/APIReference/API_ResolveCustomer.html
    """
    refusals: dict[str, type[Exception]] = {
        "InvalidTokenException": TokenInvalid,
        "ResourceNotFoundException": TokenInvalid,
        "ExpiredTokenException": TokenExpired,
        "DisabledApiException": Disabled,
    }
    with _asking(refusals):
        client = _client("meteringmarketplace", settings.metering_endpoint)
        found = client.resolve_customer(RegistrationToken=token)
    product_code, key = word(found.get("ProductCode")), licence_key_of(found.get("LicenseArn"))
    if product_code is None or key is None:
        raise TokenInvalid("AWS's answer names no product or no licence.")
    agreement_id = word((found.get("Metadata") or {}).get("AgreementId"))
    return Customer(product_code, word(found.get("CustomerAWSAccountId"), 12) or "", key, agreement_id)


class Queue:
    """The queue that AWS Marketplace's events come in by."""

    def __init__(self, settings: AwsSettings) -> None:
        self._url = settings.queue_url
        with _asking():
            self._client = _client("sqs", settings.sqs_endpoint, read_seconds=POLL_SECONDS + READ_SECONDS)

    def receive(self) -> list[Message]:
        """Wait up to 20 seconds for messages. Raises AwsAway."""
        with _asking():
            answer = self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=MESSAGES_AT_ONCE, WaitTimeSeconds=POLL_SECONDS
            )
        return [
            Message(found["MessageId"], found["Body"], found["ReceiptHandle"])
            for found in answer.get("Messages", ())
        ]

    def delete(self, message: Message) -> None:
        """Take a message out of the queue for good. Raises AwsAway."""
        with _asking():
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)


def describe_agreement(settings: AwsSettings, agreement_id: str) -> AgreementFacts | None:
    """Return an agreement; None when AWS does not know it. Raises AwsAway."""
    try:
        with _asking({"ResourceNotFoundException": _NotFound}):
            client = _client("marketplace-agreement", settings.agreement_endpoint)
            return _facts(client.describe_agreement(agreementId=agreement_id))
    except _NotFound:
        return None


def search_agreements(settings: AwsSettings) -> Iterator[AgreementFacts]:
    """Yield every purchase agreement that this seller's account proposed. Raises AwsAway."""
    filters = [
        {"name": "PartyType", "values": ["Proposer"]},
        {"name": "AgreementType", "values": ["PurchaseAgreement"]},
    ]
    more: dict[str, str] = {}
    while True:
        with _asking():
            client = _client("marketplace-agreement", settings.agreement_endpoint)
            answer = client.search_agreements(catalog="AWSMarketplace", filters=filters, **more)
        yield from map(_facts, answer.get("agreementViewSummaries", ()))
        if not answer.get("nextToken"):
            return
        more = {"nextToken": answer["nextToken"]}


class _NotFound(Exception):
    pass


def _facts(found: Mapping[str, Any]) -> AgreementFacts:
    return AgreementFacts(
        found["agreementId"],
        found.get("initialAgreementId"),
        str(found.get("status", "")),
        found.get("startTime"),
        found.get("endTime"),
    )


def _client(service: str, endpoint: str, *, read_seconds: int = READ_SECONDS) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": TRIES},
    )
    return boto3.client(service, region_name=REGION, endpoint_url=endpoint or None, config=config)


@contextmanager
def _asking(refusals: Mapping[str, type[Exception]] = MappingProxyType({})) -> Iterator[None]:
    """Turn what boto3 raises into what we say: `refusals` by AWS's codes, and AwsAway for all else.

    Its own texts may repeat what was sent: they go no further.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in refusals:
            raise refusals[code] from None
        raise AwsAway(f"AWS answered {code[:80] or 'with an error'}.") from None
    except (BotoCoreError, ResponseParserError) as error:
        raise AwsAway(f"AWS cannot be reached ({type(error).__name__}).") from None
