"""The file whose key is rotated: its other lines, its owner and the links to it stay as they are."""

import os
import re
import stat

import pytest

from tests.cli.folders import key_file
from tests.cli.test_rotating import status

pytestmark = pytest.mark.postgresql_later

SHAPES = {
    "comments": ("# CI of web\n\n{}\n# ask Ada\n", "utf-8"),
    "a comment with the key": ("# {}\n  {}\t\n# {}", "utf-8"),
    "no end of line": ("{}", "utf-8"),
    "Windows": ("\ufeff# Büro\r\n{}\r\n", "utf-8"),
    "a mark before the key": ("\ufeff{}\r\n# Büro", "utf-8"),
    "PowerShell": ("\ufeff# Büro\r\n{}\r\n", "utf-16-le"),
}


@pytest.mark.parametrize(("shape", "encoding"), SHAPES.values(), ids=SHAPES.keys())
def test_all_else_in_the_file_and_its_owner_stay(there, ada, shape, encoding):
    old = ada.new_key()
    file = key_file(there.home / ".reflow" / "api.key", shape.format(*[old["secret"]] * 3).encode(encoding))
    # Only root can give a file away, and would lock its owner out.
    owner = (4321, 4322) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(file, *owner)

    outcome = there.run("keys", "rotate", old["name"])

    assert outcome.code == 0, outcome.stderr
    text = file.read_bytes().decode(encoding)
    [secret] = set(re.findall("rfk_[0-9A-Za-z]+", text)) - {old["secret"]}
    is_in_comment = shape.startswith("# {}")
    others = [old["secret"]] if is_in_comment else []
    assert text == shape.format(*others, secret, *others)
    assert (file.stat().st_uid, file.stat().st_gid) == owner
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert status(ada, secret) == 200


def test_a_link_goes_on_leading_to_the_file(there, ada):
    old = ada.new_key()
    file = key_file(there.home / "keys" / "real", old["secret"])
    (there.folder / "my.key").symlink_to(file)

    assert there.run("-k", "my.key", "keys", "rotate", old["name"]).code == 0

    assert (there.folder / "my.key").is_symlink()
    assert status(ada, file.read_text().strip()) == 200
    assert status(ada, old["secret"]) == 401
