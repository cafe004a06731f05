"""axe reports nothing on any page or state of the API Keys tab, light and dark, phone and desktop."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from playwright.sync_api import Page, expect

from tests import factories
from tests.factories import Person
from tests.helpers.axe import expect_accessible
from tests.helpers.live_server import LiveServer
from tests.helpers.passkeys import add_by_hand
from tests.journeys.conftest import SCREENS, OpenPage
from tests.journeys.steps import create_key, log_in, open_api_keys, submit_new_key
from tests.journeys.test_second_factor import enter_code, enter_password, set_up

PUBLIC = ["/login", "/signup", "/forgot-password", "/verify-email/x", "/reset-password/x", "/confirm-email/x"]
PAGES = [
    "/account/profile",
    "/account/profile/deletion",
    "/account/security",
    "/account/activity",
    "/device",
    "/help/api-keys",
    "/help/cli",
    "/help/api",
    "/privacy",
    "/nothing-here",
    "/account/api-keys/new",
]


def _empty(page: Page) -> None:
    page.get_by_role("heading", name="No API keys yet").wait_for()


def _form(page: Page) -> None:
    page.get_by_role("button", name="Create New API Key").click()
    page.get_by_role("dialog").wait_for()


def _bad_name(page: Page) -> None:
    submit_new_key(page, " ")
    page.get_by_text("Enter a name for this key").wait_for()


def _reveal(page: Page) -> None:
    create_key(page, "first")


def _guard(page: Page) -> None:
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Go back").wait_for()


def _list(page: Page) -> None:
    page.get_by_role("button", name="Close anyway").click()
    page.get_by_role("button", name="Revoke first").wait_for()


def _bin(page: Page) -> None:
    page.get_by_role("button", name="Revoke first").click()
    page.get_by_role("alertdialog").wait_for()


def _revoked(page: Page) -> None:
    page.get_by_role("button", name="Revoke key", exact=True).click()
    page.get_by_role("heading", name="Key revoked").wait_for()


def _menu(page: Page) -> None:
    page.get_by_role("button", name="Account menu").click()
    page.get_by_role("navigation", name="Account menu").wait_for()


def test_low_contrast_in_dark_mode_is_found(open_page: OpenPage) -> None:
    page = open_page()
    style = "@media (prefers-color-scheme: dark) { p { color: #333; background: #222 } }"
    page.set_content(
        f"<html lang=en><title>T</title><style>{style}</style><main><h1>T</h1><p>Pale</p></main></html>"
    )
    with pytest.raises(AssertionError, match="pale, dark: Found 1 accessibility violation"):
        expect_accessible(page, "pale")


@pytest.mark.parametrize("size", SCREENS)
def test_every_state_of_the_tab_is_accessible(
    open_page: OpenPage, member: Person, size: dict[str, int]
) -> None:
    page = open_page(viewport=size)
    log_in(page, member.email)
    open_api_keys(page, member.full_name)
    steps = (_empty, _form, _close, _bad_name, _close, _reveal, _guard, _list, _bin, _revoked, _menu)
    _check_states(page, steps)


@pytest.mark.parametrize("size", SCREENS)
def test_tab_without_a_subscription_is_accessible(
    open_page: OpenPage, live: LiveServer, size: dict[str, int]
) -> None:
    person = factories.person(live.app)
    factories.team(live.app, "Unpaid", person)
    page = open_page(viewport=size)
    log_in(page, person.email)
    open_api_keys(page, person.full_name)
    _check_states(page, (lambda page: None, _form))


@pytest.mark.slow
@pytest.mark.parametrize("size", SCREENS)
def test_other_pages_are_accessible(open_page: OpenPage, member: Person, size: dict[str, int]) -> None:
    page = open_page(viewport=size)
    for path in PUBLIC:
        page.goto(path)
        expect_accessible(page, path)
    log_in(page, member.email)
    for path in (*PAGES, f"/device/{factories.device_login(member)}"):
        page.goto(path)
        expect_accessible(page, path)


@pytest.mark.slow
@pytest.mark.parametrize("size", SCREENS)
def test_every_page_of_the_second_factor_is_accessible(
    open_page: OpenPage, live: LiveServer, member: Person, size: dict[str, int]
) -> None:
    # At a domain name, where passkeys are offered.
    page = open_page(SimpleNamespace(url=f"http://localhost:{live.port}"), viewport=size)
    log_in(page, member.email)
    for path in ("/account/security", "/account/security/passkeys/new"):
        page.goto(path)
        expect_accessible(page, path)
    authenticator = set_up(page)
    expect_accessible(page, "recovery codes")
    page.get_by_role("button", name="Done").click()
    expect_accessible(page, "guard")
    page.get_by_role("button", name="Close anyway").click()
    add_by_hand(member)
    for path in ("/account/security", "/account/security/second-factor/removal", *_passkey_pages(page)):
        page.goto(path)
        expect_accessible(page, path)
    enter_password(page, member)
    expect_accessible(page, "code")
    enter_code(page, "000000")
    expect_accessible(page, "wrong code")
    page.get_by_role("link", name="Use a recovery code").click()
    expect_accessible(page, "recovery code")
    assert authenticator.secret not in page.content()


def _passkey_pages(page: Page) -> list[str]:
    page.goto("/account/security")
    link = page.get_by_role("link", name="Rename Laptop").get_attribute("href") or ""
    return [link, f"{link}/removal"]


@pytest.mark.parametrize("size", SCREENS)
def test_support_console_is_accessible(
    open_page: OpenPage, member: Person, live: LiveServer, size: dict[str, int]
) -> None:
    page = open_page(viewport=size)
    log_in(page, "sam@support.example")
    page.goto(f"/support?q={member.email}")
    expect_accessible(page, "results")
    page.get_by_role("button", name="Deactivate subscription").click()
    page.get_by_role("alertdialog").wait_for()
    expect_accessible(page, "dialog")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Team of").click()
    page.get_by_role("heading", name="Members").wait_for()
    expect_accessible(page, "team")
    page.get_by_role("button", name="Change end").click()
    page.get_by_role("alertdialog").wait_for()
    expect_accessible(page, "another end")
    page.get_by_role("textbox", name="Reason").fill("Until the renewal is through")
    page.get_by_role("alertdialog").get_by_role("button", name="Change end").click()
    expect(page.get_by_role("cell", name="Until the renewal is through")).to_be_visible()
    expect(page.get_by_role("button", name="Change end")).to_be_focused()
    page.get_by_role("link", name=member.full_name).click()
    page.get_by_role("heading", name="Sessions").wait_for()
    expect_accessible(page, "user")


@pytest.mark.parametrize(
    "path",
    [
        "/account/api-keys",
        "/account/profile",
        "/account/activity",
        "/account/security",
        "/account/subscription",
        "/device",
        "/help/api",
        "/login",
        "/signup",
    ],
)
def test_pages_fit_320_pixels_without_scrolling_sideways(
    open_page: OpenPage, member: Person, path: str
) -> None:
    person_page = open_page(viewport={"width": 320, "height": 700})
    if path not in PUBLIC:
        log_in(person_page, member.email)
    person_page.goto(path)
    width = person_page.evaluate("document.documentElement.scrollWidth")
    assert width <= 320


def _close(page: Page) -> None:
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")


def _check_states(page: Page, steps: tuple[Callable[[Page], None], ...]) -> None:
    for step in steps:
        step(page)
        expect_accessible(page, getattr(step, "__name__", "page"))
