"""Keys in the console come in pages, on the page of a team and of a user."""

import pytest

pytestmark = pytest.mark.postgresql_later


@pytest.fixture(params=["team", "user"])
def page_with_keys(request, cast):
    """The address of a page that lists Ada's keys."""
    return f"/support/teams/{cast.acme.id}" if request.param == "team" else f"/support/users/{cast.ada.id}"


def names_on(page) -> list[str]:
    tables = [table for table in page.all("table") if table["aria-labelledby"].endswith("-keys")]
    rows = [row for table in tables for row in table.all("th") if row["scope"] == "row"]
    return [row.text.partition(" rfk_")[0] for row in rows]


def older(page) -> list[str]:
    return [link["href"].partition("#")[0] for link in page.all("a") if link.text == "Older keys"]


def test_every_key_is_on_one_of_the_pages(cast, sam, page_with_keys):
    made = [cast.ada.key(f"key {number:02}").name for number in range(52)]
    first = sam.page(page_with_keys)
    [address] = older(first)
    second = sam.page(address)
    assert [len(names_on(first)), len(names_on(second))] == [50, 2]
    assert names_on(first) + names_on(second) == made[::-1]
    assert not older(second)


def test_page_whose_keys_are_gone_leads_to_the_newest(cast, sam, page_with_keys):
    cast.ada.key()
    page = sam.page(f"{page_with_keys}?cursor=c0.0")
    assert "There are no older keys." in page.text
    [back] = [link["href"] for link in page.all("a") if link.text == "Show the newest keys"]
    assert names_on(sam.page(back.partition("#")[0]))


def test_invalid_cursor_is_refused(sam, page_with_keys):
    assert sam.get(f"{page_with_keys}?cursor=x").status_code == 422
