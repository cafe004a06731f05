"""The Profile tab: name and appearance."""

import pytest


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


def test_ada_changes_her_name_and_sees_it_at_the_top(ada):
    answer = ada.submit(
        ada.page("/account/profile"), "/account/profile", full_name="Ada P. Park", appearance="dark"
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/profile")
    page = ada.page("/account/profile")
    assert "Ada P. Park" in page.all("header")[0].text
    assert page.all("html")[0]["data-theme"] == "dark"


@pytest.mark.parametrize("name", ["", " ", "x" * 121, "a\u202eb", "a\nb"])
def test_a_name_that_cannot_be_is_refused_with_a_sentence(ada, name):
    answer = ada.send("/account/profile", full_name=name, appearance="light")
    assert answer.status_code == 422
    assert "Error: " in answer.text
    assert "Ada Park" in ada.page("/account/profile").all("header")[0].text


def test_an_appearance_that_is_none_is_refused(ada):
    assert ada.send("/account/profile", full_name="Ada Park", appearance="red").status_code == 422


def test_a_name_is_text_and_not_markup(ada):
    ada.send("/account/profile", full_name='<script>alert(1)</script>"', appearance="light")
    answer = ada.get("/account/profile")
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text


def test_the_account_leads_to_its_first_tab(ada):
    answer = ada.get("/account", follow_redirects=True)
    assert (answer.status_code, answer.request.path) == (200, "/account/profile")
