"""CSV export: complete, safe in spreadsheets, streamed."""

import csv
import io
from datetime import timedelta

import pytest
from sqlalchemy import text

from reflow_accounts.activity import streaming
from reflow_accounts.activity.export import HEADINGS, escape_formula
from reflow_accounts.api_keys.usage import retention
from reflow_accounts.database import db, now
from reflow_accounts.teams.models import Rights
from tests.api_keys.usage import use_log
from tests.api_keys.usage.use_log import only_on
from tests.helpers import rows

pytestmark = pytest.mark.postgresql_later

PAGE = "/account/activity"


def download(client, **filters):
    """Submit the download button with these filters; return the lines below the heading."""
    page = client.page(PAGE)
    [button] = [button for button in page.all("button") if button.text == "Download CSV"]
    response = client.get(button["formaction"], query_string={"key": "", "period": ""} | filters)
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="reflow-activity.csv"'
    assert response.headers["Cache-Control"] == "no-store"
    first, *data_lines = csv.reader(io.StringIO(response.data.decode("utf-8"), newline=""))
    assert first == list(HEADINGS)
    return data_lines


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


def test_file_has_the_lines_of_the_page(cast, api, ada):
    key = cast.ada.key("CI")
    api(key.secret).get("/me", headers={"User-Agent": "curl/8"})
    cast.acme.unsubscribe()
    api(key.secret).get("/keys")
    lines = download(ada)
    assert [line[1:4] for line in lines] == [
        ["API key refused", "CI", "Ada Park"],
        ["Subscription set to inactive", "Acme", "Operator"],
        ["API key used", "CI", "Ada Park"],
        ["API key created", "CI", "Ada Park"],
        ["Signed in", "Unknown device", "Ada Park"],
        ["Subscription set to active", "Acme", "Operator"],
    ]
    assert lines[0][4:8] == ["GET", "/api/v1/keys", "403", "subscription_inactive"]
    assert lines[2][4:] == ["GET", "/api/v1/me", "200", "accepted", "127.0.0.1", "curl/8", ""]
    assert lines[3][8] == "192.0.2.1"
    times = [line[0] for line in lines]
    assert times == sorted(times, reverse=True)
    assert len(times[0]) == len("2026-11-23 16:40:51")


def test_file_is_filtered_by_key_and_period(app, cast, ada):
    one, other = cast.ada.key("one"), cast.ada.key("other")
    for days in (40, 20, 3, 0):
        use_log.append(app, use_log.key_number(app, one.id), now() - timedelta(days=days), f"/{days}")
    use_log.append(app, use_log.key_number(app, other.id), now(), "/other")

    def paths(**filters):
        return [line[5] for line in download(ada, **filters) if line[5]]

    assert paths() == ["/other", "/0", "/3", "/20", "/40"]
    assert paths(key=one.id) == ["/0", "/3", "/20", "/40"]
    assert paths(key=one.id, period="30d") == ["/0", "/3", "/20"]
    assert paths(period="7d") == ["/other", "/0", "/3"]
    assert paths(key=other.id, period="24h") == ["/other"]
    assert {line[2] for line in download(ada, key=one.id)} == {"one"}


def test_outsiders_get_their_own_file_and_nobody_elses_key(cast, client):
    key = cast.ada.key("secret plans")
    cast.charlie.sign_in(client)
    assert client.get(f"{PAGE}/export?key={key.id}").status_code == 404
    assert "secret plans" not in str(download(client))
    assert "Acme" not in str(download(client))


@pytest.mark.parametrize("path", ["/activity", "/activity/export"])
def test_empty_key_filter_is_404(cast, api, path):
    """A script sends an empty key when the variable of `key=$KEY` is not set."""
    assert api(cast.ada.session()).get(f"{path}?key=").status_code == 404


def test_download_requires_log_in(app, client):
    assert client.get(f"{PAGE}/export").headers["Location"].startswith("/login?next=")


@pytest.mark.parametrize("first_character", ["=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝"])
def test_cells_do_not_start_a_spreadsheet_formula(first_character):
    assert escape_formula(f"{first_character}1+1") == f"'{first_character}1+1"
    assert escape_formula(f"1{first_character}1") == f"1{first_character}1"
    assert escape_formula("") == ""


def test_user_text_is_escaped_and_complete(cast, api, ada):
    name = '=HYPERLINK("https://evil.example","a, b")'
    key = cast.ada.key(name)
    cast.ada.change(full_name="@Ada “Ünï” Park")
    api(key.secret).get("/keys", headers={"User-Agent": "-cmd|' /C calc'!A0"})
    line = download(ada, key=key.id)[0]
    assert line[2] == f"'{name}"
    assert line[3] == "'@Ada “Ünï” Park"
    assert line[9] == "'-cmd|' /C calc'!A0"


def test_file_names_the_program_beside_its_user_agent(cast, api, ada):
    key = cast.ada.key("CI")
    user_agent = "reflow/1.2.3 (Linux x86_64) GitHub-Actions (%3D1+1/web; run 812)"
    api(key.secret).get("/me", headers={"User-Agent": user_agent})
    assert download(ada, key=key.id)[0][9:] == [user_agent, "GitHub Actions, =1+1/web, run 812"]


@pytest.mark.slow
def test_long_file_is_streamed_completely(app, cast, ada):
    """30,000 uses, most of them rolled up, appear once and newest first; each step needs few statements."""
    key = use_log.key_number(app, cast.ada.key("busy").id)
    for part in range(10):
        use_log.append_many(app, key, 3000, f"/{part}")
        if part < 9:
            use_log.roll_up(app)
    with rows.collect_statements(app) as statements:
        response = ada.get(f"{PAGE}/export?period=30d", buffered=False)
        assert response.is_streamed
        pieces = list(response.response)
    lines = list(csv.reader(io.StringIO(b"".join(pieces).decode(), newline="")))[1:]
    paths = [line[5] for line in lines if line[5]]
    assert paths == [f"/{part}" for part in reversed(range(10)) for _ in range(3000)]
    assert len(pieces) == 151
    assert max(map(len, pieces)) < 200_000
    assert statements.count < 15 * len(pieces)


def test_uses_recorded_during_a_download_do_not_shift_it(app, cast, ada):
    key = use_log.key_number(app, cast.ada.key("busy").id)
    use_log.append_many(app, key, 2500)
    pieces = iter(ada.get(f"{PAGE}/export", buffered=False).response)
    pieces_read = [next(pieces)]
    use_log.append_many(app, key, 2500, "/new")
    use_log.roll_up(app)
    pieces_read += pieces
    paths = [line[5] for line in csv.reader(io.StringIO(b"".join(pieces_read).decode(), newline=""))]
    assert paths.count("/many") == 2500
    assert "/new" not in paths


def test_download_survives_pruning(app, cast, ada):
    key = use_log.key_number(app, cast.ada.key("busy").id)
    for days in (500, 400, 3):
        use_log.append(app, key, now() - timedelta(days=days), f"/{days}")
        use_log.roll_up(app)
    with app.app_context():
        retention.prune(now() - timedelta(days=365))
    assert [line[5] for line in download(ada) if line[5]] == ["/3"]


@only_on("postgresql")
def test_file_covers_all_partitions(app, cast, ada, monkeypatch):
    key = use_log.key_number(app, cast.ada.key("old").id)
    times = [now() - timedelta(days=days) for days in (0, 45, 80, 400)]
    for at in times[1:3]:
        monkeypatch.setattr(retention, "now", lambda at=at: at)
        with app.app_context():
            retention.ensure_months()
    monkeypatch.undo()
    with app.app_context():
        retention.ensure_months()
    for at in reversed(times):
        use_log.append(app, key, at, f"/{at:%Y_%m}")
        use_log.roll_up(app)
    with app.app_context():
        parts = list(db.session.scalars(text("SELECT tableoid::regclass::text FROM uses ORDER BY id")))
    assert parts == ["uses_other", *(f"uses_{at:%Y_%m}" for at in reversed(times[:3]))]
    assert [line[5] for line in download(ada) if line[5]] == [f"/{at:%Y_%m}" for at in times]


def test_incomplete_file_says_so(app, cast, ada):
    key = use_log.key_number(app, cast.ada.key("busy").id)
    use_log.append_many(app, key, 1500)
    pieces = iter(ada.get(f"{PAGE}/export", buffered=False).response)
    next(pieces)
    cast.ada.change(disabled_at=now())
    assert list(pieces) == [b",This file is not complete. Download it again.,,,,,,,,,\r\n"]


def test_slow_download_is_aborted(app, cast, ada, monkeypatch):
    use_log.append_many(app, use_log.key_number(app, cast.ada.key("busy").id), 1500)
    monkeypatch.setattr(streaming, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(streaming, "SLOWEST_BYTES_A_SECOND", 10**15)
    last = list(ada.get(f"{PAGE}/export", buffered=False).response)[-1]
    assert streaming.CUT_SHORT.encode() in last


def test_user_has_at_most_two_downloads(app, cast, ada):
    use_log.append_many(app, use_log.key_number(app, cast.ada.key("busy").id), 1500)
    downloads = [ada.get(f"{PAGE}/export", buffered=False) for _ in range(streaming.MOST_OF_ONE)]
    refused = ada.get(f"{PAGE}/export")
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert "Other downloads are under way" in refused.text
    assert ada.get(f"{PAGE}/export?period=24h&key={cast.ada.key('new').id}").status_code == 200
    downloads.pop().close()
    assert len(download(ada)) > 1500


def test_downloads_of_a_service_account_count_for_their_reader(app, cast, ada):
    use_log.append_many(app, use_log.key_number(app, cast.ci.key("busy").id), 1500)
    cast.acme.give(cast.ben, Rights.ADMIN)
    path, ben = f"{PAGE}/export?account={cast.ci.id}", cast.ben.sign_in(app.test_client())
    files = [iter(ada.get(path, buffered=False).response) for _ in range(streaming.MOST_OF_ONE)]
    for pieces in files:
        next(pieces)
    assert ben.get(path).status_code == 200
    cast.ada.change(disabled_at=now())
    assert list(files[0]) == [b",This file is not complete. Download it again.,,,,,,,,,\r\n"]
