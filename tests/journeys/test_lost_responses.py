"""Forms whose response is lost: the page finds out what happened."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from reflow_accounts.database import db, now
from reflow_accounts.subscriptions.overrides import set_active
from reflow_accounts.teams.members import leave
from reflow_accounts.teams.models import Rights
from reflow_accounts.teams.service import memberships_of
from tests import factories
from tests.factories import Group, Person
from tests.helpers.authenticator_app import AuthenticatorApp
from tests.helpers.faulty_proxy import Exchange, FaultyProxy, at, pass_on, says
from tests.helpers.live_server import LiveServer
from tests.journeys.conftest import OpenPage
from tests.journeys.steps import log_in, open_api_keys, row_of, submit_new_key

pytestmark = pytest.mark.slow


def lose_response(exchange: Exchange) -> None:
    """Let the server process the request, and close the connection without a response."""
    exchange.answer()


@pytest.fixture
def page(open_page: OpenPage, proxy: FaultyProxy, member: Person) -> Page:
    """The API Keys tab of a new member, seen through the proxy."""
    page = open_page(proxy)
    log_in(page, member.email)
    open_api_keys(page, member.full_name)
    return page


def secret_of(page: Page) -> str:
    return page.get_by_role("textbox", name="API key").input_value()


def test_lost_response_of_a_new_key_shows_and_replaces_the_key(page: Page, proxy: FaultyProxy) -> None:
    proxy.always = at("POST /account/api-keys", lose_response)
    submit_new_key(page, "ci-deploy")
    expect(page.get_by_role("heading", name="The key was created, but not shown")).to_be_visible()
    expect(page.get_by_text("Nothing was changed")).to_have_count(0)
    expect(page.locator("tr.is-new")).to_contain_text("ci-deploy")
    proxy.always = pass_on
    page.get_by_role("button", name="Revoke it and create another").click()
    assert secret_of(page).startswith("rfk_")
    page.get_by_role("checkbox", name="I have saved this key").check()
    page.get_by_role("button", name="Done").click()
    expect(row_of(page, "ci-deploy")).to_have_count(1)


def test_key_that_was_not_created_is_created_by_a_retry(page: Page, proxy: FaultyProxy) -> None:
    proxy.always = at("POST /account/api-keys", lambda exchange: None)
    submit_new_key(page, "ci-deploy")
    expect(page.get_by_role("alert")).to_contain_text("Reflow has not done it")
    proxy.always = pass_on
    page.get_by_role("button", name="Try again").click()
    assert secret_of(page).startswith("rfk_")


def test_outcome_is_unknown_while_the_server_is_unreachable(page: Page, proxy: FaultyProxy) -> None:
    proxy.always = at("POST ", lose_response, at("GET /account/outcome", lambda exchange: None))
    submit_new_key(page, "ci-deploy")
    expect(page.get_by_role("alert")).to_contain_text("it is not known whether this was done.")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Try again")).to_be_focused()
    proxy.always = pass_on
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="The key was created, but not shown")).to_be_visible()


def test_lost_response_of_a_revocation_refreshes_the_table(
    page: Page, proxy: FaultyProxy, member: Person
) -> None:
    member.key("old")
    page.reload()
    page.get_by_role("button", name="Revoke old").click()
    proxy.always = at("POST ", lose_response)
    page.get_by_role("button", name="Revoke key", exact=True).click()
    expect(page.get_by_role("heading", name="It was done")).to_be_visible()
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    expect(row_of(page, "old")).to_have_count(0)
    # The note of the next failure replaces this one.
    proxy.always = lambda exchange: None
    page.get_by_role("button", name="Create New API Key").click()
    expect(page.get_by_role("alert")).to_contain_text("You are offline or Reflow cannot be reached")
    expect(page.locator(".note")).to_have_count(1)


@pytest.mark.slow
def test_other_forms_find_out_the_outcome(
    page: Page, proxy: FaultyProxy, live: LiveServer, member: Person
) -> None:
    """Rights, an invitation, and the password."""
    other = factories.person(live.app)
    group = factories.team(live.app, "Second", member)
    group.add(other, Rights.EDIT)
    page.goto(f"/account/team?team={group.id}")
    proxy.always = at("POST ", lose_response)
    rights = page.get_by_label(f"Rights for {other.full_name}", exact=True)
    rights.select_option("View")
    page.get_by_role("button", name=f"Save rights for {other.full_name}").click()
    expect(page.get_by_role("heading", name="It was done")).to_be_visible()
    expect(rights).to_have_value("view")
    page.get_by_role("button", name="Invite people").click()
    page.get_by_label("Email addresses").fill("new@acme.example")
    page.get_by_role("button", name="Send invitations").click()
    expect(page.get_by_role("heading", name="It was done")).to_be_visible()
    expect(page.get_by_text("new@acme.example")).to_be_visible()
    page.goto("/account/security")
    expect(page.get_by_text("this site is open at the address 127.0.0.1")).to_be_visible()
    expect(page.get_by_role("button", name="Add a passkey")).to_have_count(0)
    page.get_by_label("Current password").fill(member.password)
    page.get_by_label("New password").fill("a kettle on the moon 17")
    page.get_by_role("button", name="Change password").click()
    # The new value of the session was lost, too.
    expect(page.get_by_role("alert")).to_contain_text(
        "it is not known whether this was done. Log in again to see."
    )
    proxy.always = pass_on
    page.get_by_role("button", name="Log in").click()
    log_in(page, member.email, "a kettle on the moon 17")


def rename_oneself(page: Page) -> None:
    page.goto("/account/profile")
    page.get_by_label("Full name").fill("Renamed Person")
    page.get_by_role("button", name="Save changes").click()


def rename_team(page: Page) -> None:
    page.goto("/account/team")
    page.get_by_role("button", name="Rename team").click()
    page.get_by_label("Team name").fill("Renamed Team")
    page.get_by_role("button", name="Save name").click()


def turn_on_second_factor(page: Page) -> None:
    page.goto("/account/security/second-factor/new")
    authenticator = AuthenticatorApp(page.get_by_role("textbox", name="Setup key").input_value())
    page.get_by_role("textbox", name="Authentication code").fill(authenticator.code())
    page.get_by_role("button", name="Turn on").click()


def leave_team(page: Page) -> None:
    page.goto("/account/team")
    page.get_by_role("button", name="Leave team").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Leave team").click()


@pytest.mark.parametrize(
    ("send", "text"),
    [
        (rename_oneself, "Renamed Person"),
        pytest.param(rename_team, "Renamed Team", marks=pytest.mark.slow),
        pytest.param(turn_on_second_factor, "10 of your recovery codes are left", marks=pytest.mark.slow),
        (leave_team, "You are not in a team"),
    ],
)
def test_forms_that_change_the_whole_page_find_out_the_outcome(
    page: Page,
    proxy: FaultyProxy,
    live: LiveServer,
    member: Person,
    send: Callable[[Page], None],
    text: str,
) -> None:
    with live.app.app_context():
        [team] = [membership.team for membership in memberships_of(member.row())]
        group = Group(live.app, team.public_id, team.name)
    group.add(factories.person(live.app), Rights.ADMIN)
    proxy.always = at("POST ", lose_response)
    send(page)
    expect(page.get_by_role("heading", name="It was done")).to_be_visible()
    expect(page.get_by_text(text).first).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_unsaved_profile_keeps_the_input(page: Page, proxy: FaultyProxy) -> None:
    proxy.always = at("POST ", lambda exchange: None)
    rename_oneself(page)
    expect(page.get_by_role("alert")).to_contain_text("Reflow has not done it")
    # The button is at the bottom of the page, the note at its top.
    expect(page.get_by_role("alert")).to_be_in_viewport()
    expect(page.get_by_label("Full name")).to_have_value("Renamed Person")
    proxy.always = pass_on
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Profile saved")).to_be_visible()
    expect(page.get_by_role("link", name="Renamed Person")).to_be_visible()


def test_lost_response_on_a_separate_page_shows_the_key(page: Page, proxy: FaultyProxy) -> None:
    page.goto("/account/api-keys/new")
    page.get_by_role("textbox", name="Name", exact=True).fill("ci-deploy")
    proxy.always = at("POST /account/api-keys", lose_response)
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_role("heading", name="The key was created, but not shown")).to_be_visible()
    proxy.always = pass_on
    page.get_by_role("button", name="Revoke it and create another").click()
    assert secret_of(page).startswith("rfk_")
    expect(page).to_have_title(re.compile("^Your new API key"))


def test_gateway_error_is_explained(page: Page, proxy: FaultyProxy) -> None:
    proxy.always = at("POST ", says("502 Bad Gateway", b"<h1>nginx</h1>"))
    submit_new_key(page, "ci-deploy")
    expect(page.get_by_role("alert")).to_contain_text("Something went wrong on our side")
    expect(page.get_by_role("alert")).to_contain_text("Reflow has not done it")


@pytest.mark.parametrize("is_renewed", [False, True], ids=["ended", "renewed"])
def test_form_of_an_old_session_keeps_the_input(page: Page, member: Person, is_renewed: bool) -> None:
    page.get_by_role("button", name="Create New API Key").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("typed")
    other = page.context.new_page()
    other.goto("/account/profile")
    other.get_by_role("button", name="Account menu").click()
    other.get_by_role("button", name="Sign out").click()
    if is_renewed:
        log_in(other, member.email)
    page.get_by_role("button", name="Create key").click()
    message = "You signed in again in another tab" if is_renewed else "Your session ended"
    expect(page.get_by_role("alert")).to_contain_text(message)
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("typed")
    if not is_renewed:
        log_in(other, member.email)
        page.get_by_role("button", name="Create key").click()
        expect(page.get_by_role("alert")).to_contain_text("You signed in again")
    page.get_by_role("button", name="Create key").click()
    assert secret_of(page).startswith("rfk_")


def test_profile_of_an_ended_session_keeps_the_input(page: Page, member: Person) -> None:
    page.goto("/account/profile")
    page.get_by_label("Full name").fill("Renamed Person")
    member.change_sessions(ended_at=now())
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("alert")).to_contain_text("Your session ended")
    expect(page.get_by_role("alert")).to_be_in_viewport()
    expect(page.get_by_label("Full name")).to_have_value("Renamed Person")
    log_in(page.context.new_page(), member.email)
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("alert")).to_contain_text("You signed in again")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("link", name="Renamed Person")).to_be_visible()


def test_page_of_another_user_asks_to_reload(page: Page, live: LiveServer) -> None:
    """Another user logged in, in another tab."""
    other, other_user = page.context.new_page(), factories.person(live.app)
    other.goto("/account/profile")
    other.get_by_role("button", name="Account menu").click()
    other.get_by_role("button", name="Sign out").click()
    log_in(other, other_user.email)
    page.get_by_role("button", name="Create New API Key").click()
    dialog = page.get_by_role("dialog", name="This page is out of date")
    expect(dialog).to_contain_text(f"You are signed in as {other_user.full_name} now")
    page.get_by_role("button", name="Reload the page").click()
    expect(page.get_by_role("link", name=other_user.full_name)).to_be_visible()


def test_removed_member_disappears_after_the_reload(page: Page, live: LiveServer, member: Person) -> None:
    leaving_member, group = factories.person(live.app), factories.team(live.app, "Second", member)
    group.add(leaving_member, Rights.VIEW)
    page.goto(f"/account/team?team={group.id}")
    with live.app.app_context():
        leave(group.row(), by=leaving_member.row(), client=factories.CLIENT)
        db.session.commit()
    page.get_by_role("button", name=f"Remove {leaving_member.full_name}").click()
    expect(page.get_by_role("dialog", name="This page is out of date")).to_be_visible()
    page.get_by_role("button", name="Reload the page").click()
    expect(page.get_by_text(leaving_member.full_name)).to_have_count(0)


def test_badge_shows_the_current_subscription(page: Page, live: LiveServer, member: Person) -> None:
    expect(page.get_by_text("Subscription active")).to_be_visible()
    with live.app.app_context():
        [team] = [membership.team for membership in memberships_of(member.row())]
        set_active(team, False, "for a test", by=None)
        db.session.commit()
    page.get_by_role("button", name="Create New API Key").click()
    expect(page.get_by_role("heading", name="API keys need an active subscription")).to_be_visible()
    expect(page.get_by_text("Subscription inactive")).to_be_visible()


def test_started_download_does_not_count_as_saved(page: Page) -> None:
    submit_new_key(page, "ci-deploy")
    page.get_by_role("link", name="Download reflow.key").click()
    expect(page.get_by_text("Download started", exact=True)).to_be_visible()
    expect(page.get_by_role("checkbox", name="I have saved this key")).not_to_be_checked()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("alert")).to_contain_text("This key has not been saved")
