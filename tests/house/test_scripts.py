"""Scripts use no unsafe browser APIs."""

import re

import pytest

from reflow_accounts import paths

SCRIPTS = sorted((paths.STATIC / "js").rglob("*.js"))
# OWASP ASVS 5.0: 3.2.2, 1.3.2, 14.3.3, 3.5.5.
NEVER = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|setHTML|DOMParser|document\.write|srcdoc"
    r"|\beval\b|\bFunction\(|setTimeout\([\"'`]"
    r"|localStorage|sessionStorage|indexedDB|document\.cookie|\bcaches\b|cookieStore"
    r"|postMessage|__proto__"
)
# 15.3.6: an object literal as a table, a member by a name that was worked out, a merge into what was there.
MEMBERS = re.compile(
    r"[=(,:]\s*\{\s*\}"
    r"|[\w)\]]\[.*\][ ]*[-+*/|&?]*=(?![=>])"
    r"|\.(?:prototype|constructor)\b|Object\.(?:setPrototypeOf|fromEntries|defineProperty)"
    r"|Object\.assign\((?!document\.createElement\()|Reflect\.set|structuredClone|\bmerge\b"
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
def test_scripts_use_no_unsafe_apis(script):
    found = NEVER.findall(script.read_text("utf-8"))
    assert not found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
def test_scripts_set_no_computed_members(script):
    """Tables are maps and sets, which have no prototype that a name could reach."""
    assert not MEMBERS.findall(script.read_text("utf-8"))


@pytest.mark.parametrize(
    "bad",
    [
        "const seen = {};",
        "seen[name] = 1",
        "seen[name] += 1",
        "Object.assign(a, b)",
        "a.constructor.prototype.x = 1",
    ],
)
def test_computed_member_rule_finds_examples(bad):
    assert MEMBERS.search(bad)


def test_unsafe_api_rule_finds_examples():
    assert len(SCRIPTS) >= 3
    for bad in (
        "a.innerHTML = b",
        "eval(x)",
        "localStorage.x = 1",
        "new Function('x')",
        "parent.postMessage(1)",
    ):
        assert NEVER.search(bad), bad
