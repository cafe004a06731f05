"""Folders: templates/, static/, migrations/ and build/cli/ (in the checkout or the wheel), and instance/."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent

# In a checkout these folders are beside the package, in the wheel inside it.
ROOT = _CHECKOUT if (_CHECKOUT / "templates").is_dir() else _PACKAGE

TEMPLATES = ROOT / "templates"
STATIC = ROOT / "static"
MIGRATIONS = ROOT / "migrations"
COMMAND_FILES = ROOT / "build" / "cli"


def instance_folder() -> Path:
    """Return the default folder for the database and the generated secret key; it may not exist."""
    return (_CHECKOUT if ROOT == _CHECKOUT else Path.cwd()) / "instance"
