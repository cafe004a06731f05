"""Imports run down, and `reflow_accounts` itself imports nothing (house: imports)."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Whatever can open a connection, and the places that do (OWASP ASVS 5.0, 13.2.4); the command is a client.
NETWORK = {
    "smtplib",
    "socket",
    "http.client",
    "urllib.request",
    "ssl",
    "ftplib",
    "requests",
    "httpx",
    "urllib3",
}
TALKS = {"mail/transport.py", "server.py", "web/allowed_hosts.py"}
# Whatever computes with secrets, and what is taken from it (11.2.1, 11.4.1, 11.5.1).
CRYPTOGRAPHY = {"hashlib": {"sha256", "sha384"}, "hmac": {"new", "digest", "compare_digest"}}


def modules():
    for file in sorted(ROOT.glob("reflow_accounts/**/*.py")):
        yield str(file.relative_to(ROOT / "reflow_accounts")), ast.parse(file.read_text("utf-8"))


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_the_import_contracts_hold():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_itself_imports_nothing():
    question = "import sys; before = set(sys.modules); import reflow_accounts; print(sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", question], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['reflow_accounts']"


def test_every_module_says_in_one_line_what_lives_in_it():
    for file in sorted(ROOT.glob("reflow_accounts/**/*.py")):
        first = file.read_text("utf-8").partition("\n")[0]
        assert first.startswith('"""'), file
        assert first.endswith('"""'), f"{file}: {first}"


def test_the_site_talks_to_nobody_but_the_mail_server():
    """Beside its database and, where named, Redis or Valkey, whose drivers make their own connections."""
    found = {name for name, tree in modules() if NETWORK & set(imports(tree))}
    assert {name for name in found if not name.startswith("cli/")} == TALKS


def test_hashes_and_chance_come_from_where_they_are_good():
    for name, tree in modules():
        assert "random" not in set(imports(tree)), name
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                known = CRYPTOGRAPHY.get(node.value.id)
                assert known is None or node.attr in known, f"{name}: {node.value.id}.{node.attr}"
