"""Import contracts, and modules that may use the network and cryptography."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Modules that open connections, and their users (OWASP ASVS 5.0, 13.2.4), without the CLI.
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
TALKS = {"auth/password_policy.py", "mail/transport.py", "server.py", "web/allowed_hosts.py"}
# Cryptographic modules and their approved functions (11.2.1, 11.4.1, 11.5.1). SHA-1 is only the name of a password in
# the interface for breached passwords.
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


def test_import_contracts_hold():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_package_itself_imports_nothing():
    question = "import sys; before = set(sys.modules); import reflow_accounts; print(sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", question], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['reflow_accounts']"


def test_modules_have_a_one_line_docstring():
    for file in sorted(ROOT.glob("reflow_accounts/**/*.py")):
        first = file.read_text("utf-8").partition("\n")[0]
        assert first.startswith('"""'), file
        assert first.endswith('"""'), f"{file}: {first}"


def test_server_connects_only_to_the_mail_server():
    """And to the service for breached passwords, beside the database, and Redis or Valkey where they are named."""
    found = {name for name, tree in modules() if NETWORK & set(imports(tree))}
    assert {name for name in found if not name.startswith("cli/")} == TALKS


def test_programs_are_run_without_a_shell():
    for name, tree in modules():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            assert "shell" not in {word.arg for word in call.keywords}, name
        for node in ast.walk(tree):
            used = f"{ast.unparse(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""
            assert used not in ("os.system", "os.popen", "asyncio.create_subprocess_shell"), name
            assert name.startswith("cli/") or not used.startswith("subprocess."), name


def test_format_strings_are_constants():
    """Texts of users are arguments of a format, never the format (OWASP ASVS 5.0, 1.3.10)."""
    for name, tree in modules():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        for call in (call for call in calls if isinstance(call.func, ast.Attribute)):
            of, method = call.func.value, call.func.attr
            if method in ("format", "format_map"):
                # Written out, in a constant, or in a local variable with one of the sentences of the caller.
                is_constant = re.match(r"'|Markup\('|(\w+\.)?_?[A-Z_]+\b|sentence$", ast.unparse(of))
                assert is_constant, f"{name}: {ast.unparse(call)}"
            if ast.unparse(of) == "_logger" and method != "isEnabledFor":
                first = ast.unparse(call.args[0])
                assert isinstance(call.args[0], ast.Constant) or first == "action.value", f"{name}: {first}"


def test_encryption_uses_authenticated_recipes_only():
    """No cipher modes and paddings of our choice (11.3.1)."""
    used = {found for _, tree in modules() for found in imports(tree) if found.startswith("cryptography")}
    assert {found for found in used if "ciphers" in found or "padding" in found} == set()
    assert "cryptography.fernet" in used


def test_hashes_and_random_numbers_use_approved_modules():
    for name, tree in modules():
        assert "random" not in set(imports(tree)), name
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                known = CRYPTOGRAPHY.get(node.value.id)
                is_name = name == "auth/password_policy.py" and node.attr == "sha1"
                assert known is None or is_name or node.attr in known, f"{name}: {node.value.id}.{node.attr}"
