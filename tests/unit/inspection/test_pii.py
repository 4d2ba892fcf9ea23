"""Personal data: what is found, where, and what only looks like it."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn as reference

from sidecar.inspection.finding import Action, Finding
from sidecar.inspection.pii import PiiInspector, PiiSettings
from sidecar.inspection.pii_checks import luhn
from sidecar.inspection.pii_numbers import NUMBERS
from sidecar.prompt import Prompt, Role, Segment


@pytest.fixture(scope="module")
def inspector() -> PiiInspector:
    return PiiInspector(PiiSettings(kind="pii"))


def search(inspector: PiiInspector, text: str, role: Role = Role.USER) -> list[Finding]:
    return list(inspector.inspect(Prompt(api="test", model=None, segments=(Segment(role, text, ""),))))


FOUND = [
    ("my card is 4111 1111 1111 1111, thanks", "4111 1111 1111 1111", "card"),
    ("5500-0000-0000-0004", "5500-0000-0000-0004", "card"),
    ("(378282246310005)", "378282246310005", "card"),
    ("Visa: 4222222222222", "4222222222222", "card"),
    ("IBAN DE89 3704 0044 0532 0130 00.", "DE89 3704 0044 0532 0130 00", "iban"),
    ("gb82west12345698765432", "gb82west12345698765432", "iban"),
    ("write to ann.o'neil+tag@mail.example.co.uk.", "ann.o'neil+tag@mail.example.co.uk", "email"),
    ("<bob@example.org>", "bob@example.org", "email"),
    ("+49 30 901820 is the number", "+49 30 901820", "phone"),
    ("ring +1 (541) 754-3010 now", "+1 (541) 754-3010", "phone"),
    ("call me at 0494 92 82 32 please", "0494 92 82 32", "phone"),
    ("fax: 345-899-3560x4587", "345-899-3560x4587", "phone"),
    ("541-754-3010", "541-754-3010", "phone"),
    ("电话 13812345678", "13812345678", "phone"),
    ("SSN 536-90-4399", "536-90-4399", "national_id.us_ssn"),
    ("my SSN: 536904399", "536904399", "national_id.us_ssn"),
    ("CPF 390.533.447-05", "390.533.447-05", "national_id.br_cpf"),
    ("RSSMRA85T10A562S", "RSSMRA85T10A562S", "national_id.it_codice_fiscale"),
    ("DNI: 54362315K", "54362315K", "national_id.es_dni"),
    ("PESEL 44051401359", "44051401359", "national_id.pl_pesel"),
    ("Steuer-ID: 36 574 261 809", "36 574 261 809", "national_id.de_idnr"),
    ("AHV-Nr. 756.9217.0769.85", "756.9217.0769.85", "national_id.ch_ssn"),
    ("henkilötunnus 131052-308T", "131052-308T", "national_id.fi_hetu"),
    ("身份证 11010519491231002X", "11010519491231002X", "national_id.cn_ric"),
    ("AB 12 34 56 C", "AB 12 34 56 C", "national_id.gb_nino"),
    ("tax id number 12345678", "12345678", "national_id.other"),
    ("12 Elm Street", "12 Elm Street", "address.street"),
    ("wohnt Lindenstraße 14a,", "Lindenstraße 14a", "address.street"),
    ("at 10 rue de Rivoli", "10 rue de Rivoli", "address.street"),
    ("Calle Mayor 25", "Calle Mayor 25", "address.street"),
    ("P.O. Box 1234", "P.O. Box 1234", "address.box"),
    ("Springfield, IL 62704", "Springfield, IL 62704", "address.city"),
    ("SW1A 1AA", "SW1A 1AA", "address.city"),
    ("born on 12.04.1986", "12.04.1986", "date_of_birth"),
    ("date of birth: March 3, 1990", "March 3, 1990", "date_of_birth"),
    ("passport number 123456789", "123456789", "passport"),
    ("driver's license F162823540116", "F162823540116", "driver_licence"),
    ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "wallet"),
]


@pytest.mark.parametrize(("text", "place", "rule"), FOUND)
def test_personal_data_is_found_and_located(inspector: PiiInspector, text: str, place: str, rule: str) -> None:
    (finding,) = search(inspector, text)
    assert (finding.rule, text[finding.start : finding.end]) == (f"pii.{rule}", place)
    assert finding.action is Action.FLAG


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The order has 4111 1111 1111 1112 parts",
        "0000 0000 0000 0000",
        "4111111111111111a",
        "DE89 3704 0044 0532 0130 01",
        "user@localhost",
        "version 1.2.3.4 of 2024-11-23 at 10:22:33",
        "in 1998-2004 there were 12,345 of 67 890",
        "036574261809",
        "000-12-3456",
        "390.533.447-06",
        "born in 1986",
        "She released it on 12.04.1986",
        "the number 12345678",
        "During 15 minutes, String 2",
        "error code 404-555-0000000",
        "a = 44051401359",
        "192.168.0.1",
        "100 Highway miles",
    ],
)
def test_what_only_looks_like_it_is_not_found(inspector: PiiInspector, text: str) -> None:
    assert [finding.rule for finding in search(inspector, text)] == []


def test_places_are_characters_also_behind_other_scripts(inspector: PiiInspector) -> None:
    text = "Пишите сюда 😀: bob@example.org и звоните"
    (finding,) = search(inspector, text)
    assert text[finding.start : finding.end] == "bob@example.org"


def test_findings_do_not_overlap(inspector: PiiInspector) -> None:
    text = "call 4111 1111 1111 1111 or +1 541-754-3010, 541-754-3010, bob@example.org, SSN 536-90-4399"
    places = sorted((finding.start, finding.end) for finding in search(inspector, text))
    assert len(places) == 5
    assert all(first[1] <= second[0] for first, second in pairwise(places))


def test_operator_text_is_not_searched(inspector: PiiInspector) -> None:
    assert search(inspector, "bob@example.org", Role.SYSTEM) == []
    assert search(inspector, "bob@example.org", Role.TOOL) != []


@pytest.mark.parametrize(
    ("settings", "text", "action"),
    [
        ({"entities": ["card"]}, "bob@example.org", None),
        ({"entities": {"email": "deny", "card": None}}, "bob@example.org", Action.DENY),
        ({"entities": {"email": "deny", "card": None}}, "4111111111111111", Action.FLAG),
        ({"entities": ["ip_address"], "action": "deny"}, "from 8.8.8.8", Action.DENY),
        ({"entities": ["ip_address"]}, "from 10.0.0.1 and 999.1.1.1", None),
        ({"entities": ["phone"], "phone_regions": ["DE"]}, "030 901820", Action.FLAG),
        ({"entities": ["phone"]}, "030 901820", None),
        ({"min_score": 0.95}, "541-754-3010", None),
    ],
)
def test_settings_choose_what_is_found(settings: dict[str, Any], text: str, action: Action | None) -> None:
    found = search(PiiInspector(PiiSettings.model_validate({"kind": "pii", **settings})), text)
    assert [finding.action for finding in found] == ([] if action is None else [action])


def test_every_national_number_has_a_way_to_be_told() -> None:
    assert [number.id for number in NUMBERS if not number.pattern and not number.words] == []
    assert len({number.id for number in NUMBERS}) == len(NUMBERS)


@given(digits=st.text("0123456789", min_size=1, max_size=20))
def test_luhn_agrees_with_the_reference(digits: str) -> None:
    assert luhn(digits) == reference.is_valid(digits)


@given(text=st.text(max_size=60) | st.text("0123456789 -+().@aABCx", max_size=60))
def test_any_text_is_inspected_and_places_lie_inside(inspector: PiiInspector, text: str) -> None:
    for finding in search(inspector, text):
        assert 0 <= finding.start < finding.end <= len(text)


@pytest.mark.parametrize(
    "unit", ["4111 1111 1111 1111 ", "1-", "a@", "a@b.", "1 Aaa ", "+1 ", "DE89370400440532013000", "541-754-3010 tel "]
)
def test_a_crafted_text_gives_a_bounded_number_of_findings(inspector: PiiInspector, unit: str) -> None:
    assert len(search(inspector, unit * (200_000 // len(unit)))) <= 201


def test_a_flood_of_numbers_is_reported(inspector: PiiInspector) -> None:
    chance = random.Random(7)
    text = " ".join(f"4{chance.randrange(10**15):015d}" for _ in range(3000))
    assert "pii.too_many" in {finding.rule for finding in search(inspector, text)}
