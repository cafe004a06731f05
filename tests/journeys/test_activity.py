"""The Activity tab with scripts: the download button works inside the filter form."""

import csv

from playwright.sync_api import expect

from tests.factories import Person
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import log_in


def test_download_uses_the_filter(open_page: OpenPage, member: Person) -> None:
    member.key("chosen")
    member.key("other")
    page = open_page()
    log_in(page, member.email)
    page.goto("/account/activity")
    key = page.get_by_role("combobox", name="Key")
    [label] = [text for text in key.locator("option").all_inner_texts() if text.startswith("chosen")]
    key.select_option(label=label)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "reflow-activity.csv"
    with open(download.value.path(), newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [(line["Event"], line["Subject"]) for line in lines] == [("API key created", "chosen")]
    expect(page).to_have_url(page.url.partition("?")[0])
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("rowheader", name="Signed in")).to_have_count(0)
    expect(page.get_by_role("rowheader", name="API key created")).to_have_count(1)
