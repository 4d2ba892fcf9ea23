"""Checks of personal data: from something of the right shape to how sure we are, 0..1."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from importlib import import_module

import phonenumbers
from stdnum import bitcoin, iban
from stdnum.exceptions import ValidationError

Check = Callable[[str, bool], float]
"""(text of the right shape, whether a telling word stands near) -> score; 0 is no."""

_NOT_DIGITS = re.compile(r"\D+")
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
# Issuer ranges (ISO/IEC 7812) of the large networks, with the lengths that they issue.
_ISSUERS = re.compile(
    r"(?:4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12,15}|62\d{14,17}|35\d{14}|(?:2131|1800)\d{11}|3(?:0[0-5]\d|095|[689]\d\d)\d{10,15}"
    r"|(?:5[06-8]|6[0379])\d{10,17})\Z"
)
_DATE = re.compile(
    r"(?:(?:19|20)\d\d[-/. ]\d{1,2}[-/. ]\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ](?:19|20)\d\d)(?:[T ]\d\d)?\Z"
)
_NORTH_AMERICAN = re.compile(r"\(?[2-9]\d{2}\)?[ .-]{1,2}[2-9]\d{2}[ .-]\d{4}\Z")


def luhn(digits: str) -> bool:
    """Whether the last digit is right (ISO/IEC 7812-1, annex B)."""
    total = 0
    double = False
    for digit in reversed(digits):
        value = ord(digit) - 48
        total += _DOUBLED[value] if double else value
        double = not double
    return total % 10 == 0


def card(text: str, near: bool) -> float:
    """A payment card's number."""
    digits = _NOT_DIGITS.sub("", text)
    if not _ISSUERS.match(digits) or not luhn(digits) or len(set(digits)) == 1:
        return 0.0
    if near:
        return 1.0
    return 0.9 if len(digits) >= 15 else 0.6


def bank_account(text: str, near: bool) -> float:  # noqa: ARG001 - an IBAN needs no telling word
    """An IBAN (ISO 13616), with its length and its check digits."""
    return 0.95 if iban.is_valid(text, check_country=False) else 0.0


def telephone(regions: tuple[str, ...]) -> Check:
    """A telephone number: international, or as written in one of `regions` (ISO 3166 codes)."""

    def check(text: str, near: bool) -> float:
        digits = _NOT_DIGITS.sub("", text)
        if not 7 <= len(digits) <= 15 or _DATE.match(text):
            return 0.0
        if text.startswith("+"):
            return 0.9 if _is_phone(text, None) else 0.6 if near else 0.0
        if near:
            return 0.7
        if _NORTH_AMERICAN.match(text):
            return 0.6
        return 0.6 if any(_is_phone(text, region) for region in regions) else 0.0

    return check


def _is_phone(text: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, region))
    except phonenumbers.NumberParseException:
        return False


def national(module: str) -> Check:
    """A national number that python-stdnum's `module` knows; "" checks nothing beyond the shape."""
    is_valid: Callable[[str], bool] = import_module(f"stdnum.{module}").is_valid if module else bool

    def check(text: str, near: bool) -> float:
        if not is_valid(text):
            return 0.0
        return 0.95 if near else 0.8

    return check


def wallet(text: str, near: bool) -> float:  # noqa: ARG001 - an address has a checksum of its own
    """A Bitcoin address."""
    try:
        bitcoin.validate(text)
    except ValidationError:
        return 0.0
    return 0.9


def address(text: str, near: bool) -> float:  # noqa: ARG001 - the shape has its own telling word
    """An IP address that is anybody's in particular."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return 0.0
    return 0.7 if parsed.is_global else 0.0


def shape(score: float) -> Check:
    """Something that has no checksum: the shape is all there is."""

    def check(text: str, near: bool) -> float:  # noqa: ARG001 - the automaton has seen to the shape
        return score

    return check
