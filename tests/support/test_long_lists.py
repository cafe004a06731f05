"""Long lists of the console: members and history of a team come in pages, purchases are cut off."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from reflow_accounts.database import db, now
from reflow_accounts.subscriptions.models import Licence, LicenceState, SubscriptionChange
from reflow_accounts.teams.models import Membership, Rights
from reflow_accounts.users.models import User
from reflow_accounts.web.pagination import Position, write_cursor

pytestmark = pytest.mark.postgresql_later


def rows_of(page, heading):
    [table] = [table for table in page.all("table") if table["aria-labelledby"] == heading]
    return [row.text for row in table.all("th") if row["scope"] == "row"]


def next_page(page, label):
    return [link["href"].partition("#")[0] for link in page.all("a") if link.text == label]


def test_every_member_is_on_one_of_the_pages(app, cast, sam):
    with app.app_context():
        db.session.execute(insert(User), [{"full_name": f"Member {n:02}"} for n in range(50)])
        made = select(User.id).where(User.full_name.startswith("Member "))
        team = {"team_id": cast.acme.row().id, "rights": Rights.VIEW}
        db.session.execute(insert(Membership), [{"user_id": id_, **team} for id_ in db.session.scalars(made)])
        db.session.commit()
    first = sam.page(f"/support/teams/{cast.acme.id}")
    [address] = next_page(first, "More members")
    second = sam.page(address)
    names = [name for page in (first, second) for name in rows_of(page, "members")]
    assert [len(rows_of(first, "members")), len(rows_of(second, "members"))] == [50, 4]
    assert names[0].startswith("Ada Park")
    assert len(set(names)) == len(names)
    assert not next_page(second, "More members")


def test_every_change_is_on_one_of_the_pages(app, cast, sam):
    with app.app_context():
        change = {"by_name": "Sam", "from_state": "active", "to_state": "inactive", "reason": "x"}
        change |= {"team_id": cast.solo.row().id}
        end = now()
        changes = [{**change, "until": end + timedelta(days=n)} for n in range(51)]
        db.session.execute(insert(SubscriptionChange), changes)
        db.session.commit()
    first = sam.page(f"/support/teams/{cast.solo.id}")
    [address] = next_page(first, "Older changes")
    second = sam.page(address)
    assert [len(rows_of(first, "history")), len(rows_of(second, "history"))] == [50, 1]
    assert len({*rows_of(first, "history"), *rows_of(second, "history")}) == 51
    assert not next_page(second, "Older changes")


@pytest.mark.parametrize("name", ["members", "changes"])
def test_invalid_cursor_is_refused(cast, sam, name):
    assert sam.get(f"/support/teams/{cast.acme.id}?{name}=x").status_code == 422


def test_page_after_the_last_member_or_change_says_so(app, cast, sam):
    address = f"/support/teams/{cast.acme.id}"
    after_members = write_cursor(*Position(now() + timedelta(days=1), 1).numbers)
    text = sam.page(f"{address}?members={after_members}&changes={write_cursor(0)}").text
    assert "There are no more members." in text
    assert "There are no older changes." in text
    assert "never had a subscription" not in text


@pytest.mark.parametrize("state", [LicenceState.ACTIVE, LicenceState.PENDING])
def test_oldest_purchases_are_listed_with_the_number_of_all(app, sam, state):
    with app.app_context():
        at = now() - timedelta(days=1)
        for n in range(51):
            licence = Licence(key=f"l-{n:02}", product_code="reflow", aws_account="123456789012")
            licence.state, licence.created_at = state, at + timedelta(minutes=n)
            db.session.add(licence)
        db.session.commit()
    text = sam.page("/support").text
    assert ("51 AWS purchases have no team" in text) == (state == LicenceState.ACTIVE)
    assert ("51 purchases have waited for AWS" in text) == (state == LicenceState.PENDING)
    assert "The 50 oldest are listed." in text
    assert [f"l-{n:02}" in text for n in (0, 49, 50)] == [True, True, False]
