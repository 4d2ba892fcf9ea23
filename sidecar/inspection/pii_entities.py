"""The kinds of personal data: shapes to look for, words that tell, and the check of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sidecar.inspection import pii_checks as checks
from sidecar.inspection.pii_addresses import PATTERNS
from sidecar.inspection.pii_numbers import ANY_WORDS, NUMBERS

Entity = Literal[
    "card", "iban", "email", "phone", "national_id", "address", "date_of_birth", "passport", "driver_licence", "wallet",
    "ip_address",
]  # fmt: skip
ENTITIES: tuple[Entity, ...] = get_args(Entity)


@dataclass(frozen=True, slots=True)
class Shape:
    """One thing to look for. `pattern` matches bytes and stands between others than ASCII letters and digits.

    `words` are patterns, in any case, that tell when they stand near; some shapes mean nothing without one. `trigger`
    is the end of the pattern, where the whole would be slow to look for. `reach` is the most bytes of a match.
    """

    id: str
    entity: Entity
    pattern: str
    check: checks.Check
    words: tuple[str, ...] = ()
    needs_word: bool = False
    severity: str = "medium"
    trigger: str = ""
    reach: int = 48


_PHONE_WORDS = (
    "phone", "telephone", "tel", "call(?:ing)?(?: me)?", "mobile", "cell", "fax", "desk", "office", "whatsapp", "dial",
    "text me", "messages? to", "reach (?:me|us|him|her|them)", "answering", "telefon", "handy", "rufnummer",
    "t\u00e9l\u00e9phone", "portable", "tel\u00e9fono", "m\u00f3vil", "celular", "telefono", "cellulare", "telefone",
    "telefoon", "puhelin",
    "\u0442\u0435\u043b\u0435\u0444\u043e\u043d", "\u7535\u8bdd", "\u96fb\u8a71", "\uc804\ud654",
)  # fmt: skip
_CARD_WORDS = (
    "cards?", "visa", "mastercard", "amex", "american express", "credit", "debit", "karte", "kreditkarte", "carte",
    "tarjeta", "carta", "cart\u00e3o", "\u5361",
)  # fmt: skip
_BIRTH_WORDS = (
    "born", "birth(?:day|date)?", "d\\.?o\\.?b\\.?", "geboren", "geburtsdatum", "n\u00e9e?", "naissance", "nacid[oa]",
    "nacimiento", "nat[oa]", "nascita", "nascid[oa]", "geboortedatum",
)  # fmt: skip
_PASSPORT_WORDS = ("passport(?: (?:no|number))?", "reisepass", "passeport", "pasaporte", "passaporto", "passaporte")
_LICENCE_WORDS = (
    "driv(?:er'?s?|ing) licen[cs]e", "f\u00fchrerschein", "permis de conduire", "licencia de conducir", "patente",
)  # fmt: skip
_HOST = r"@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,7}"
_YEAR = r"(?:19|20)\d{2}"
_DATES = (
    rf"\d{{1,2}}[-/. ]\d{{1,2}}[-/. ]{_YEAR}",
    rf"{_YEAR}[-/.]\d{{1,2}}[-/.]\d{{1,2}}",
    rf"\d{{1,2}}(?:st|nd|rd|th)? {_MONTH},? {_YEAR}",
    rf"{_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?,? {_YEAR}",
)
_BARE = r"\d(?:[ ./-]?\d){6,14}[A-Za-z]{0,2}"
_TOLD = checks.shape(0.8)


def shapes(regions: tuple[str, ...]) -> tuple[Shape, ...]:
    """Everything that there is to look for; `regions` are those whose telephone numbers are known without a word."""
    phone = checks.telephone(regions)
    return (
        Shape("card", "card", r"\d(?:[ -]?\d){11,18}", checks.card, _CARD_WORDS, severity="high"),
        Shape("iban", "iban", r"[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}", checks.bank_account, severity="high"),
        Shape(
            "email",
            "email",
            rf"[A-Za-z0-9_%+'&.-]{{1,64}}{_HOST}",
            checks.shape(0.9),
            severity="low",
            trigger=_HOST,
            reach=160,
        ),
        Shape("phone", "phone", r"\+\d[\d ().-]{6,18}\d(?: ?x\d{1,6})?", phone, _PHONE_WORDS),
        Shape("phone", "phone", r"\(?\d{2,5}\)?(?:[ ./-]{1,2}\(?\d{2,7}\)?){1,5}(?: ?x\d{1,6})?", phone, _PHONE_WORDS),
        Shape("phone", "phone", r"\d{7,12}", phone, _PHONE_WORDS, needs_word=True),
        *(Shape(f"address.{part}", "address", pattern, checks.shape(0.7), reach=140) for part, pattern in PATTERNS),
        *(Shape("date_of_birth", "date_of_birth", date, _TOLD, _BIRTH_WORDS, needs_word=True) for date in _DATES),
        Shape("passport", "passport", r"[A-Z]{0,2}\d{6,9}", _TOLD, _PASSPORT_WORDS, needs_word=True, severity="high"),
        Shape(
            "driver_licence",
            "driver_licence",
            r"[A-Z]{0,2}\d{4,14}(?:-\d{2,6}){0,3}",
            _TOLD,
            _LICENCE_WORDS,
            needs_word=True,
            severity="high",
        ),
        Shape("wallet", "wallet", r"(?:bc1|[13])[a-zA-HJ-NP-Z0-9]{25,59}", checks.wallet, severity="low", reach=64),
        Shape("ip_address", "ip_address", r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", checks.address, severity="low"),
        *_national_numbers(),
        Shape(
            "national_id.other",
            "national_id",
            r"[A-Z]{0,2}\d(?:[ .-]?\d){6,14}",
            checks.shape(0.6),
            ANY_WORDS,
            needs_word=True,
            severity="high",
        ),
    )


def _national_numbers() -> list[Shape]:
    found: list[Shape] = []
    for number in NUMBERS:
        rule, check = f"national_id.{number.id}", checks.national(number.module)
        if number.pattern:
            found.append(Shape(rule, "national_id", number.pattern, check, number.words, severity="high"))
        if number.words:
            found.append(Shape(rule, "national_id", _BARE, check, number.words, needs_word=True, severity="high"))
    return found
