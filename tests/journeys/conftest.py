"""A browser whose pages report script errors and violations of the content security policy."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests import factories
from tests.factories import Person
from tests.helpers.faulty_proxy import FaultyProxy
from tests.helpers.live_server import LiveServer

# Chromium must not contact hosts of Google at its start.
_FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
_TIMEOUT_MS = 15_000
# Refused forms and an unreachable server, which the page itself reports.
_EXPECTED_ERRORS = ("Failed to load resource", "htmx: htmx:error: Failed to fetch")

OpenPage = Callable[..., Page]

DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
# Journeys without scripts are slow tests: other tests cover the pages without scripts.
SCRIPTS = pytest.mark.parametrize(
    "with_script",
    [True, pytest.param(False, marks=pytest.mark.slow)],
    ids=["with scripts", "without scripts"],
)
# The markup is the same on both, so that only the desktop is checked in the quick tests.
SCREENS = [pytest.param(PHONE, marks=pytest.mark.slow, id="phone"), pytest.param(DESKTOP, id="desktop")]


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, live: LiveServer) -> Iterator[OpenPage]:
    """`open_page(...)`: a page of a new browser profile on the live server; the options are the context's."""
    contexts = []
    errors: list[str] = []

    def record_error(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_EXPECTED_ERRORS):
            errors.append(message.text)

    def open_page(server: LiveServer = live, **options: Any) -> Page:
        options = {"reduced_motion": "reduce", "viewport": DESKTOP} | options
        context = browser.new_context(base_url=server.url, **options)
        context.set_default_timeout(_TIMEOUT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", record_error)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def proxy(live: LiveServer) -> Iterator[FaultyProxy]:
    """A proxy to the server, which can delay or lose its responses."""
    proxy = FaultyProxy(live.url)
    yield proxy
    proxy.close()


@pytest.fixture
def member(live: LiveServer) -> Person:
    """A new person, the only member of a team with an active subscription, on the live server."""
    person = factories.person(live.app)
    factories.team(live.app, f"Team of {person.full_name}", person, active=True)
    return person
