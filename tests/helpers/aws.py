"""A fake AWS on loopback: ResolveCustomer, SQS and the Agreement API, with errors and delays."""

import json
import threading
import time
from collections.abc import Iterator
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
    # The content type and the body that another server at this address answers every request with.
    another_server: tuple[str, bytes] | None = None
    # The receives after which a message becomes a dead letter.
    most_receives: int = 3
    asked: list[str] = field(default_factory=list)
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
        found: dict[str, Any] = {
            "ProductCode": product,
            "CustomerAWSAccountId": account,
            "CustomerIdentifier": "",
            "LicenseArn": f"arn:aws:license-manager::{account}:license:{licence}",
        }
        if agreement:
            found["Metadata"] = {"AgreementId": agreement}
        self.customers[token] = found
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
def serving() -> Iterator[Aws]:
    """Run a fake AWS on a free port."""
    aws = Aws()

    class Handler(_Handler):
        world = aws

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    aws.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield aws
    server.shutdown()
    server.server_close()
    thread.join()


class _Handler(BaseHTTPRequestHandler):
    world: Aws
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_cbor = "/operation/" in self.path
        name = self.path.rpartition("/")[2] if is_cbor else self.headers["X-Amz-Target"].rpartition(".")[2]
        self.world.asked.append(name)
        if self.world.another_server:
            self._send(200, *self.world.another_server)
            return
        asked = (cbor.decode(body) if is_cbor else json.loads(body)) if body else {}
        error = self.world.errors.get(name)
        status, found = (
            (400, {"__type": error, "message": f"no: {asked}"})
            if error
            else _ANSWERS[name](self.world, asked)
        )
        kind = "application/cbor" if is_cbor else "application/x-amz-json-1.1"
        self._send(status, kind, cbor.encode(found) if is_cbor else json.dumps(found).encode())

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


def _resolve(world: Aws, asked: dict[str, Any]) -> Answer:
    found = world.customers.get(asked["RegistrationToken"])
    return (200, found) if found else (400, {"__type": "InvalidTokenException", "message": str(asked)})


def _receive(world: Aws, asked: dict[str, Any]) -> Answer:
    deadline = time.monotonic() + min(asked.get("WaitTimeSeconds", 0), world.longest_poll)
    while True:
        with world.lock:
            world.dead += [
                one for one in world.queue if one.receives >= world.most_receives and _is_visible(one)
            ]
            world.queue = [one for one in world.queue if one not in world.dead]
            found = [one for one in world.queue if _is_visible(one)][: asked.get("MaxNumberOfMessages", 1)]
            for one in found:
                one.visible_at, one.receives = time.monotonic() + world.hidden, one.receives + 1
        if found or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    messages = [{"MessageId": one.id, "ReceiptHandle": f"r-{one.id}", "Body": one.body} for one in found]
    return 200, {"Messages": messages} if messages else {}


def _is_visible(one: Queued) -> bool:
    return one.visible_at <= time.monotonic()


def _delete(world: Aws, asked: dict[str, Any]) -> Answer:
    with world.lock:
        world.queue = [one for one in world.queue if f"r-{one.id}" != asked["ReceiptHandle"]]
    return 200, {}


def _describe(world: Aws, asked: dict[str, Any]) -> Answer:
    found = world.agreements.get(asked["agreementId"])
    return (200, found) if found else (400, {"__type": "ResourceNotFoundException", "message": "none"})


def _search(world: Aws, asked: dict[str, Any]) -> Answer:
    """Return one agreement per page, so that clients must paginate."""
    names, place = sorted(world.agreements), int(asked.get("nextToken", 0))
    found: dict[str, Any] = {
        "agreementViewSummaries": [world.agreements[name] for name in names[place : place + 1]]
    }
    if place + 1 < len(names):
        found["nextToken"] = str(place + 1)
    return 200, found


_ANSWERS = {
    "ResolveCustomer": _resolve,
    "ReceiveMessage": _receive,
    "DeleteMessage": _delete,
    "DescribeAgreement": _describe,
    "SearchAgreements": _search,
}
