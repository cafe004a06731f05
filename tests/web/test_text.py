"""Text validation, public ids, cursors."""

import pytest

from reflow_accounts.database import now, public_id
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.web import text
from reflow_accounts.web.filters import time_tag
from reflow_accounts.web.pagination import HIGHEST_NUMBER, Position, read_cursor


@pytest.mark.parametrize("character", ["\n", "\x1b", "\x7f", "\ud800", "\u2028", "\u2029", "\u202e"])
def test_control_characters_are_not_plain(character):
    assert not text.is_plain(f"a{character}b")


@pytest.mark.parametrize(
    "blank", ["\u115f", "\u034f", "\ufe0f", "\u2800", "\u3164", "\U000e0100", "\u200b", " "]
)
def test_blank_text_is_not_visible(blank):
    assert not text.is_visible(3 * blank)
    assert text.is_visible(f"{blank}a")


@pytest.mark.parametrize("other", ["a\u200bda", "ADA", "\uff41da", "ad\u00ada"])
def test_equivalent_names_are_equal(other):
    assert text.folded(other) == text.folded("ada")


def test_time_tag_escapes_its_text():
    assert "<b>" not in time_tag(now(), "<b>")


def test_public_id_cannot_be_guessed():
    ids = {public_id("usr")() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(id_) for id_ in ids} == {len("usr_") + 16}


@pytest.mark.parametrize("cursor", ["c1.2x", "xc1.2", "c1", "c1.2.3", "1.2", "c1.-2", "c\u0661.2"])
def test_malformed_cursor_is_refused(cursor):
    with pytest.raises(ValidationFailed):
        read_cursor(cursor, 2)


def test_out_of_range_cursor_is_the_last_position():
    position = Position.of((HIGHEST_NUMBER, 1))
    assert position is not None
    assert position.at.year == 9999
