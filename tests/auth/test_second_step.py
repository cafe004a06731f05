"""Logging in with a second factor: the code once, a recovery code once, and no way around."""

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

pytestmark = pytest.mark.postgresql_later

CODE = "/login/code"
RECOVERY = "/login/recovery-code"


@pytest.fixture
def phone(cast, clock):
    """The authenticator app of Ada, whose second factor is on."""
    return turn_on(cast.ada)


def give_password(cast, client, path="/login"):
    return client.submit(client.page(path), "/login", email=cast.ada.email, password=cast.ada.password)


def enter(client, code, path=CODE):
    return client.submit(client.page(path), path.partition("?")[0], code=code)


def is_signed_in(client):
    return client.get("/account/profile").status_code == 200


def test_password_leads_to_the_code_and_the_code_into_the_account(app, cast, client, phone):
    answer = give_password(cast, client)
    assert (answer.status_code, answer.headers["Location"]) == (303, CODE)
    assert rows.count(app, UserSession) == 0
    assert not is_signed_in(client)
    assert client.page(CODE).all("h1")[0].text == "Enter your code"
    answer = enter(client, phone.code())
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/profile")
    assert is_signed_in(client)


@pytest.mark.parametrize("way", [CODE, RECOVERY])
def test_page_that_was_wanted_survives_both_steps(cast, client, phone, way):
    wanted = "/account/activity?period=7d"
    answer = give_password(cast, client, client.get(wanted).headers["Location"])
    page = client.page(answer.headers["Location"])
    if way == RECOVERY:
        link = next(link for link in page.all("a") if link.text == "Use a recovery code")
        page = client.page(link["href"])
    code = phone.code() if way == CODE else phone.recovery_codes[0]
    answer = client.submit(page, way, code=code)
    assert (answer.status_code, answer.headers["Location"]) == (303, wanted)


def test_no_page_elsewhere_is_led_to(cast, client, phone):
    give_password(cast, client)
    answer = client.post(
        f"{CODE}?next=//evil.example", data={"csrf_token": client.csrf_token(), "code": phone.code()}
    )
    assert answer.headers["Location"] == "/account/profile"


@pytest.mark.parametrize(
    "code", ["", "000000", "12 34", "１２３４５６", "٠١٢٣٤٥", "1" * 10_000, "é", "123456\u2028", "'--"]
)
def test_wrong_code_is_said_to_be_and_written_down(app, cast, client, phone, code):
    give_password(cast, client)
    answer = enter(client, code)
    assert answer.status_code == 422
    assert "This code is not correct" in answer.text
    assert not is_signed_in(client)
    assert rows.acts(app)[-1] == ("session.refused", "Somebody", "Unknown device, wrong code")
    assert enter(client, phone.code()).status_code == 303


@pytest.mark.parametrize(("steps", "status"), [(-2, 422), (-1, 422), (0, 303), (1, 303), (2, 422)])
def test_code_counts_one_step_early_and_late(cast, client, phone, steps, status):
    """One step late is the code that turned it on here: it was used."""
    give_password(cast, client)
    assert enter(client, phone.code(steps)).status_code == status


def test_code_of_the_step_before_counts_when_it_is_new(cast, client, phone, clock):
    clock.shift(10 * STEP_SECONDS)
    give_password(cast, client)
    assert enter(client, phone.code(-1)).status_code == 303


def test_code_counts_once(app, cast, client, phone):
    code = phone.code()
    give_password(cast, client)
    assert enter(client, code).status_code == 303
    other = app.test_client()
    give_password(cast, other)
    answer = enter(other, code)
    assert answer.status_code == 422
    assert "This code is not correct, or it was used before. Enter the next one of your app" in answer.text
    # Neither does an older one.
    assert enter(other, phone.code(-1)).status_code == 422


def test_steps_that_share_a_code_count_once_each(app, cast, clock):
    # At the time of `clock` the codes of this step and of the next one are the same.
    secret = "RMFH34JNFRTXBEO2IDCDJTMUEBY6ABAT"  # pragma: allowlist secret
    phone = turn_on(cast.ada, secret)
    assert phone.code() == phone.code(1)
    for status in (303, 303, 422):
        browser = app.test_client()
        give_password(cast, browser)
        assert enter(browser, phone.code()).status_code == status


@pytest.mark.parametrize("kind", ["code", "recovery code"])
def test_of_many_uses_at_once_one_counts(app, cast, phone, kind):
    code = phone.code() if kind == "code" else phone.recovery_codes[3]

    def use(_number):
        with app.app_context():
            user = cast.ada.row()
            if kind == "code":
                accepted = second_factor.accept_code(user, code)
            else:
                accepted = recovery_codes.accept(user, code, client=CLIENT)
            db.session.commit()
            return accepted

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(use, range(8))) == [False] * 7 + [True]


def test_recovery_code_counts_once_as_typed_or_not(app, cast, client, phone):
    code = phone.recovery_codes[0]
    give_password(cast, client)
    answer = enter(client, f"  {code.upper().replace('-', ' ')} ", RECOVERY)
    assert answer.status_code == 303
    assert is_signed_in(client)
    assert "9 of your recovery codes are left" in client.get("/account/security").text
    other = app.test_client()
    give_password(cast, other)
    answer = enter(other, code, RECOVERY)
    assert answer.status_code == 422
    assert "or it was used before" in answer.text
    assert ("recovery_codes.used", "Ada Park", "") in rows.acts(app)


@pytest.mark.parametrize("code", ["", "x", "é" * 24, "1" * 10_000, "aaaaaa-aaaaaa-aaaaaa-aaaaaa", "\u2028"])
def test_recovery_code_that_is_none_is_refused(cast, client, phone, code):
    give_password(cast, client)
    assert enter(client, code, RECOVERY).status_code == 422


def test_nobody_elses_codes_count(app, cast, client, phone):
    ben = turn_on(cast.ben)
    give_password(cast, client)
    assert enter(client, ben.code()).status_code == 422
    assert enter(client, ben.recovery_codes[0], RECOVERY).status_code == 422


def test_reset_password_leads_to_the_second_factor_like_any_other(app, cast, client, phone):
    mailbox, other = Mailbox(app), "a kettle on the moon, twice"
    client.send("/forgot-password", email=cast.ada.email)
    [link] = [mailbox.link_in(message) for message in mailbox.deliver() if "password" in message["Subject"]]
    client.submit(client.page(link), link, new_password=other)
    assert not is_signed_in(client)
    answer = client.send("/login", email=cast.ada.email, password=other)
    assert answer.headers["Location"] == CODE
    assert not is_signed_in(client)
    assert enter(client, phone.code()).status_code == 303


@pytest.mark.parametrize("way", [CODE, RECOVERY])
def test_guessing_a_code_is_limited(app, cast, client, phone, way):
    give_password(cast, client)
    for _ in range(10):
        assert enter(client, "000000", way).status_code == 422
    answer = enter(client, phone.code() if way == CODE else phone.recovery_codes[0], way)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "Too many attempts" in answer.text
    assert not is_signed_in(client)


@pytest.mark.parametrize("path", [CODE, RECOVERY])
def test_without_the_password_there_is_no_second_step(cast, client, phone, path):
    for answer in (client.get(f"{path}?next=/account/activity"), client.send(f"{path}", code=phone.code())):
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/login")
    assert "Signing in took too long" in client.get("/login").text


def test_second_step_waits_ten_minutes(cast, client, phone, clock):
    give_password(cast, client)
    clock.shift(599)
    assert client.get(CODE).status_code == 200
    clock.shift(2)
    answer = client.send(CODE, code=phone.code())
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert not is_signed_in(client)


@pytest.mark.parametrize("way", [CODE, RECOVERY])
def test_copy_of_the_waiting_state_is_worthless_after_its_use(app, cast, client, phone, clock, way):
    give_password(cast, client)
    copied = client.get_cookie("reflow").value
    enter(client, phone.code() if way == CODE else phone.recovery_codes[0], way)
    thief = app.test_client()
    thief.set_cookie("reflow", copied)
    clock.shift(STEP_SECONDS)
    assert thief.get(CODE).headers["Location"] == "/login"
    assert thief.send(CODE, code=phone.code(1)).headers["Location"] == "/login"


@pytest.mark.parametrize("change", ["disabled_at", "password_hash", "totp_on_at"])
def test_waiting_state_ends_when_the_account_changes(cast, client, phone, change):
    give_password(cast, client)
    value = "$2b$04$" + "x" * 53 if change == "password_hash" else now()
    cast.ada.change(**{change: value} | ({"totp_on_at": None} if change == "totp_on_at" else {}))
    assert client.get(CODE).headers["Location"] == "/login"


def test_another_browser_has_no_part_in_the_waiting_state(app, cast, client, phone):
    give_password(cast, client)
    assert app.test_client().send(CODE, code=phone.code()).headers["Location"] == "/login"


def test_cookie_of_the_waiting_state_holds_no_secret(cast, client, phone):
    give_password(cast, client)
    with client.session_transaction() as cookie:
        content = str(dict(cookie))
    assert cast.ada.id in content
    for secret in (phone.secret, cast.ada.email, "$2b$", cast.ada.password):
        assert secret not in content


def test_person_signed_in_stays_so_until_the_second_step_is_done(app, cast, client, phone):
    cast.ben.sign_in(client)
    give_password_of_ada = client.send("/login", email=cast.ada.email, password=cast.ada.password)
    assert give_password_of_ada.headers["Location"] == CODE
    assert "Ben Cole" in client.get("/account/profile").text
    enter(client, phone.code())
    assert "Ada Park" in client.get("/account/profile").text


def test_secret_is_kept_under_the_current_secret_key(app, cast, phone, clock):
    with app.app_context():
        usual = vault()
    try:
        init_app(app, Vault(["the-next-secret-key-of-the-tests-9876", app.config["SECRET_KEY"]]))
        with app.app_context():
            assert second_factor.accept_code(cast.ada.row(), phone.code())
            db.session.commit()
        # The old key is given up.
        init_app(app, Vault(["the-next-secret-key-of-the-tests-9876"]))
        clock.shift(STEP_SECONDS)
        with app.app_context():
            assert second_factor.accept_code(cast.ada.row(), phone.code())
            assert vault().open(b"garbage") is None
        # With neither nothing is accepted, and nothing breaks.
        init_app(app, Vault(["a-third-secret-key-of-the-tests-012345"]))
        clock.shift(STEP_SECONDS)
        with app.app_context():
            assert not second_factor.accept_code(cast.ada.row(), phone.code())
    finally:
        init_app(app, usual)
