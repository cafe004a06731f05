"""No page is wider than its window, from 320 to 1920 pixels, also with letters of twice the size."""

import pytest
from sqlalchemy import select

from reflow_accounts.api_keys import lifecycle
from reflow_accounts.api_keys.models import ApiKey, Use
from reflow_accounts.database import db, now
from tests import factories
from tests.factories import CLIENT, Issued, Person
from tests.helpers.live_server import LiveServer
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import log_in

pytestmark = pytest.mark.slow

PAGES = (
    *("/account/profile", "/account/security", "/account/api-keys", "/account/team", "/account/subscription"),
    *("/account/activity", "/account/api-keys/new", "/help/cli", "/help/api", "/device", "/nothing"),
)


@pytest.mark.parametrize(
    ("width", "letters"),
    [
        (320, 16),
        (320, 32),
        (1280, 32),
        (1920, 16),
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


def test_no_long_name_makes_a_page_wider_than_its_window(open_page: OpenPage, live: LiveServer) -> None:
    person = factories.person(live.app, "P" * 120, is_staff=True)
    group = factories.team(live.app, "W" * 120, person, active=True)
    account = factories.service_account(live.app, group, "S" * 120)
    key, its_key = person.key("K" * 64), account.key("C" * 64)
    page = open_page()
    log_in(page, person.email)
    place = f"/account/teams/{group.id}"
    paths = [
        *(path for path in PAGES if path.startswith("/account")),
        *(
            f"/account/api-keys/{key.id}",
            f"/account/activity?account={account.id}",
            "/account/profile/deletion",
        ),
        *(f"{place}/ci-key", f"{place}/name", f"{place}/invitations/new", f"{place}/service-accounts/new"),
        *(
            f"{place}/service-accounts/{account.id}{rest}"
            for rest in ("", "/settings", "/deletion", "/keys/new")
        ),
        *(f"{place}/service-accounts/{account.id}/keys/{its_key.id}{rest}" for rest in ("", "/revocation")),
        *(f"/support?q={'W' * 120}", f"/support/teams/{group.id}", f"/support/users/{person.id}"),
    ]
    wrong = []
    for path in paths:
        response = page.goto(path)
        assert response and response.ok, path
        for width in (320, 390, 640, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wrong.append((path, width, "wide"))
            wrong += [(path, width, text) for text in page.evaluate(CUT_OFF, True)]
    assert wrong == []


# Texts in `main` that leave their card, button or window, buttons that leave their card, and buttons and names whose
# words are broken unless they may be.
CUT_OFF = """(mayBreak) => {
  const found = [], range = document.createRange();
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode, words = text.data.trim(), place = text.parentElement;
    if (!words || place.closest(".vh, thead, svg, details")) continue;
    range.selectNodeContents(text);
    const box = place.closest(".card, .btn") || document.body, edge = box.getBoundingClientRect();
    const lines = [...range.getClientRects()];
    const isBroken = !mayBreak && place.closest(".btn, .name, td bdi") && lines.length > words.split(/\\s+/).length;
    const isOut = lines.some((line) => line.right > edge.right + 1 || line.bottom > edge.bottom + 1);
    if (isBroken || isOut) found.push(words);
  }
  for (const button of document.querySelectorAll(".card button")) {
    const edge = button.closest(".card").getBoundingClientRect();
    if (button.getBoundingClientRect().right > edge.right) found.push(button.ariaLabel || button.innerText);
  }
  return found;
}"""


def add_long_use(live: LiveServer, key: Issued) -> None:
    """Record a refused request whose path, address and client are long."""
    with live.app.app_context():
        row = db.session.scalars(select(ApiKey).where(ApiKey.public_id == key.id)).one()
        facts = {"method": "GET", "path": f"/{'x' * 90}", "address": "2001:db8:85a3:8d3:1319:8a2e:370:7348"}
        facts |= {"user_agent": "python-requests/2.32.3 (a long name)", "outcome": "not_found", "status": 404}
        db.session.add(Use(key_id=row.id, at=now(), **facts))
        db.session.commit()


def test_phone_cuts_off_no_text(open_page: OpenPage, live: LiveServer, member: Person) -> None:
    key = member.key()
    add_long_use(live, key)
    group = factories.team(live.app, "W" * 80, member)
    page = open_page(viewport={"width": 360, "height": 740}, has_touch=True)
    log_in(page, member.email)
    cut = {}
    for path in (
        f"/account/api-keys/{key.id}",
        "/account/activity",
        f"/account/subscription?team={group.id}",
    ):
        page.goto(path)
        cut[path] = page.evaluate(CUT_OFF)
    lonely = factories.person(live.app)
    factories.team(live.app, "Without a subscription", lonely)
    page.context.clear_cookies()
    log_in(page, lonely.email)
    page.goto("/account/api-keys")
    cut["/account/api-keys"] = page.evaluate(CUT_OFF)
    assert {path: texts for path, texts in cut.items() if texts} == {}


def test_no_window_cuts_off_a_column(open_page: OpenPage, live: LiveServer, member: Person) -> None:
    staff = factories.person(live.app, is_staff=True)
    group = factories.team(live.app, f"Team of {staff.full_name}", staff, active=True)
    key = staff.key()
    add_long_use(live, key)
    with live.app.app_context():
        row = db.session.scalars(select(ApiKey).where(ApiKey.public_id == key.id)).one()
        lifecycle.rotate(row, by=staff.row(), client=CLIENT)
        db.session.commit()
    page = open_page()
    log_in(page, staff.email)
    cut = {}
    for path, shown in (
        ("/account/activity", "404 not found"),
        ("/account/api-keys", "works until"),
        (f"/support?q={member.full_name}", "Deactivate"),
        (f"/support?q={staff.full_name}", "You belong to this team"),
        (f"/support/teams/{group.id}", "Number of times used"),
    ):
        page.goto(path)
        page.get_by_text(shown).first.wait_for()
        for width in (320, 680, 700, 768, 860, 960, 1024):
            page.set_viewport_size({"width": width, "height": 800})
            cut[path, width] = page.evaluate(CUT_OFF)
    assert {place: texts for place, texts in cut.items() if texts} == {}
