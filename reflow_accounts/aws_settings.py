"""Settings of AWS Marketplace, all optional."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from reflow_accounts import environment

REGION = "us-east-1"
_CODE = re.compile(r"[0-9A-Za-z-]{1,64}")
_NOT_SET = "(not set)"


@dataclass(frozen=True)
class AwsSettings:
    """Product code, queue, listing and endpoints.

    boto3 finds the credentials (a role, or AWS_… variables). Empty endpoints mean AWS in us-east-1, the only region
    of AWS Marketplace.
    """

    product_code: str = ""
    queue_url: str = ""
    listing_url: str = ""
    metering_endpoint: str = ""
    sqs_endpoint: str = ""
    agreement_endpoint: str = ""

    @property
    def takes_registrations(self) -> bool:
        return bool(self.product_code)

    @property
    def takes_events(self) -> bool:
        return bool(self.product_code and self.queue_url)

    def display_values(self) -> dict[str, str]:
        """Return the effective values by variable name, with the effect of missing ones."""
        return {
            "REFLOW_AWS_PRODUCT_CODE": self.product_code
            or f"{_NOT_SET}: nobody can register from AWS Marketplace",
            "REFLOW_AWS_QUEUE_URL": self.queue_url or f"{_NOT_SET}: marketplace-worker has nothing to read",
            "REFLOW_AWS_LISTING_URL": self.listing_url or f"{_NOT_SET}: pages do not link to the listing",
            "REFLOW_AWS_METERING_ENDPOINT": self.metering_endpoint or "(AWS itself)",
            "REFLOW_AWS_SQS_ENDPOINT": self.sqs_endpoint or "(AWS itself)",
            "REFLOW_AWS_AGREEMENT_ENDPOINT": self.agreement_endpoint or "(AWS itself)",
        }


def load(environ: Mapping[str, str]) -> AwsSettings:
    """Read and validate the settings. Raises ConfigError for the first malformed one."""
    code = environ.get("REFLOW_AWS_PRODUCT_CODE", "")
    if code and not _CODE.fullmatch(code):
        raise environment.ConfigError(
            "REFLOW_AWS_PRODUCT_CODE must be the product code that AWS Marketplace shows."
        )
    return AwsSettings(
        product_code=code,
        queue_url=_address(environ, "REFLOW_AWS_QUEUE_URL"),
        listing_url=_address(environ, "REFLOW_AWS_LISTING_URL"),
        metering_endpoint=_address(environ, "REFLOW_AWS_METERING_ENDPOINT"),
        sqs_endpoint=_address(environ, "REFLOW_AWS_SQS_ENDPOINT"),
        agreement_endpoint=_address(environ, "REFLOW_AWS_AGREEMENT_ENDPOINT"),
    )


def _address(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    parts = environment.split(value, ("http", "https"))
    if value and (not parts or "@" in parts.netloc or environment.is_exposed(value)):
        raise environment.ConfigError(
            f"{name} must be an address that begins with https://; http:// is accepted for localhost only."
        )
    return value
