"""A browser whose pages report script errors and violations of the content security policy."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests import factories
from tests.factories import Person
from tests.helpers.faulty_proxy import FaultyProxy
from tests.helpers.live_server import LiveServer

# Without the background networking Chromium would call its maker's hosts at every start.
_FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
_TIMEOUT_MS = 15_000
# A refused form and a server that is away: the page itself says so.
_SHOWN_BY_THE_PAGE = ("Failed to load resource", "htmx: htmx:error: Failed to fetch")

OpenPage = Callable[..., Page]

DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
# In every journey of many seconds. Tests of forms cover what is shown without scripts, so `make test` leaves it out.
SCRIPTS = pytest.mark.parametrize(
    "with_script",
    [True, pytest.param(False, marks=pytest.mark.slow)],
    ids=["with scripts", "without scripts"],
)
# The markup is the same, so that a desktop's is looked at first.
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
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_SHOWN_BY_THE_PAGE):
            complaints.append(message.text)

    def open_page(server: LiveServer = live, **options: Any) -> Page:
        options = {"reduced_motion": "reduce", "viewport": DESKTOP} | options
        context = browser.new_context(base_url=server.url, **options)
        context.set_default_timeout(_TIMEOUT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def proxy(live: LiveServer) -> Iterator[FaultyProxy]:
    """A proxy to the server, which can delay or lose its answers."""
    proxy = FaultyProxy(live.url)
    yield proxy
    proxy.close()


@pytest.fixture
def member(live: LiveServer) -> Person:
    """A new person who alone makes up a team with an active subscription, on the live server."""
    person = factories.person(live.app)
    factories.team(live.app, f"Team of {person.full_name}", person, active=True)
    return person
