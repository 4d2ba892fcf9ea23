"""Shapes of postal addresses in the ways of some twenty countries, as byte patterns over UTF-8."""

from __future__ import annotations

_NAME = r"[A-Z\xc3][A-Za-z\x80-\xff'.-]+"
_HOUSE = r"\d{1,5}[A-Za-z]?"
_PARTICLE = r"(?:(?:d[aeiou]s?|del|della|de la|du|von|van|den|der|l[ae]s?) )?"
_TYPE = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Highway|Hwy"
    r"|Parkway|Pkwy|Circle|Cir|Crescent|Close|Trail|Alley|Row|Mews|Way)"
)
_SUFFIX = (
    r"(?:stra\xc3\x9fe|strasse|str\.|weg|platz|allee|gasse|ufer|damm|straat|laan|plein|gracht|dreef|gatan|gata"
    r"|v\xc3\xa4gen|gade|vej|veien|vegen|katu|kuja|utca)"
)
_BEFORE = (
    r"(?:rue|avenue|boulevard|all\xc3\xa9e|chemin|impasse|quai|calle|avenida|plaza|paseo|via|viale|piazza|corso|rua"
    r"|travessa|ulica|ul\.|Rue|Avenue|Boulevard|Chemin|Calle|Avenida|Plaza|Paseo|Via|Viale|Piazza|Corso|Rua|Travessa)"
)

PATTERNS: tuple[tuple[str, str], ...] = (
    ("street", rf"{_HOUSE},? (?:{_NAME} ){{1,4}}{_TYPE}"),
    ("street", rf"{_NAME}{_SUFFIX} {_HOUSE}"),
    ("street", rf"{_HOUSE} {_NAME}{_SUFFIX}"),
    ("street", rf"{_NAME} (?:utca|u\.|t\xc3\xa9r|\xc3\xbat) {_HOUSE}"),
    ("street", rf"{_HOUSE},? {_BEFORE} {_PARTICLE}{_NAME}"),
    ("street", rf"{_BEFORE} {_PARTICLE}{_NAME}(?: {_NAME})?,? {_HOUSE}"),
    ("box", r"(?:P\.? ?O\.? Box|Postfach|Apartado) \d{1,6}"),
    ("unit", r"(?:Apt|Apartment|Suite|Unit)\.? \d{1,5}"),
    ("city", r"[A-Z][A-Za-z]{2,},? [A-Z]{2},? \d{5}(?:-\d{4})?"),
    ("city", r"[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}"),
)
"""(part of an address, pattern); the last is a British postcode."""
