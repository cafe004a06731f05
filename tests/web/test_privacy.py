"""The page /privacy lists every cookie and all stored personal data."""

from http.cookies import SimpleCookie

from sqlalchemy import JSON, LargeBinary, String

from reflow_accounts.database import db
from reflow_accounts.help.privacy import STORED_DATA
from tests.helpers.page_client import PageClient
from tests.marketplace.buyer import arrive
from tests.marketplace.conftest import aws, selling  # noqa: F401

# Columns of text, bytes, JSON, or with a user, that are about no person.
IMPERSONAL = {
    "device_logins": "public_id device_digest user_digest",
    "invitations": "public_id link",
    "licences": "public_id key product_code agreement_id state",
    "mail_links": "public_id",
    "marketplace_agreements": "agreement_id initial_id previous_id status advisory",
    "marketplace_events": "event_id kind licence_key agreement_id",
    "schema_revisions": "revision compatible_from",
    "service_accounts": "user_id",
    "subscription_changes": "kind from_state to_state",
    "subscriptions": "state",
    "teams": "public_id name",
}


def may_be_about_a_person(column):
    names_a_user = any(key.target_fullname == "users.id" for key in column.foreign_keys)
    return names_a_user or isinstance(column.type, String | JSON | LargeBinary)


def test_every_column_about_people_is_listed():
    listed = {column for data in STORED_DATA for column in data.columns}
    tables = db.metadata.tables.values()
    assert listed <= {str(column) for table in tables for column in table.columns}
    found = {str(column) for table in tables for column in table.columns if may_be_about_a_person(column)}
    impersonal = {f"{table}.{name}" for table, names in IMPERSONAL.items() for name in names.split()}
    assert found - listed == impersonal


def test_page_shows_each_kind_of_data_and_how_long_it_is_kept(client):
    rows = [[cell.text for cell in row.all("th", "td")] for row in client.page("/privacy").all("tr")]
    for data in STORED_DATA:
        assert [data.what, data.kept] in rows


def test_page_lists_the_cookies_that_the_site_sets(selling, aws, cast):  # noqa: F811
    client = PageClient(selling, selling.response_class)
    answers = [
        arrive(client, aws.sell("l-1")),
        client.get("/signup"),
        client.send("/login", email=cast.ada.email, password=cast.ada.password),
    ]
    headers = [line for answer in answers for line in answer.headers.getlist("Set-Cookie")]
    cookies = {name for line in headers for name in SimpleCookie(line)}
    assert cookies == {"reflow", "reflow-device", "reflow-claim"}
    table = client.page("/privacy").all("table")[0]
    assert {cell.text for cell in table.all("code")} == cookies
