"""Log-in with a second factor: codes and recovery codes are valid once, and cannot be bypassed."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from reflow_accounts.auth import recovery_codes, second_factor
from reflow_accounts.auth.encryption import Vault, init_app, vault
from reflow_accounts.auth.models import UserSession
from reflow_accounts.database import db, now
from tests.factories import CLIENT
from tests.helpers import rows
from tests.helpers.authenticator_app import STEP_SECONDS, turn_on
from tests.helpers.mailbox import Mailbox
from tests.helpers.passkeys import add, sign_in

pytestmark = pytest.mark.postgresql_later

CODE = "/login/code"
RECOVERY = "/login/recovery-code"


@pytest.fixture
def authenticator(cast, clock):
    """Ada's authenticator app; her second factor is on."""
    return turn_on(cast.ada)


def enter_password(cast, client, path="/login"):
    return client.submit(client.page(path), "/login", email=cast.ada.email, password=cast.ada.password)


def enter_code(client, code, path=CODE):
    return client.submit(client.page(path), path.partition("?")[0], code=code)


def is_signed_in(client):
    return client.get("/account/profile").status_code == 200


def test_password_and_code_log_in(app, cast, client, authenticator):
    response = enter_password(cast, client)
    assert (response.status_code, response.headers["Location"]) == (303, CODE)
    assert rows.count(app, UserSession) == 0
    assert not is_signed_in(client)
    assert client.page(CODE).all("h1")[0].text == "Enter your code"
    response = enter_code(client, authenticator.code())
    assert (response.status_code, response.headers["Location"]) == (303, "/account/profile")
    assert is_signed_in(client)


@pytest.mark.parametrize("path", [CODE, RECOVERY])
def test_requested_page_is_kept_through_both_steps(cast, client, authenticator, path):
    requested = "/account/activity?period=7d"
    response = enter_password(cast, client, client.get(requested).headers["Location"])
    page = client.page(response.headers["Location"])
    if path == RECOVERY:
        link = next(link for link in page.all("a") if link.text == "Use a recovery code")
        page = client.page(link["href"])
    code = authenticator.code() if path == CODE else authenticator.recovery_codes[0]
    response = client.submit(page, path, code=code)
    assert (response.status_code, response.headers["Location"]) == (303, requested)


def test_foreign_target_is_ignored(cast, client, authenticator):
    enter_password(cast, client)
    response = client.post(
        f"{CODE}?next=//evil.example", data={"csrf_token": client.csrf_token(), "code": authenticator.code()}
    )
    assert response.headers["Location"] == "/account/profile"


@pytest.mark.parametrize(
    "code", ["", "000000", "12 34", "１２３４５６", "٠١٢٣٤٥", "1" * 10_000, "é", "123456\u2028", "'--"]
)
def test_wrong_code_is_explained_and_recorded(app, cast, client, authenticator, code):
    enter_password(cast, client)
    response = enter_code(client, code)
    assert response.status_code == 422
    assert "This code is not correct" in response.text
    assert not is_signed_in(client)
    assert rows.audit_events(app)[-1] == ("session.refused", "Somebody", "Unknown device, wrong code")
    assert enter_code(client, authenticator.code()).status_code == 303


@pytest.mark.parametrize(("steps", "status"), [(-2, 422), (-1, 422), (0, 303), (1, 303), (2, 422)])
def test_code_is_valid_one_step_early_or_late(cast, client, authenticator, steps, status):
    """The code of the step before was used to turn the second factor on."""
    enter_password(cast, client)
    assert enter_code(client, authenticator.code(steps)).status_code == status


def test_code_of_the_previous_step_is_valid_when_unused(cast, client, authenticator, clock):
    clock.shift(10 * STEP_SECONDS)
    enter_password(cast, client)
    assert enter_code(client, authenticator.code(-1)).status_code == 303


def test_code_is_valid_once(app, cast, client, authenticator):
    code = authenticator.code()
    enter_password(cast, client)
    assert enter_code(client, code).status_code == 303
    other = app.test_client()
    enter_password(cast, other)
    response = enter_code(other, code)
    assert response.status_code == 422
    assert "This code is not correct, or it was used before. Enter the next one of your app" in response.text
    # Neither does an older one.
    assert enter_code(other, authenticator.code(-1)).status_code == 422


def test_equal_codes_of_two_steps_are_valid_once_each(app, cast, clock):
    # At the time of `clock` the codes of this step and of the next one are the same.
    secret = "RMFH34JNFRTXBEO2IDCDJTMUEBY6ABAT"  # pragma: allowlist secret
    authenticator = turn_on(cast.ada, secret)
    assert authenticator.code() == authenticator.code(1)
    for status in (303, 303, 422):
        browser = app.test_client()
        enter_password(cast, browser)
        assert enter_code(browser, authenticator.code()).status_code == status


@pytest.mark.parametrize("kind", ["code", "recovery code"])
def test_concurrent_uses_of_a_code_succeed_once(app, cast, authenticator, kind):
    code = authenticator.code() if kind == "code" else authenticator.recovery_codes[3]

    def accept(_number):
        with app.app_context():
            user = cast.ada.row()
            if kind == "code":
                accepted = second_factor.accept_code(user, code)
            else:
                accepted = recovery_codes.accept(user, code, client=CLIENT)
            db.session.commit()
            return accepted

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(accept, range(8))) == [False] * 7 + [True]


def test_recovery_code_is_valid_once_in_any_spelling(app, cast, client, authenticator):
    code = authenticator.recovery_codes[0]
    enter_password(cast, client)
    response = enter_code(client, f"  {code.upper().replace('-', ' ')} ", RECOVERY)
    assert response.status_code == 303
    assert is_signed_in(client)
    assert "9 of your recovery codes are left" in client.get("/account/security").text
    other = app.test_client()
    enter_password(cast, other)
    response = enter_code(other, code, RECOVERY)
    assert response.status_code == 422
    assert "or it was used before" in response.text
    assert ("recovery_codes.used", "Ada Park", "") in rows.audit_events(app)


@pytest.mark.parametrize("code", ["", "x", "é" * 24, "1" * 10_000, "aaaaaa-aaaaaa-aaaaaa-aaaaaa", "\u2028"])
def test_invalid_recovery_code_is_refused(cast, client, authenticator, code):
    enter_password(cast, client)
    assert enter_code(client, code, RECOVERY).status_code == 422


def test_codes_of_another_user_are_refused(app, cast, client, authenticator):
    ben = turn_on(cast.ben)
    enter_password(cast, client)
    assert enter_code(client, ben.code()).status_code == 422
    assert enter_code(client, ben.recovery_codes[0], RECOVERY).status_code == 422


def test_reset_password_still_needs_the_second_factor(app, cast, client, authenticator):
    mailbox, other = Mailbox(app), "a kettle on the moon, twice"
    client.send("/forgot-password", email=cast.ada.email)
    [link] = [mailbox.link_in(message) for message in mailbox.deliver() if "password" in message["Subject"]]
    client.submit(client.page(link), link, new_password=other)
    assert not is_signed_in(client)
    response = client.send("/login", email=cast.ada.email, password=other)
    assert response.headers["Location"] == CODE
    assert not is_signed_in(client)
    assert enter_code(client, authenticator.code()).status_code == 303


@pytest.mark.parametrize("path", [CODE, RECOVERY])
def test_wrong_codes_are_limited(app, cast, client, authenticator, path):
    enter_password(cast, client)
    for _ in range(10):
        assert enter_code(client, "000000", path).status_code == 422
    response = enter_code(
        client, authenticator.code() if path == CODE else authenticator.recovery_codes[0], path
    )
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0
    assert "Too many attempts" in response.text
    assert not is_signed_in(client)


@pytest.mark.parametrize("path", [CODE, RECOVERY])
def test_second_step_requires_the_password(cast, client, authenticator, path):
    for response in (
        client.get(f"{path}?next=/account/activity"),
        client.send(f"{path}", code=authenticator.code()),
    ):
        assert response.status_code == 303
        assert response.headers["Location"].startswith("/login")
    assert "Signing in took too long" in client.get("/login").text


def test_second_step_expires_after_ten_minutes(cast, client, authenticator, clock):
    enter_password(cast, client)
    clock.shift(599)
    assert client.get(CODE).status_code == 200
    clock.shift(2)
    response = client.send(CODE, code=authenticator.code())
    assert (response.status_code, response.headers["Location"]) == (303, "/login")
    assert not is_signed_in(client)


@pytest.mark.parametrize("path", [CODE, RECOVERY])
def test_copied_cookie_is_invalid_after_log_in(app, cast, client, authenticator, clock, path):
    enter_password(cast, client)
    cookie_value = client.get_cookie("reflow").value
    enter_code(client, authenticator.code() if path == CODE else authenticator.recovery_codes[0], path)
    thief = app.test_client()
    thief.set_cookie("reflow", cookie_value)
    clock.shift(STEP_SECONDS)
    assert thief.get(CODE).headers["Location"] == "/login"
    assert thief.send(CODE, code=authenticator.code(1)).headers["Location"] == "/login"


def test_copied_cookie_is_invalid_after_a_passkey(app, cast, client):
    passkey = add(cast.ada.sign_in(app.test_client()))
    turn_on(cast.ada)
    enter_password(cast, client)
    assert client.get(CODE).status_code == 200
    sign_in(app.test_client(), passkey)
    assert client.get(CODE).headers["Location"] == "/login"


@pytest.mark.parametrize("change", ["disabled_at", "password_hash", "totp_on_at"])
def test_pending_log_in_ends_when_the_account_changes(cast, client, authenticator, change):
    enter_password(cast, client)
    value = "$2b$04$" + "x" * 53 if change == "password_hash" else now()
    cast.ada.change(**{change: value} | ({"totp_on_at": None} if change == "totp_on_at" else {}))
    assert client.get(CODE).headers["Location"] == "/login"


def test_pending_log_in_belongs_to_one_browser(app, cast, client, authenticator):
    enter_password(cast, client)
    assert app.test_client().send(CODE, code=authenticator.code()).headers["Location"] == "/login"


def test_cookie_of_a_pending_log_in_has_no_secret(cast, client, authenticator):
    enter_password(cast, client)
    with client.session_transaction() as cookie:
        content = str(dict(cookie))
    assert cast.ada.id in content
    for secret in (authenticator.secret, cast.ada.email, "$2b$", cast.ada.password):
        assert secret not in content


def test_previous_user_stays_signed_in_until_the_second_step(app, cast, client, authenticator):
    cast.ben.sign_in(client)
    response = client.send("/login", email=cast.ada.email, password=cast.ada.password)
    assert response.headers["Location"] == CODE
    assert "Ben Cole" in client.get("/account/profile").text
    enter_code(client, authenticator.code())
    assert "Ada Park" in client.get("/account/profile").text


def test_secret_is_encrypted_with_the_current_secret_key(app, cast, authenticator, clock):
    with app.app_context():
        current = vault()
    try:
        init_app(app, Vault(["the-next-secret-key-of-the-tests-9876", app.config["SECRET_KEY"]]))
        with app.app_context():
            assert second_factor.accept_code(cast.ada.row(), authenticator.code())
            db.session.commit()
        # The old key is given up.
        init_app(app, Vault(["the-next-secret-key-of-the-tests-9876"]))
        clock.shift(STEP_SECONDS)
        with app.app_context():
            assert second_factor.accept_code(cast.ada.row(), authenticator.code())
            assert vault().open(b"garbage") is None
        # Without either key no code is accepted, and no error occurs.
        init_app(app, Vault(["a-third-secret-key-of-the-tests-012345"]))
        clock.shift(STEP_SECONDS)
        with app.app_context():
            assert not second_factor.accept_code(cast.ada.row(), authenticator.code())
    finally:
        init_app(app, current)
