"""Browser storage holds only HttpOnly cookies, and names stay plain text."""

from playwright.sync_api import expect

from tests.factories import Person
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import create_key, log_in, open_api_keys, row_of

STORED = """async () => ({
  local: localStorage.length, session: sessionStorage.length, cookie: document.cookie,
  databases: (await indexedDB.databases()).length, caches: (await caches.keys()).length,
})"""
MARKUP = "<img src=x onerror=document.title=1>"


def test_browser_stores_only_http_only_cookies(open_page: OpenPage, member: Person) -> None:
    """After a key was shown and the person went back and forth (OWASP ASVS 5.0, 14.3.3)."""
    page = open_page()
    log_in(page, member.email)
    open_api_keys(page, member.full_name)
    create_key(page, "laptop")
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    expect(row_of(page, "laptop")).to_be_visible()
    page.goto("/account/activity")
    page.go_back()
    assert page.evaluate(STORED) == {"local": 0, "session": 0, "cookie": "", "databases": 0, "caches": 0}
    cookies = {cookie["name"]: cookie["httpOnly"] for cookie in page.context.cookies()}
    assert cookies == {"reflow": True, "reflow-device": True}


def test_name_stays_text_in_every_dialog_and_announcement(open_page: OpenPage, member: Person) -> None:
    """OWASP ASVS 5.0, 3.2.2."""
    page = open_page()
    log_in(page, member.email)
    open_api_keys(page, member.full_name)
    create_key(page, MARKUP)
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    row_of(page, MARKUP).get_by_role("button", name=f"Revoke {MARKUP}").click()
    expect(page.get_by_role("alertdialog")).to_contain_text(MARKUP)
    page.get_by_role("button", name="Revoke key", exact=True).click()
    expect(page.get_by_role("heading", name="Key revoked")).to_be_visible()
    assert MARKUP in page.locator("main").inner_text()
    assert page.locator("img[src=x]").count() == 0
