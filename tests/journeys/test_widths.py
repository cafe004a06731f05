"""No page is wider than its window, from 320 to 1920 pixels, also with letters of twice the size."""

import pytest

from tests.factories import Person
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import log_in

PAGES = (
    *("/account/profile", "/account/security", "/account/api-keys", "/account/team", "/account/subscription"),
    *("/account/activity", "/account/api-keys/new", "/help/cli", "/help/api", "/device", "/nothing"),
)


@pytest.mark.parametrize(
    ("width", "letters"),
    [
        (320, 32),
        (1920, 16),
        *(pytest.param(*size, marks=pytest.mark.slow) for size in ((320, 16), (1280, 32))),
    ],
)
def test_no_page_is_wider_than_its_window(
    open_page: OpenPage, member: Person, width: int, letters: int
) -> None:
    member.key("W" * 64)
    page = open_page(viewport={"width": width, "height": 800}, bypass_csp=True)
    log_in(page, member.email)
    wide = []
    for path in PAGES:
        page.goto(path)
        page.add_style_tag(content=f"html {{ font-size: {letters}px }}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(path)
    assert wide == []
