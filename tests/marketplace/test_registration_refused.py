"""Failed registrations and their pages."""

import pytest

from reflow_accounts.subscriptions.models import Licence
from reflow_accounts.teams.models import Rights
from tests.helpers import rows
from tests.helpers.html import parse
from tests.helpers.odd_fields import FoundForm, Sender
from tests.helpers.page_client import PageClient
from tests.marketplace.buyer import OFFER, PAGE, REGISTRATION_URL, TOKEN, post_from_aws

pytestmark = pytest.mark.postgresql_later


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        ("InvalidTokenException", 400, "did not confirm this registration"),
        ("ResourceNotFoundException", 400, "did not confirm this registration"),
        ("ExpiredTokenException", 410, "This registration has expired"),
        ("ThrottlingException", 503, "in a few minutes"),
        ("InternalServiceErrorException", 503, "in a few minutes"),
        ("DisabledApiException", 503, "in a few minutes"),
    ],
)
def test_each_error_of_aws_has_its_page(app, aws, buyer, caplog, error, status, sentence):
    token = aws.sell("l-1")
    aws.errors["ResolveCustomer"] = error
    response = post_from_aws(buyer, token)
    assert response.status_code == status
    assert sentence in response.text
    assert "Contact support" in response.text
    assert token not in response.text + caplog.text
    assert rows.count(app, Licence) == 0


@pytest.mark.parametrize("missing", ["ProductCode", "LicenseArn"])
def test_incomplete_aws_response_says_what_to_do(app, aws, buyer, missing):
    token = aws.sell("l-1")
    del aws.customers[token][missing]
    response = post_from_aws(buyer, token)
    assert response.status_code == 400
    assert 'press "Set up your account" again' in response.text
    assert rows.count(app, Licence) == 0


def test_malformed_ids_from_aws_are_ignored(app, aws, buyer):
    token = aws.sell("l-1", "x" * 65, account="1" * 13)
    aws.customers[token]["LicenseArn"] = "l-1"
    assert post_from_aws(buyer, token).status_code == 303
    assert rows.count(app, Licence) == 1


@pytest.mark.parametrize("body", [b"null", b'{"LicenseArn": "l-1", "Metadata": "none"}'])
def test_response_of_another_server_has_the_page_of_unavailable_aws(app, aws, buyer, body):
    aws.another_server = ("application/json", body)
    response = post_from_aws(buyer, "token")
    assert response.status_code == 503
    assert "in a few minutes" in response.text
    assert rows.count(app, Licence) == 0


def test_unavailable_database_page_says_that_the_purchase_is_safe(buyer, aws, another):
    app = another(aws=aws.settings, database_url="postgresql://nobody:nothing@127.0.0.1:1/none")
    browser = PageClient(app, app.response_class)
    browser.set_cookie("reflow-claim", "one")
    for response in (post_from_aws(browser, aws.sell("l-1")), browser.get(PAGE)):
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "5"
        assert 'Your purchase is safe. Press "Set up your account" in AWS Marketplace again' in response.text
        assert "reflow-claim" not in str(response.headers.getlist("Set-Cookie"))
    # Other pages do not query purchases.
    assert browser.get("/privacy").status_code == 200


def test_unavailable_aws_has_the_same_page(buyer, aws, another):
    unreachable = aws.settings.__class__("reflow-product", "", "", "http://127.0.0.1:9", "", "")
    app = another(aws=unreachable)
    response = post_from_aws(PageClient(app, app.response_class), "token")
    assert response.status_code == 503
    assert "Your purchase is safe" in response.text


@pytest.mark.parametrize("token", ["", "x" * 5000])
def test_missing_token_is_not_sent_to_aws(aws, buyer, token):
    assert post_from_aws(buyer, token).status_code == 400
    assert aws.requests == []


def test_another_product_of_the_seller_is_refused(app, aws, buyer, caplog):
    response = post_from_aws(buyer, aws.sell("l-1", product="another"))
    assert response.status_code == 400
    # The setting may be wrong: then every buyer is refused.
    assert "its product is another, and REFLOW_AWS_PRODUCT_CODE is reflow-product" in caplog.text
    assert "another product" in response.text
    assert rows.count(app, Licence) == 0


def test_site_works_without_aws(client, cast):
    assert client.post(REGISTRATION_URL, data={TOKEN: "x"}).status_code == 404
    cast.nina.sign_in(client)
    assert "No subscription yet" in client.page("/account/subscription").text


def test_registration_url_is_rate_limited(aws, another):
    app = another(aws=aws.settings, rate_limits=True)
    browser = PageClient(app, app.response_class)
    statuses = [post_from_aws(browser, "x" * 5000).status_code for _ in range(12)]
    assert statuses[0] == 400
    assert statuses[-1] == 429
    refused = post_from_aws(browser, "x" * 5000)
    assert int(refused.headers["Retry-After"]) > 60
    assert 'Press "Set up your account" in AWS Marketplace again in 5 minutes.' in refused.text


def test_registration_url_opened_directly_explains_registration(buyer):
    response = buyer.get(REGISTRATION_URL, follow_redirects=True)
    assert response.status_code == 404
    assert "Set up your account" in response.text


def test_odd_fields_cause_no_server_error(cast, aws, another):
    marketplace_app = another(aws=aws.settings, rate_limits=False)
    browser = PageClient(marketplace_app, marketplace_app.response_class)
    cast.nina.sign_in(browser)
    token = aws.sell("l-1", "agmt-1")
    post_from_aws(browser, token)
    sender = Sender(marketplace_app, browser, {TOKEN: token, "team_name": "Solo two"})
    forms = [*sender.forms([PAGE]).values(), FoundForm("POST", REGISTRATION_URL, {TOKEN: "", OFFER: ""})]
    assert len(forms) > 1
    for form in forms:
        for name in form.fields:
            sender.send(form, {name})
    assert not sender.wrong, "\n".join(["", *sender.wrong])


def test_former_admin_cannot_connect(cast, aws, buyer):
    cast.nina.sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1"))
    page = buyer.page(PAGE)
    cast.solo.give(cast.nina, Rights.EDIT)
    answer = buyer.submit(page, PAGE)
    assert answer.status_code == 403
    assert "You are not Admin of that team. Enter a name for a new one" in answer.text
    assert buyer.submit(parse(answer.text), PAGE, team_name="Duo").status_code == 303


def test_former_admin_chooses_among_the_other_teams(cast, aws, buyer):
    cast.solo.add(cast.ada, Rights.ADMIN)
    cast.ada.sign_in(buyer)
    post_from_aws(buyer, aws.sell("l-1"))
    page = buyer.page(PAGE)
    cast.solo.give(cast.ada, Rights.EDIT)
    answer = buyer.submit(page, PAGE, team=cast.solo.id)
    assert answer.status_code == 403
    assert "You are not Admin of that team. Choose another one" in answer.text
    assert "Solo" not in [label.text for label in parse(answer.text).all("label")]
    assert buyer.submit(parse(answer.text), PAGE, team=cast.acme.id).status_code == 303
