"""Runs the accessibility checks of axe on the current page, in light and dark mode."""

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Page

_EVERYTHING = {"resultTypes": ["violations"]}
_RUN = "async options => ({violations: (await axe.run(options)).violations})"
# The colour scheme changes only colours, so dark mode needs only these rules.
_COLOURS = _EVERYTHING | {"runOnly": ["color-contrast", "link-in-text-block"]}


def expect_accessible(page: Page, state: str) -> None:
    """Fail when axe finds a violation; `state` names the page in the message."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    _look(page, state, "light", _EVERYTHING)
    _look(page, state, "dark", _COLOURS)


def _look(page: Page, state: str, scheme: str, options: dict[str, list[str]]) -> None:
    page.emulate_media(color_scheme=scheme)
    # The whole result also has the rules that passed, with their elements: 50 KB, which take longer than the checks.
    found = AxeResults(page.evaluate(_RUN, options))
    assert found.violations_count == 0, f"{state}, {scheme}: {found.generate_report()}"
