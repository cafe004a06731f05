"""A fake AWS on loopback: ResolveCustomer, SQS and the Agreement API, with errors and delays."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from reflow_accounts.aws_settings import AwsSettings
from tests.helpers import cbor

PRODUCT = "reflow-product"
ACCOUNT = "123456789012"
_numbers = count(1)


@dataclass
class Queued:
    """A message in the queue, and the time from which it is visible."""

    id: str
    body: str
    visible_at: float = 0.0
    receives: int = 0


@dataclass
class Aws:
    """The data of the fake AWS, which tests fill."""

    url: str = ""
    customers: dict[str, dict[str, Any]] = field(default_factory=dict)
    queue: list[Queued] = field(default_factory=list)
    agreements: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Seconds for which a received message stays hidden, and an empty poll waits.
    hidden: float = 30.0
    longest_poll: float = 1.1
    # Errors to answer with, by name of the operation.
    errors: dict[str, str] = field(default_factory=dict)
    # Errors of DescribeAgreement, by agreement, and the number of requests that are still to be throttled.
    refused_agreements: dict[str, str] = field(default_factory=dict)
    throttled_requests: int = 0
    # Called with the name of each operation, before it is answered.
    on_request: Callable[[str], None] = lambda _: None
    # The content type and the body that another server at this address answers every request with.
    another_server: tuple[str, bytes] | None = None
    # The receives after which a message becomes a dead letter.
    most_receives: int = 3
    requests: list[str] = field(default_factory=list)
    dead: list[Queued] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def settings(self) -> AwsSettings:
        return AwsSettings(
            PRODUCT, f"{self.url}/queue", "https://aws.example/listing", self.url, self.url, self.url
        )

    @property
    def environ(self) -> dict[str, str]:
        """Environment variables that point a process to this AWS."""
        return {
            "REFLOW_AWS_PRODUCT_CODE": PRODUCT,
            "REFLOW_AWS_QUEUE_URL": f"{self.url}/queue",
            "REFLOW_AWS_LISTING_URL": "https://aws.example/listing",
            "REFLOW_AWS_METERING_ENDPOINT": self.url,
            "REFLOW_AWS_SQS_ENDPOINT": self.url,
            "REFLOW_AWS_AGREEMENT_ENDPOINT": self.url,
        } | CREDENTIALS

    def sell(
        self,
        licence: str,
        agreement: str = "",
        *,
        token: str = "",
        product: str = PRODUCT,
        account: str = ACCOUNT,
    ) -> str:
        """Add a purchase and return its registration token."""
        token = token or f"token-{next(_numbers)}+/="
        result: dict[str, Any] = {
            "ProductCode": product,
            "CustomerAWSAccountId": account,
            "CustomerIdentifier": "",
            "LicenseArn": f"arn:aws:license-manager::{account}:license:{licence}",
        }
        if agreement:
            result["Metadata"] = {"AgreementId": agreement}
        self.customers[token] = result
        return token

    def send(self, *bodies: str) -> None:
        """Put messages into the queue."""
        with self.lock:
            self.queue += [Queued(f"m-{next(_numbers)}", body) for body in bodies]


# The AWS SDK must not look for others, for example at the metadata service.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",  # pragma: allowlist secret
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


def event(
    detail_type: str,
    licence: str = "",
    agreement: str = "",
    *,
    at: datetime | None = None,
    event_id: str = "",
    product: str = PRODUCT,
    account: str = ACCOUNT,
    **said: Any,
) -> str:
    """Return an event as EventBridge puts it into the queue; `said` are further fields of its agreement."""
    detail: dict[str, Any] = {"product": {"id": "prod-1", "code": product}}
    if agreement:
        detail["agreement"] = {"id": agreement, **said}
    if licence:
        detail["license"] = {"arn": f"aws:license-manager::{account}:license:{licence}"}
        detail["acceptor"] = {"accountId": account}
    moment = at or datetime.now(UTC)
    return json.dumps(
        {
            "version": "0",
            "id": event_id or f"event-{next(_numbers)}",
            "source": "aws.agreement-marketplace",
            "detail-type": f"{detail_type} - Proposer",
            "time": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "account": account,
            "region": "us-east-1",
            "detail": detail,
        }
    )


@contextmanager
def running_aws() -> Iterator[Aws]:
    """Run a fake AWS on a free port."""
    aws = Aws()

    class Handler(_Handler):
        fake_aws = aws

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    aws.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield aws
    server.shutdown()
    server.server_close()
    thread.join()


class _Handler(BaseHTTPRequestHandler):
    fake_aws: Aws
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_cbor = "/operation/" in self.path
        name = self.path.rpartition("/")[2] if is_cbor else self.headers["X-Amz-Target"].rpartition(".")[2]
        self.fake_aws.requests.append(name)
        self.fake_aws.on_request(name)
        if self.fake_aws.another_server:
            self._send(200, *self.fake_aws.another_server)
            return
        payload = (cbor.decode(body) if is_cbor else json.loads(body)) if body else {}
        error = self.fake_aws.errors.get(name)
        if self.fake_aws.throttled_requests:
            self.fake_aws.throttled_requests -= 1
            error = "ThrottlingException"
        status, result = (
            (400, {"__type": error, "message": f"no: {payload}"})
            if error
            else _ANSWERS[name](self.fake_aws, payload)
        )
        kind = "application/cbor" if is_cbor else "application/x-amz-json-1.1"
        self._send(status, kind, cbor.encode(result) if is_cbor else json.dumps(result).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if kind == "application/cbor":
            self.send_header("smithy-protocol", "rpc-v2-cbor")
        self.send_header("Content-Length", str(len(body)))
        try:
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            # The client was stopped during its poll; a traceback would appear in the output of another test.
            self.close_connection = True


Answer = tuple[int, dict[str, Any]]


def _resolve(fake_aws: Aws, payload: dict[str, Any]) -> Answer:
    result = fake_aws.customers.get(payload["RegistrationToken"])
    return (200, result) if result else (400, {"__type": "InvalidTokenException", "message": str(payload)})


def _receive(fake_aws: Aws, payload: dict[str, Any]) -> Answer:
    deadline = time.monotonic() + min(payload.get("WaitTimeSeconds", 0), fake_aws.longest_poll)
    while True:
        with fake_aws.lock:
            fake_aws.dead += [
                item
                for item in fake_aws.queue
                if item.receives >= fake_aws.most_receives and _is_visible(item)
            ]
            fake_aws.queue = [item for item in fake_aws.queue if item not in fake_aws.dead]
            result = [item for item in fake_aws.queue if _is_visible(item)][
                : payload.get("MaxNumberOfMessages", 1)
            ]
            for item in result:
                item.visible_at, item.receives = time.monotonic() + fake_aws.hidden, item.receives + 1
        if result or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    messages = [{"MessageId": item.id, "ReceiptHandle": f"r-{item.id}", "Body": item.body} for item in result]
    return 200, {"Messages": messages} if messages else {}


def _is_visible(item: Queued) -> bool:
    return item.visible_at <= time.monotonic()


def _delete(fake_aws: Aws, payload: dict[str, Any]) -> Answer:
    with fake_aws.lock:
        fake_aws.queue = [item for item in fake_aws.queue if f"r-{item.id}" != payload["ReceiptHandle"]]
    return 200, {}


def _describe(fake_aws: Aws, payload: dict[str, Any]) -> Answer:
    if error := fake_aws.refused_agreements.get(payload["agreementId"]):
        return 400, {"__type": error, "message": "refused"}
    result = fake_aws.agreements.get(payload["agreementId"])
    return (200, result) if result else (400, {"__type": "ResourceNotFoundException", "message": "none"})


def _search(fake_aws: Aws, payload: dict[str, Any]) -> Answer:
    """Return one agreement per page, so that clients must paginate."""
    names, position = sorted(fake_aws.agreements), int(payload.get("nextToken", 0))
    result: dict[str, Any] = {
        "agreementViewSummaries": [fake_aws.agreements[name] for name in names[position : position + 1]]
    }
    if position + 1 < len(names):
        result["nextToken"] = str(position + 1)
    return 200, result


_ANSWERS = {
    "ResolveCustomer": _resolve,
    "ReceiveMessage": _receive,
    "DeleteMessage": _delete,
    "DescribeAgreement": _describe,
    "SearchAgreements": _search,
}
