"""Two-factor authentication on the Security tab: set up, recovery codes, turn off."""

import re
from datetime import timedelta

import pytest

from reflow_accounts.auth.models import RecoveryCode
from reflow_accounts.database import db, now
from reflow_accounts.mail.models import OutboxMessage
from tests.helpers import rows
from tests.helpers.authenticator_app import AuthenticatorApp, turn_on
from tests.helpers.html import parse
from tests.helpers.mailbox import Mailbox, html_of, text_of

TAB = "/account/security"
NEW = f"{TAB}/second-factor/new"
ON = f"{TAB}/second-factor"
OFF = f"{TAB}/second-factor/removal"
CODES = f"{TAB}/recovery-codes"
CODE = re.compile(r"\b[2-9a-z]{6}(?:-[2-9a-z]{6}){3}\b")

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def ada(cast, client, clock):
    return cast.ada.sign_in(client)


def set_up(ada, **fields):
    """Open the set-up page, enter the code of its key; return the response and the authenticator app."""
    page = ada.page(NEW)
    app = AuthenticatorApp(page.with_id("setup-key").text)
    return ada.submit(page, ON, code=fields.get("code", app.code())), app


def section_text(ada):
    return ada.page(TAB).with_id("auth-second-factor").text


def notice_sentences(app):
    with app.app_context():
        return [
            message.data["sentence"]
            for message in db.session.scalars(db.select(OutboxMessage).order_by(OutboxMessage.id))
        ]


def test_user_turns_it_on_and_sees_ten_recovery_codes_once(app, ada):
    assert "Off" in section_text(ada)
    response, authenticator = set_up(ada)
    assert response.status_code == 200
    page = parse(response.text)
    assert page.with_id("heading").text == "Save your recovery codes"
    codes = page.with_id("secret").text.split()
    assert len(set(codes)) == 10
    assert all(CODE.fullmatch(code) for code in codes)
    link = next(link for link in page.all("a") if "download" in link)
    assert link["download"] == "reflow-recovery-codes.txt"
    assert "%0A".join(codes) + "%0A" in link["href"]
    assert authenticator.secret not in response.text
    after = ada.get(TAB).text
    assert "10 of your recovery codes are left" in after
    assert not CODE.search(after)
    assert ("second_factor.on", "Ada Park", "") in rows.audit_events(app)
    assert notice_sentences(app) == ["Two-factor authentication turned on."]


def test_qr_code_and_setup_key_are_shown_only_on_the_page(app, cast, ada):
    response = ada.get(NEW)
    page = parse(response.text)
    key = page.with_id("setup-key").text
    assert re.fullmatch("[A-Z2-7]{32}", key)
    qr_code = next(svg for svg in page.all("svg") if svg["class"] == "qr")
    assert len(qr_code.all("path")[0]["d"]) > 1000
    with ada.session_transaction() as cookie:
        assert key not in str(dict(cookie))
    assert response.headers["Cache-Control"] == "no-store"
    # Opening the page changes nothing, and shows another key each time.
    assert ada.page(NEW).with_id("setup-key").text != key
    with app.app_context():
        assert cast.ada.row().totp_secret is None


def test_qr_code_is_drawn_as_svg_path(cast):
    from reflow_accounts.auth.pages.second_factor import QrCode

    qr_code = QrCode.of("otpauth://totp/Reflow:ada%40acme.example?secret=ABC&issuer=Reflow")
    # The three corners of a QR code are 7 modules wide, inside a margin of 4.
    assert qr_code.size >= 29
    assert qr_code.path.startswith("M4 4h1v1h-1zM5 4h1v1h-1z")


def test_secret_and_codes_are_not_readable_in_the_database(app, cast, ada):
    response, authenticator = set_up(ada)
    codes = parse(response.text).with_id("secret").text.split()
    with app.app_context():
        stored = repr(
            db.session.execute(db.text("SELECT totp_secret FROM users")).all()
            + db.session.execute(db.text("SELECT digest FROM recovery_codes")).all()
        )
    assert authenticator.secret not in stored
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)


@pytest.mark.parametrize(
    "code",
    [
        "",
        " ",
        "000000",
        "12345",
        "1234567",
        "abcdef",
        "１２３４５６",
        "٠١٢٣٤٥",
        "1" * 10_000,
        "-00001",
        "1e5",
        "0x1234",
    ],
)
def test_wrong_code_does_not_turn_it_on(app, cast, ada, code):
    page = ada.page(NEW)
    key = page.with_id("setup-key").text
    response = ada.submit(page, ON, code=code)
    assert response.status_code == 422
    assert "Enter the newest one of your app, and check the clock of your phone" in response.text
    assert "Error: " in response.text
    # The same key again, so that the app need not be set up anew.
    again = parse(response.text)
    assert again.with_id("setup-key").text == key
    again.attributes["address"] = ON
    assert ada.submit(again, ON, code=AuthenticatorApp(key).code()).status_code == 200


def test_spaces_in_a_code_are_ignored(ada):
    page = ada.page(NEW)
    code = AuthenticatorApp(page.with_id("setup-key").text).code()
    assert ada.submit(page, ON, code=f" {code[:3]} {code[3:]} ").status_code == 200


@pytest.mark.parametrize("setup", ["", "x", "é", "gAAAAA", "\ud800", "x" * 20_000])
def test_forged_setup_is_refused(app, cast, ada, setup):
    response = ada.send(
        ON, setup=setup.encode("utf-8", "surrogatepass").decode("utf-8", "replace"), code="000000"
    )
    assert response.status_code == 410
    assert "open for too long" in response.text


def test_setup_is_valid_for_an_hour_and_its_owner(app, cast, ada, clock):
    page = ada.page(NEW)
    authenticator = AuthenticatorApp(page.with_id("setup-key").text)
    ben = cast.ben.sign_in(app.test_client())
    sealed_setup = next(item["value"] for item in page.all("input") if item["name"] == "setup")
    assert ben.send(ON, setup=sealed_setup, code=authenticator.code()).status_code == 410
    clock.shift(3601)
    cast.ada.change_sessions(proven_at=now())
    assert ada.submit(page, ON, code=authenticator.code()).status_code == 410


def test_turning_it_on_twice_creates_no_second_secret(app, ada):
    page = ada.page(NEW)
    authenticator = AuthenticatorApp(page.with_id("setup-key").text)
    ada.submit(page, ON, code=authenticator.code())
    response = ada.submit(page, ON, code=authenticator.code())
    assert response.status_code == 409
    assert "already on" in response.text
    assert not CODE.search(response.text)
    assert rows.count(app, RecoveryCode) == 10
    assert ada.get(NEW).headers["Location"] == TAB


def test_new_recovery_codes_replace_the_old_ones_once(app, ada, clock):
    old = parse(set_up(ada)[0].text).with_id("secret").text.split()
    page = ada.page(TAB)
    clock.shift(1)
    response = ada.submit(page, CODES)
    new = parse(response.text).with_id("secret").text.split()
    assert not set(old) & set(new)
    assert rows.count(app, RecoveryCode) == 10
    # A reload sends the same form once more.
    again = ada.submit(page, CODES)
    assert again.status_code == 409
    assert "already made" in again.text
    assert not CODE.search(again.text)
    assert ("recovery_codes.made", "Ada Park", "") in rows.audit_events(app)
    assert notice_sentences(app)[-1] == "Recovery codes made."


@pytest.mark.parametrize("seen", ["", "x", "20261124120010000000", "9" * 10_000])
def test_recovery_codes_are_not_created_while_it_is_off(app, ada, seen):
    assert ada.send(CODES, seen=seen).status_code == 409
    assert rows.count(app, RecoveryCode) == 0


def test_turning_it_off_requires_the_password(app, cast, ada):
    set_up(ada)
    page = ada.page(OFF)
    for wrong in ("", "not the password", "x" * 10_000):
        assert ada.submit(page, OFF, proof_password=wrong).status_code == 422
    assert "On" in section_text(ada)
    response = ada.submit(page, OFF, proof_password=cast.ada.password)
    assert (response.status_code, response.headers["Location"]) == (303, TAB)
    assert "Two-factor authentication is off" in ada.get(TAB).text
    assert rows.count(app, RecoveryCode) == 0
    with app.app_context():
        assert (cast.ada.row().totp_secret, cast.ada.row().totp_step) == (None, None)
    assert ("second_factor.off", "Ada Park", "") in rows.audit_events(app)
    assert notice_sentences(app)[-1] == "Two-factor authentication turned off."
    assert ada.get(OFF).headers["Location"] == TAB


def test_password_turns_it_off_without_another_proof(cast, ada):
    set_up(ada)
    page = ada.page(OFF)
    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    assert ada.submit(page, OFF, proof_password=cast.ada.password).status_code == 303
    assert "Off" in section_text(ada)


def test_proof_with_a_code_still_requires_the_password(app, cast, ada):
    phone = turn_on(cast.ada)
    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    proof_page = ada.submit(ada.page(OFF), OFF, proof_password="wrong")
    response = ada.submit(parse(proof_page.text), OFF, proof_code=phone.code())
    assert response.status_code == 422
    assert "Enter your password" in response.text
    assert "This is not your password" not in response.text
    refused = [action for action, *_ in rows.audit_events(app) if action == "session.confirmation_refused"]
    assert len(refused) == 1


@pytest.mark.parametrize(("method", "path"), [("GET", NEW), ("POST", ON), ("POST", CODES), ("POST", OFF)])
def test_every_change_requires_a_recent_proof(app, cast, ada, method, path):
    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    response = ada.get(path) if method == "GET" else ada.send(path)
    assert response.status_code == 403
    assert "Confirm that it is you" in response.text
    assert "setup-key" not in response.text


def test_setup_affects_only_its_own_user(app, cast, ada):
    set_up(ada)
    with app.app_context():
        assert cast.ben.row().totp_on_at is None
    ben = cast.ben.sign_in(app.test_client())
    assert "Off" in section_text(ben)


def test_code_confirms_a_sensitive_action_once(cast, ada):
    authenticator = turn_on(cast.ada)
    code = authenticator.code()
    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    assert "Authentication code" in ada.send(CODES).text
    page = parse(ada.send(CODES, seen="x").text)
    assert ada.submit(page, CODES, proof_code="000000").status_code == 422
    # 409 is the refusal of the action, after a successful proof.
    assert ada.submit(page, CODES, proof_code=code).status_code == 409
    cast.ada.change_sessions(proven_at=now() - timedelta(minutes=31))
    assert ada.submit(page, CODES, proof_code=code).status_code == 422


def test_notice_names_the_change_the_time_and_the_address(app, cast, client):
    mailbox = Mailbox(app)
    turn_on(cast.ada)
    [message] = mailbox.deliver()
    assert (message["To"], message["Subject"]) == (cast.ada.email, "How you sign in to Reflow was changed")
    for part in (text_of(message), html_of(message)):
        assert "Ada Park" in part
        assert "Two-factor authentication turned on." in part
        assert "192.0.2.1" in part
