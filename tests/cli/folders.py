"""Real git repositories, and files with keys in them."""

import json
import os
import subprocess
from pathlib import Path

_ENVIRON = {
    "PATH": os.environ["PATH"],
    "HOME": os.devnull,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{
        f"GIT_{role}_{field}": "test@reflow.example"
        for role in ("AUTHOR", "COMMITTER")
        for field in ("NAME", "EMAIL")
    },
}


def git(folder: Path, *words: str) -> None:
    command = ["git", "-c", "protocol.file.allow=always", *words]
    subprocess.run(command, cwd=folder, env=_ENVIRON, check=True, capture_output=True)


def repository(folder: Path) -> Path:
    """Create a repository with one commit that ignores `reflow.key`."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text("reflow.key\n")
    git(folder, "add", ".gitignore")
    git(folder, "commit", "--quiet", "-m", "start")
    return folder


def key_file(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else f"{content}\n".encode())
    path.chmod(mode)
    return path


def secret_in(file: Path) -> str:
    """Return the secret in a key file that names its server."""
    server, secret = file.read_text().splitlines()
    assert server.startswith("# server: http"), server
    return secret


def login(home: Path, server: str, secret: str) -> Path:
    """Store a login as `reflow login` does."""
    content = {"sessions": {server: {"secret": secret, "name": "Ada Park", "id": "ses_1"}}}
    return key_file(home / ".reflow" / "session.json", json.dumps(content))
