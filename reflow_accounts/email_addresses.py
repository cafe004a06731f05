"""E-mail addresses: validation, the canonical form for comparison, and the form for mail servers."""

import re
import unicodedata

import idna

LONGEST_ADDRESS = 254
LONGEST_LOCAL_PART = 64
LONGEST_LABEL = 63

_NO_ADDRESS = "Enter an email address like name@example.com"
_NO_DOMAIN = "The part after the @ cannot be the name of a domain. Check it for typing errors"
_LONG_LOCAL_PART = (
    f"The part before the @ is too long. Mail servers accept {LONGEST_LOCAL_PART} characters there"
)
_LONG_LABEL = f"A name in the domain is too long. There can be {LONGEST_LABEL} characters between two dots"
_LONG_ADDRESS = f"This address is too long. Mail servers accept {LONGEST_ADDRESS} characters"
# By the code of an IDNAError.
_FAULTS = {"label_too_long": _LONG_LABEL, "domain_too_long": _LONG_ADDRESS}
# A dot-atom (RFC 5322, 3.2.3) with characters beyond ASCII (RFC 6531, 3.3), of printable characters.
_LOCAL_PART = re.compile(r"""[^\s@"(),:;<>\[\]\\.]+(\.[^\s@"(),:;<>\[\]\\.]+)*""")
# Also allows dots in other places: some servers accept such addresses, and so did older versions.
_SENDABLE = re.compile(r"""[^\s@"(),:;<>\[\]\\]+""")


class AddressError(ValueError):
    """Not an address that can receive mail. The message is for the person who typed it."""


def checked(value: str) -> str:
    """Return the canonical form of an address. Raises AddressError.

    The domain is in Unicode as IDNA 2008 defines it (RFC 5891; mapped by UTS #46 without the transitional
    mapping, so that `ß` stays `ß`): `xn--` forms and Unicode forms of a domain become equal. The local part is in
    lower case and NFC, without format characters. Lengths are those of the mailed form (RFC 5321, 4.5.3.1, and
    RFC 3696, erratum 1690).
    """
    local, _, domain = _composed(value).rpartition("@")
    local = unicodedata.normalize("NFC", _without_format_characters(local).lower())
    if not domain or not _LOCAL_PART.fullmatch(local) or not local.isprintable():
        raise AddressError(_NO_ADDRESS)
    ascii_domain = _encoded(domain)
    if "." not in ascii_domain:
        raise AddressError(_NO_ADDRESS)
    if len(local.encode()) > LONGEST_LOCAL_PART:
        raise AddressError(_LONG_LOCAL_PART)
    if len(local.encode()) + len("@") + len(ascii_domain) > LONGEST_ADDRESS:
        raise AddressError(_LONG_ADDRESS)
    return f"{local}@{idna.decode(ascii_domain)}"


def canonical(value: str) -> str | None:
    """Return the canonical form of an address as `checked` does, or None for an invalid one."""
    try:
        return checked(value)
    except AddressError:
        return None


def stored_forms(value: str) -> list[str]:
    """Return the forms in which this address may be stored: those of older versions, and the canonical form.

    Older versions stored `xn--` forms as typed. They stored `eva@fußball.example` as `eva@fussball.example`, which
    is another address and not returned.
    """
    # Older versions stored NFKC, case folded.
    old = unicodedata.normalize("NFKC", _without_format_characters(_composed(value))).casefold()
    form = canonical(value)
    if form is None:
        return [old]
    local, _, domain = form.rpartition("@")
    forms = dict.fromkeys([old, form, f"{local}@{_encoded(domain)}"])
    return [other for other in forms if canonical(other) == form]


def is_same(one: str, other: str) -> bool:
    """Return whether two stored addresses are the same."""
    return (canonical(one) or one) == (canonical(other) or other)


def envelope(value: str) -> str | None:
    """Return an address with its domain in ASCII (RFC 5890), for mail servers; None for an invalid address.

    Quoted local parts, comments and lists are invalid. ASCII domains are only checked for their lengths:
    local networks have names such as `localhost`.
    """
    local, _, domain = value.rpartition("@")
    if not _SENDABLE.fullmatch(local) or not _SENDABLE.fullmatch(domain) or not value.isprintable():
        return None
    if domain.isascii() and all(0 < len(label) <= LONGEST_LABEL for label in domain.split(".")):
        return value
    try:
        return f"{local}@{_encoded(domain)}"
    except AddressError:
        return None


def _encoded(domain: str) -> str:
    """Return a domain in ASCII. Raises AddressError for an invalid one."""
    try:
        encoded = idna.encode(domain, uts46=True).decode("ascii")
    except ValueError as error:  # IDNAError is one
        raise AddressError(_FAULTS.get(getattr(error, "code", ""), _NO_DOMAIN)) from None
    # A final dot is no part of an address (RFC 5321, 4.1.2), and no top-level domain is a number (RFC 3696, 2).
    if encoded.rpartition(".")[2].isdigit() or encoded.endswith("."):
        raise AddressError(_NO_DOMAIN)
    return encoded


def _composed(value: str) -> str:
    return unicodedata.normalize("NFC", value).strip()


def _without_format_characters(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character) != "Cf")
