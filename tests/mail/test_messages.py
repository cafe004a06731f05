"""Messages: both parts, headers, links, and text from users."""

import stat

import pytest

from reflow_accounts.auth.models import LinkPurpose
from reflow_accounts.mail.rendering import read_link, sign_link
from tests.helpers.html import parse
from tests.helpers.mailbox import html_of, text_of

pytestmark = pytest.mark.postgresql_later

PURPOSE = LinkPurpose.RESET_PASSWORD


def test_message_has_both_parts_and_is_marked_as_automatic(outbox, mailbox):
    outbox.post()
    [message] = mailbox.deliver()
    assert message["Subject"] == "Mail from Reflow works"
    assert message["To"] == "ada@acme.example"
    assert message["From"] == "Reflow <support@reflow.example>"
    assert message["Reply-To"] is None
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime.tzinfo
    assert message.get_content_type() == "multipart/alternative"
    assert "It works." in text_of(message)
    assert mailbox.link_in(message) == "/"


def test_html_part_has_no_images_scripts_or_external_content(outbox, mailbox):
    outbox.post()
    page = parse(html_of(mailbox.deliver()[0]))
    assert not page.all("img", "script", "link", "style", "iframe", "form")
    assert page["lang"] or page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == 1
    assert {item["role"] for item in page.all("table")} == {"presentation"}
    assert not [item for item in page.elements if "url(" in item["style"]]


def test_replies_go_to_support_with_another_sender(outbox, mailbox, settings):
    settings(mail_from="no-reply@mail.example")
    outbox.post()
    [message] = mailbox.deliver()
    assert message["From"] == "Reflow <no-reply@mail.example>"
    assert message["Reply-To"] == "support@reflow.example"
    assert message["Message-ID"].endswith("@mail.example>")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("<b>Bold</b>", "<b>Bold</b>"),
        ("Ann\r\nBcc: all@example.com", "Ann Bcc: all@example.com"),
        ("Ann\nSubject: other", "Ann Subject: other"),
        ("evil\u202egnp.exe", "evil gnp.exe"),
        ("\u2067right to left\u2069", "right to left"),
        ("nul\0esc\x1b", "nul esc"),
        ("line\u2028end", "line end"),
        ("דנה", "דנה"),
        ("Zoë Ångström-" + "x" * 100, "Zoë Ångström-" + "x" * 100),
    ],
)
def test_name_is_escaped_everywhere(templates, outbox, mailbox, name, expected):
    outbox.post("named", name=name)
    [message] = mailbox.deliver()
    assert message["Subject"] == f"{expected} wrote to you"
    assert text_of(message).splitlines() == [f"{expected} is the name."]
    assert set(message.keys()) == {
        "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
    }  # fmt: skip
    page = parse(html_of(message))
    assert page.all("bdi")[0].text == expected
    assert not page.all("b")


def test_undefined_template_variable_is_an_error(templates, outbox, mailbox):
    outbox.post("named")
    assert mailbox.deliver() == []
    assert outbox.row().failure == "the message could not be made (UndefinedError)"


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("john..doe@example.com", "john..doe@example.com"),
        ("ada+reflow@bücher.example", "ada+reflow@xn--bcher-kva.example"),
    ],
)
def test_international_domain_is_encoded(outbox, mailbox, to, expected):
    outbox.post("trial", to)
    [message] = mailbox.deliver()
    assert message["To"].addresses[0].addr_spec == expected


def test_address_with_non_ascii_characters_is_kept_in_the_file(outbox, mailbox):
    before = set(mailbox._folder.glob("*"))
    outbox.post("trial", "jürgen@example.com")
    mailbox.deliver()
    [file] = set(mailbox._folder.glob("*")) - before
    assert "\r\nTo: jürgen@example.com\r\n" in file.read_bytes().decode()


def test_file_is_private_and_its_path_is_logged(outbox, mailbox, caplog):
    outbox.post()
    before = set(mailbox._folder.glob("*"))
    mailbox.deliver()
    [file] = set(mailbox._folder.glob("*")) - before
    assert file.suffix == ".eml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert str(file) in caplog.text


def test_unwritable_folder_loses_no_message(outbox, mailbox, settings, tmp_path):
    from reflow_accounts.mail.transport import ServerUnavailable

    (tmp_path / "outbox").write_text("a file where the folder should be")
    settings(instance=tmp_path)
    outbox.post()
    with pytest.raises(ServerUnavailable):
        outbox.send()
    assert outbox.row().failure.startswith("the folder of outgoing mail cannot be written")
    (tmp_path / "outbox").unlink()
    outbox.let_time_pass()
    assert outbox.send() == 1
    assert list((tmp_path / "outbox").glob("*.eml"))
    assert not list((tmp_path / "outbox").glob("*.part"))


def test_links_use_the_configured_host(app, settings, monkeypatch):
    from reflow_accounts.web.redirects import absolute, configured

    monkeypatch.delenv("HOST", raising=False)
    monkeypatch.delenv("PORT", raising=False)
    with app.app_context():
        assert absolute("public.auth.login") == "http://127.0.0.1:5000/login"
        monkeypatch.setenv("HOST", "::1")
        monkeypatch.setenv("PORT", "8080")
        assert absolute("public.auth.login") == "http://[::1]:8080/login"
    with app.test_request_context(base_url="http://evil.example"):
        assert configured("public.auth.login") == "http://[::1]:8080/login"
        settings(base_url="https://accounts.example.com")
        assert configured("public.auth.login") == "https://accounts.example.com/login"
        assert absolute("public.auth.login") == "https://accounts.example.com/login"


def test_token_is_valid_for_its_purpose_only(app):
    with app.app_context():
        token = sign_link("lnk_1", PURPOSE)
        assert read_link(token, PURPOSE) == "lnk_1"
        for other in set(LinkPurpose) - {PURPOSE}:
            assert read_link(token, other) is None


@pytest.mark.parametrize("token", ["", ".", "lnk_1", "lnk_1.", "lnk_1.x", "é.é", "\0", "x" * 10_000])
def test_invalid_token_is_refused(app, token):
    with app.app_context():
        assert read_link(token, PURPOSE) is None


def test_token_with_broken_characters_is_refused(app):
    with app.app_context():
        assert read_link("\ud800.x", PURPOSE) is None


def test_changed_token_is_refused(app):
    with app.app_context():
        token = sign_link("lnk_1", PURPOSE)
        assert read_link(token.replace("lnk_1", "lnk_2"), PURPOSE) is None
        assert read_link(token.upper(), PURPOSE) is None


def test_token_of_a_fallback_key_is_valid(app, settings):
    with app.app_context():
        old = app.config["SETTINGS"].secret_key
        token = sign_link("lnk_1", PURPOSE)
        settings(secret_key="x" * 32, secret_key_fallbacks=(old,))
        assert read_link(token, PURPOSE) == "lnk_1"
        assert sign_link("lnk_1", PURPOSE) != token
        settings(secret_key_fallbacks=())
        assert read_link(token, PURPOSE) is None
