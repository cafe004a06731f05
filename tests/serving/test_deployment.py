"""The files in deploy/, checked by the programs that read them: systemd, nginx, hadolint."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest
import yaml

from tests.helpers.certificates import certificate
from tests.helpers.live_server import LiveServer, free_port

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
HOST = "accounts.example.com"
HIGHEST_EXPOSURE = 3.0
# Warnings about programs that are only installed on the servers of the units.
NOT_INSTALLED = re.compile(r".*/opt/reflow-accounts/bin/reflow-accounts is not executable.*")


@pytest.fixture
def systemd_analyze():
    """`systemd_analyze(…)`: its output about the units of deploy/."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")

    def run(*arguments):
        environ = os.environ | {"SYSTEMD_UNIT_PATH": f"{DEPLOY / 'systemd'}:", "LC_ALL": "C.UTF-8"}
        result = subprocess.run(
            ["systemd-analyze", *arguments],
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return result.stdout + result.stderr

    return run


def units(suffix):
    paths = sorted(map(str, (DEPLOY / "systemd").glob(f"*{suffix}")))
    assert paths
    return paths


def test_systemd_accepts_every_unit(systemd_analyze):
    output = systemd_analyze("verify", *units(".service"), *units(".timer")).splitlines()
    assert [line for line in output if not NOT_INSTALLED.match(line)] == []


def test_unit_has_no_unneeded_rights(systemd_analyze):
    for unit in units(".service"):
        output = systemd_analyze("security", "--offline=true", unit)
        [exposure] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", output)
        assert float(exposure) <= HIGHEST_EXPOSURE, unit


def test_every_timer_starts_a_unit():
    timers = {Path(name).stem for name in units(".timer")}
    assert timers < {Path(name).stem for name in units(".service")}


def test_container_file_has_no_lint_errors():
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    result = subprocess.run(
        [hadolint, DEPLOY / "container/Containerfile"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "")


def test_wheel_can_be_built_from_the_files_in_the_image(tmp_path):
    text = (DEPLOY / "container/Containerfile").read_text("utf-8")
    for line in re.findall(r"^COPY (?!--)(.+)$", text, re.MULTILINE):
        *names, target = line.split()
        for name in names:
            source = DEPLOY.parent / name
            if source.is_dir():
                shutil.copytree(source, tmp_path / target)
            else:
                (tmp_path / target).mkdir(exist_ok=True)
                shutil.copy(source, tmp_path / target)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "built")]
    subprocess.run(command, cwd=tmp_path, check=True)
    # Only files named there are sent to the build.
    included = set((DEPLOY.parent / ".dockerignore").read_text("utf-8").split())
    copied = {
        name for line in re.findall(r"^COPY (?!--)(.+)$", text, re.MULTILINE) for name in line.split()[:-1]
    }
    assert {f"!{name}" for name in copied} <= included


@pytest.fixture(scope="module")
def nginx_site(tmp_path_factory):
    """The site as in production, behind nginx with deploy/nginx; returns both ports, its log and the server."""
    if shutil.which("nginx") is None:
        pytest.skip("there is no nginx here")
    folder = tmp_path_factory.mktemp("nginx")
    server = LiveServer(
        folder,
        REFLOW_ENV="production",
        REFLOW_RATE_LIMITS="on",
        REFLOW_BASE_URL=f"https://{HOST}",
        REFLOW_TRUSTED_PROXIES="1",
    )
    server.launch()
    http, https, log = free_port(), free_port(), folder / "access.log"
    file = certificate(folder, host=HOST)
    text = (DEPLOY / "nginx/reflow-accounts.conf").read_text("utf-8")
    for placeholder, value in {
        "server 127.0.0.1:5000 ": f"server 127.0.0.1:{server.port} ",
        "listen 80;": f"listen 127.0.0.1:{http};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{https} ssl http2;",
        "    listen [::]:80;\n": "",
        "    listen [::]:443 ssl http2;\n": "",
        "/var/log/nginx/reflow-accounts.log": str(log),
        f"/etc/letsencrypt/live/{HOST}/fullchain.pem": str(file),
        f"/etc/letsencrypt/live/{HOST}/privkey.pem": str(file),
    }.items():
        assert placeholder in text
        text = text.replace(placeholder, value)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ {temporary}\n{text} }}\n"
    )
    nginx = subprocess.Popen(["nginx", "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
    _wait_until_ready(https)
    yield http, https, log, server
    nginx.terminate()
    nginx.wait()
    server.kill()


def _wait_until_ready(port):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError):
            if ask(port, "/readyz")[0] == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the site does not answer through nginx")


def _unverified_context():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def ask(port, path, *, tls=True, **headers):
    """Return status, headers and body of a GET through nginx."""
    connection = (
        HTTPSConnection("127.0.0.1", port, timeout=30, context=_unverified_context())
        if tls
        else HTTPConnection("127.0.0.1", port, timeout=30)
    )
    connection.request("GET", path, headers={"Host": HOST, **headers})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


def test_nginx_supports_http2_and_redirects_to_https(nginx_site):
    http, https, *_ = nginx_site
    context = _unverified_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", https), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        assert connection.selected_alpn_protocol() == "h2"
    status, headers, _ = ask(http, "/login?next=/account", tls=False)
    assert (status, headers["Location"]) == (308, f"https://{HOST}/login?next=/account")


def test_site_behind_nginx_uses_https_settings(nginx_site):
    _, https, *_ = nginx_site
    status, headers, body = ask(https, "/login")
    assert (status, b"Log in" in body) == (200, True)
    assert "max-age" in headers["Strict-Transport-Security"]
    assert "__Host-" in headers["Set-Cookie"]


def test_access_log_of_nginx_has_no_tokens_or_queries(nginx_site):
    _, https, log, _ = nginx_site
    for path in ("reset-password", "verify-email", "confirm-email", "invitations"):
        ask(https, f"/{path}/the-token?x=the-token")
    ask(https, "/login?next=the-token")
    text = log.read_text()
    assert "/reset-password/..." in text
    assert "the-token" not in text


def test_error_log_of_nginx_has_no_tokens(nginx_site):
    _, https, log, server = nginx_site
    server.kill()
    try:
        for path in ("reset-password", "verify-email", "confirm-email", "invitations"):
            assert ask(https, f"/{path}/the-token")[0] == 502
        assert ask(https, "/login")[0] == 502
    finally:
        server.launch()
        _wait_until_ready(https)
    text = log.with_name("error.log").read_text()
    assert "/login" in text
    assert "the-token" not in text


def test_guide_names_existing_files_and_units():
    guide = (DEPLOY.parent / "docs/operating.md").read_text("utf-8")
    files = set(re.findall(r"\bdeploy/[\w./-]+\w", guide))
    assert len(files) >= 4
    assert [name for name in files if not (DEPLOY.parent / name).exists()] == []
    unit_names = set(re.findall(r"\breflow-accounts-\w+\.(?:service|timer)\b", guide))
    assert unit_names <= {path.name for path in (DEPLOY / "systemd").iterdir()}
    commands = "\n".join(re.findall(r"^ {3}# (.*)$", guide, re.MULTILINE))
    assert subprocess.run(["bash", "-n"], input=commands, text=True, check=False).returncode == 0


def test_container_with_postgresql_gets_only_its_own_settings():
    compose = yaml.safe_load((DEPLOY / "container/compose.yaml").read_text("utf-8"))["services"]
    files = {name: compose[name]["env_file"] for name in ("web", "mail", "marketplace", "postgres")}
    assert set(files.values()) == {"environment", "postgres"}
    assert [name for name, file in files.items() if file == "postgres"] == ["postgres"]
    names = {
        file: set(
            re.findall(r"^(\w+)=", (DEPLOY / f"container/{file}.example").read_text("utf-8"), re.MULTILINE)
        )
        for file in ("environment", "postgres")
    }
    assert names["postgres"] == {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}
    assert not any(name.startswith("POSTGRES_") for name in names["environment"])


@pytest.mark.parametrize("file", ["systemd/environment.example", "container/environment.example"])
def test_setting_of_an_example_is_documented(file):
    names = re.findall(r"^(REFLOW_\w+)=", (DEPLOY / file).read_text("utf-8"), re.MULTILINE)
    documented = (DEPLOY.parent / "docs/configuration.md").read_text("utf-8")
    assert names
    assert [name for name in names if f"`{name}`" not in documented] == []
