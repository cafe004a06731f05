"""The page /privacy lists every cookie and all stored personal data."""

from http.cookies import SimpleCookie

from sqlalchemy import JSON, LargeBinary, String

from reflow_accounts.database import db
from reflow_accounts.help.privacy import STORED_DATA
from tests.helpers.page_client import PageClient
from tests.marketplace.buyer import post_from_aws
from tests.marketplace.conftest import aws, marketplace_app  # noqa: F401

# Columns of text, bytes, JSON, or with a user, that are about no person.
IMPERSONAL_COLUMNS = {
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
    refers_to_a_user = any(key.target_fullname == "users.id" for key in column.foreign_keys)
    return refers_to_a_user or isinstance(column.type, String | JSON | LargeBinary)


def test_every_column_about_people_is_listed():
    listed = {column for data in STORED_DATA for column in data.columns}
    tables = db.metadata.tables.values()
    assert listed <= {str(column) for table in tables for column in table.columns}
    personal = {str(column) for table in tables for column in table.columns if may_be_about_a_person(column)}
    impersonal = {f"{table}.{name}" for table, names in IMPERSONAL_COLUMNS.items() for name in names.split()}
    assert personal - listed == impersonal


def test_page_lists_each_kind_of_data_with_its_retention(client):
    rows = [[cell.text for cell in row.all("th", "td")] for row in client.page("/privacy").all("tr")]
    for data in STORED_DATA:
        assert [data.what, data.kept] in rows


def test_page_lists_the_cookies_that_the_site_sets(marketplace_app, aws, cast):  # noqa: F811
    client = PageClient(marketplace_app, marketplace_app.response_class)
    responses = [
        post_from_aws(client, aws.sell("l-1")),
        client.get("/signup"),
        client.send("/login", email=cast.ada.email, password=cast.ada.password),
    ]
    headers = [line for response in responses for line in response.headers.getlist("Set-Cookie")]
    cookies = {name for line in headers for name in SimpleCookie(line)}
    assert cookies == {"reflow", "reflow-device", "reflow-claim"}
    table = client.page("/privacy").all("table")[0]
    assert {cell.text for cell in table.all("code")} == cookies
