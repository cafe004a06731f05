"""The secret: its shape, its checksum, its randomness (contract, 6)."""

import re
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflow_accounts import contract
from reflow_accounts.auth.secrets import digest_of, hint_of, new_secret
from reflow_accounts.contract import ALPHABET, KEY_PREFIX, SESSION_PREFIX, is_well_formed

PREFIXES = st.sampled_from([KEY_PREFIX, SESSION_PREFIX])
BODIES = st.text(ALPHABET, min_size=43, max_size=43)


def base62(number: int) -> str:
    """An independent implementation of the checksum's encoding."""
    digits = [ALPHABET[number // 62**index % 62] for index in range(5, -1, -1)]
    return "".join(digits)


@pytest.mark.parametrize("prefix", [KEY_PREFIX, SESSION_PREFIX])
def test_new_secret_has_the_documented_format(prefix):
    secret = new_secret(prefix)
    assert re.fullmatch(prefix + r"[0-9A-Za-z]{49}", secret)
    assert len(secret) == 53
    assert is_well_formed(secret)
    assert hint_of(secret) == secret[-4:]
    assert len(digest_of(secret)) == 32


def test_alphabet_is_ordered_as_in_the_contract():
    assert string.digits + string.ascii_uppercase + string.ascii_lowercase == ALPHABET


@given(PREFIXES, BODIES)
def test_checksum_is_the_crc_32_in_base_62(prefix, body):
    expected = base62(zlib.crc32((prefix + body).encode()))
    assert contract.checksum(prefix + body) == expected
    assert is_well_formed(prefix + body + expected)


def test_known_checksums_are_stable():
    assert contract.checksum("rfk_" + "0" * 43) == base62(zlib.crc32(b"rfk_" + b"0" * 43))
    assert contract.checksum("") == "000000"


@pytest.mark.parametrize("body", [KEY_PREFIX + "a" * 42, KEY_PREFIX + "a" * 44, "rfx_" + "a" * 43])
def test_other_lengths_and_prefixes_are_refused(body):
    assert not is_well_formed(body + contract.checksum(body))


@given(PREFIXES, BODIES, st.integers(0, 52), st.sampled_from(ALPHABET))
def test_wrong_character_is_detected(prefix, body, index, character):
    secret = prefix + body + contract.checksum(prefix + body)
    changed = secret[:index] + character + secret[index + 1 :]
    assert is_well_formed(changed) == (changed == secret)


@given(PREFIXES, BODIES, st.integers(0, 51))
def test_swapped_neighbours_are_detected(prefix, body, index):
    secret = prefix + body + contract.checksum(prefix + body)
    changed = secret[:index] + secret[index + 1] + secret[index] + secret[index + 2 :]
    assert is_well_formed(changed) == (changed == secret)


@given(st.text(max_size=80))
def test_text_is_not_taken_for_a_secret(text):
    assert not is_well_formed(text)


@given(st.text(min_size=49, max_size=49))
def test_characters_outside_the_alphabet_are_refused(text):
    assert is_well_formed("rfk_" + text) == (
        set(text) <= set(ALPHABET) and text[-6:] == contract.checksum("rfk_" + text[:-6])
    )


def test_secrets_are_unique_and_use_the_whole_alphabet():
    secrets = [new_secret(KEY_PREFIX) for _ in range(500)]
    assert len(set(secrets)) == 500
    assert set("".join(secret[4:47] for secret in secrets)) == set(ALPHABET)
