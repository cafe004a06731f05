"""A subscription from purchase to its end: connected, active, ended, extended by support."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from reflow_accounts.database import now
from tests.helpers.aws import Aws, event, running_aws
from tests.helpers.axe import expect_accessible
from tests.helpers.live_server import ROOT, LiveServer
from tests.helpers.mailbox import Mailbox
from tests.helpers.waiting import wait_until
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import create_key, download_key, log_in, reflow

pytestmark = pytest.mark.postgresql_later

SECONDS = 30
# Code for every process of the server that moves its clock forward.
_LATER = """
import os
from datetime import datetime, timedelta
import time_machine
time_machine.travel(datetime.now().astimezone() + timedelta(seconds=int(os.environ["SECONDS_LATER"]))).start()
"""

TEAM = "Bea Buyer's team"


@pytest.fixture
def aws() -> Iterator[Aws]:
    with running_aws() as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, aws: Aws, tmp_path: Path) -> Iterator[LiveServer]:
    """A separate server, configured with the fake AWS."""
    address = (
        request.getfixturevalue("postgres").make_database("market") if request.param == "postgresql" else ""
    )
    started = LiveServer(tmp_path, address, **aws.environ)
    started.start()
    yield started
    started.kill()


@pytest.fixture
def worker(server: LiveServer) -> Iterator[subprocess.Popen[bytes]]:
    """The worker process that ingests the events."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REFLOW_")}
    with (server.log.parent / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "marketplace-worker"],
            cwd=ROOT,
            env=inherited | server.environ,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def arrive_from_aws(page: Page, server: LiveServer, token: str) -> None:
    """Submit the cross-origin form with which the site of AWS sends a buyer."""
    page.goto("about:blank")
    fields = f'<input name="x-amzn-marketplace-token" value="{token}">'
    action = f"{server.url}/marketplace/aws"
    page.set_content(
        f'<form method="post" action="{action}">{fields}<button>Set up your account</button></form>'
    )
    page.get_by_role("button", name="Set up your account").click()


def sign_up(page: Page, mailbox: Mailbox) -> None:
    expect(page.get_by_text("Finish creating your account to connect your AWS Marketplace")).to_be_visible()
    page.get_by_role("textbox", name="Full name").fill("Bea Buyer")
    page.get_by_role("textbox", name="Work email").fill("bea@buyer.example")
    page.get_by_role("textbox", name="Password").fill("a kettle on the moon")
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("heading", name="Check your email").wait_for()
    links: list[str] = []
    wait_until(lambda: links.extend(map(mailbox.link_in, mailbox.deliver())) or links)
    page.goto(links[0])
    page.get_by_role("button", name="Confirm email").click()


def ingest_events(aws: Aws, *bodies: str) -> None:
    aws.send(*bodies)
    wait_until(lambda: not aws.queue)


def set_override(page: Page, team: str, until_day: datetime) -> None:
    """As support, activate a subscription until a day."""
    page.goto("/support?q=Bea")
    page.get_by_role("button", name=f"Activate subscription for {team}").click()
    page.get_by_role("textbox", name="Reason").fill("Renewal is on its way")
    page.get_by_label("Until").fill(f"{until_day:%Y-%m-%d}")
    expect_accessible(page, "the dialog that activates")
    page.get_by_role("button", name="Activate", exact=True).click()
    expect(page.get_by_role("button", name=f"Deactivate subscription for {team}")).to_be_focused()


@pytest.mark.slow
def test_purchase_activates_keys_and_support_extends_them(
    open_page: OpenPage,
    aws: Aws,
    server: LiveServer,
    worker: subprocess.Popen[bytes],
    tmp_path: Path,
) -> None:
    mailbox, token = Mailbox(server.app), aws.sell("l-1", "agmt-1")
    page = open_page(server)
    arrive_from_aws(page, server, token)
    sign_up(page, mailbox)
    page.get_by_role("heading", name="Connect your AWS Marketplace subscription").wait_for()
    expect_accessible(page, "a purchase to connect")
    page.get_by_role("button", name="Connect subscription").click()
    expect(page.get_by_text("Being set up")).to_be_visible()
    expect_accessible(page, "being set up")

    ingest_events(aws, event("License Updated", "l-1", "agmt-1"))
    page.reload()
    expect(page.get_by_text("Your team can create and use API keys.")).to_be_visible()
    page.get_by_role("link", name="API Keys", exact=True).first.click()
    create_key(page, "nightly")
    file = download_key(page, tmp_path)

    def exit_code() -> int:
        return reflow(server.url, tmp_path, "-k", str(file), "whoami").returncode

    assert exit_code() == 0
    ingest_events(aws, event("Purchase Agreement Ended", "", "agmt-1", status="CANCELLED"))
    # The final hour of a cancelled agreement.
    assert exit_code() == 0
    page.goto("/account/subscription")
    expect(page.get_by_text("Keys work until")).to_be_visible()
    ingest_events(aws, event("License Deprovisioned", "l-1", "agmt-1"))
    assert exit_code() == 5
    page.reload()
    expect(page.get_by_text("Your AWS Marketplace subscription is inactive")).to_be_visible()

    staff = open_page(server)
    log_in(staff, "sam@support.example")
    set_override(staff, TEAM, now() + timedelta(days=1))
    assert exit_code() == 0
    page.reload()
    expect(page.get_by_text("Kept active by support")).to_be_visible()
    expect_accessible(page, "kept active by support")
    staff.get_by_role("link", name=TEAM).click()
    expect(staff.get_by_text("Support and AWS Marketplace disagree")).to_be_visible()
    expect_accessible(staff, "a team with an override")

    server.kill()
    (tmp_path / "sitecustomize.py").write_text(_LATER)
    later = {"PYTHONPATH": str(tmp_path), "SECONDS_LATER": str(24 * 3600)}
    server.environ |= later
    server.start()
    assert exit_code() == 5
    wait_until(lambda: _count(mailbox_of(server), "inactive") == 2)
    assert _count(mailbox_of(server), "active") == 2


def mailbox_of(server: LiveServer) -> list[str]:
    """Return the subjects of all mail about the subscription."""
    folder = server.settings.instance / "outbox"
    links = [re.search(r"^Subject: (.*)$", file.read_text(), re.MULTILINE) for file in folder.glob("*.eml")]
    return [match.group(1) for match in links if match]


def _count(subjects: list[str], state: str) -> int:
    return subjects.count(f"The subscription of {TEAM} is {state}")
