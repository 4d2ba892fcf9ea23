"""envoyproxy/ratelimit's YAML: what matches, whose bucket it is, and which files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import ConfigurationError
from sidecar.limits.descriptors import Descriptors, bucket_of, load, parse
from sidecar.limits.limit import Algorithm, OnStoreFailure

BAD = Path(__file__).parents[2] / "testdata" / "descriptors"

EXAMPLE = """
domain: shop
descriptors:
  - key: path
    value: /login
    rate_limit: {unit: second, requests_per_unit: 1}
  - key: path
    value: /api/*/items*
    rate_limit: {unit: second, requests_per_unit: 2}
  - key: path
    value: /api/*
    rate_limit: {unit: second, requests_per_unit: 3}
  - key: path
    rate_limit: {unit: second, requests_per_unit: 4}
  - key: user
    descriptors:
      - key: plan
        value: free
        rate_limit: {unit: MINUTE, requests_per_unit: 5}
      - key: plan
        value: gold
        rate_limit: {unlimited: true}
      - key: plan
        value: staff
        rate_limit: null
  - key: country
    value: no
    rate_limit: {unit: day, requests_per_unit: 6}
  - key: zip
    value: 007
    rate_limit: {unit: day, requests_per_unit: 7}
  - key: flag
    value: ""
    rate_limit: {unit: day, requests_per_unit: 8}
    descriptors: []
  - key: region
    value: eu-*
    share_threshold: true
    rate_limit: {unit: day, requests_per_unit: 9}
"""


@pytest.fixture(scope="module")
def shop() -> Descriptors:
    return parse([("shop.yaml", EXAMPLE)])


@pytest.mark.parametrize(
    ("entries", "units"),
    [
        ([("path", "/login")], 1),
        ([("path", "/Login")], 4),  # case counts
        ([("path", "/api/7/items/8")], 2),  # the first pattern in the file
        ([("path", "/api/7")], 3),
        ([("path", "/api/")], 3),  # `*` is also nothing
        ([("path", "/api/*")], 3),  # the pattern itself, literally
        ([("path", "")], 4),
        ([("path", "/login"), ("path", "/login")], None),  # deeper than the configuration
        ([("user", "ann")], None),  # not deep enough
        ([("user", "ann"), ("plan", "free")], 5),
        ([("plan", "free"), ("user", "ann")], None),  # order counts
        ([("user", "ann"), ("plan", "staff")], None),  # a descriptor without rate_limit exempts
        ([("user", "ann"), ("plan", "none")], None),
        ([("country", "no")], 6),
        ([("zip", "007")], 7),
        ([("zip", "7")], None),
        ([("flag", "x")], 8),
        ([("region", "eu-west")], 9),
        ([("path_/login", "")], None),  # no joined keys
        ([("", "")], None),
        ([], None),
    ],
)
def test_a_descriptor_finds_its_limit(shop: Descriptors, entries: list[tuple[str, str]], units: int | None) -> None:
    match = shop.match("shop", entries)
    assert (None if match is None else match.rule.requests_per_unit) == units


def test_unlimited_is_a_rule_without_limits(shop: Descriptors) -> None:
    match = shop.match("shop", [("user", "ann"), ("plan", "gold")])
    assert match is not None
    assert match.rule.unlimited
    assert match.rule.limits == ()


def test_another_domain_has_other_limits(shop: Descriptors) -> None:
    assert shop.match("bank", [("path", "/login")]) is None


def test_a_shared_wildcard_has_one_bucket(shop: Descriptors) -> None:
    west, east = (shop.match("shop", [("region", value)]) for value in ("eu-west", "eu-east"))
    assert west is not None
    assert east is not None
    assert west.bucket == east.bucket
    assert west.label == "shop.region_eu-*"


def test_an_unshared_wildcard_has_a_bucket_for_each_value(shop: Descriptors) -> None:
    first, second = (shop.match("shop", [("path", value)]) for value in ("/api/1", "/api/2"))
    assert first is not None
    assert second is not None
    assert first.bucket != second.bucket
    assert first.label == second.label == "shop.path_/api/*"


TEXT = st.one_of(st.text(max_size=6), st.text(alphabet="_|:={}%#*/.\0é😀", max_size=6))
ENTRIES = st.lists(st.tuples(TEXT, TEXT), max_size=3)


@given(ENTRIES, ENTRIES)
def test_two_different_descriptors_never_share_a_bucket(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    assert (bucket_of(one) == bucket_of(other)) == (one == other)


@given(st.text(max_size=200), st.text(max_size=200))
def test_long_values_stay_apart(one: str, other: str) -> None:
    assert (bucket_of([("k", one)]) == bucket_of([("k", other)])) == (one == other)
    assert len(bucket_of([("k", one)])) <= 70


def test_extensions_are_read() -> None:
    text = """
domain: d
descriptors:
  - key: user
    rate_limit: {unit: minute, requests_per_unit: 60, name: per-user}
    portcullis:
      burst: 20
      on_store_failure: deny
      exact: true
      overdraft: false
      cost: 5
      limits: [{rate: 1000/day}, {rate: 10/15s, burst: 5}]
  - key: window
    portcullis: {rate: 100/10m, algorithm: fixed_window}
"""
    found = parse([("d.yaml", text)])
    user = found.match("d", [("user", "ann")])
    assert user is not None
    assert [(limit.units, limit.period_us, limit.burst) for limit in user.rule.limits] == [
        (60, 60_000_000, 20),
        (1000, 86_400_000_000, 1000),
        (10, 15_000_000, 5),
    ]
    assert {limit.on_store_failure for limit in user.rule.limits} == {OnStoreFailure.DENY}
    assert all(limit.exact and limit.debt == 0 for limit in user.rule.limits)
    assert (user.rule.cost, user.rule.overdraft) == (5, False)
    window = found.match("d", [("window", "x")])
    assert window is not None
    assert window.rule.limits[0].algorithm is Algorithm.FIXED_WINDOW
    assert (window.rule.requests_per_unit, window.rule.unit) == (100, "")


def test_metrics_can_name_values() -> None:
    text = """
domain: d
descriptors:
  - key: user
    detailed_metric: true
    rate_limit: {unit: minute, requests_per_unit: 60}
  - key: route
    value_to_metric: true
    descriptors: [{key: method, rate_limit: {unit: minute, requests_per_unit: 60}}]
"""
    found = parse([("d.yaml", text)])
    user, route = found.match("d", [("user", "ann")]), found.match("d", [("route", "/x"), ("method", "GET")])
    assert user is not None
    assert route is not None
    assert (user.label, route.label) == ("d.user_ann", "d.route_/x.method")


def test_files_of_one_domain_are_merged_when_asked() -> None:
    files = [
        ("a.yaml", "domain: d\ndescriptors: [{key: a, rate_limit: {unit: second, requests_per_unit: 1}}]"),
        ("b.yaml", "domain: d\ndescriptors: [{key: b, rate_limit: {unit: second, requests_per_unit: 2}}]"),
    ]
    with pytest.raises(ConfigurationError, match=r"b\.yaml: domain: domain 'd' has been defined"):
        parse(files)
    merged = parse(files, merge_domains=True)
    assert merged.match("d", [("a", "")]) is not None
    assert merged.match("d", [("b", "")]) is not None
    with pytest.raises(ConfigurationError, match="is there already"):
        parse([*files, files[0]], merge_domains=True)


def test_what_control_planes_write_for_nothing_is_nothing() -> None:
    text = "domain: d\ndescriptors:\n- {key: a, value: '', descriptors: null, rate_limit: {unit: hour, replaces: []}}"
    match = parse([("d.yaml", text)]).match("d", [("a", "x")])
    assert match is not None
    assert match.rule.requests_per_unit == 0
    assert parse([("e.yaml", "domain: e\ndescriptors:")]).match("e", [("a", "x")]) is None


def test_anchors_and_merge_keys_are_followed() -> None:
    text = """
domain: d
descriptors:
  - &base {key: a, rate_limit: &limit {unit: hour, requests_per_unit: 5}}
  - {key: b, rate_limit: {<<: *limit, requests_per_unit: 6}}
"""
    match = parse([("d.yaml", text)]).match("d", [("b", "x")])
    assert match is not None
    assert (match.rule.requests_per_unit, match.rule.unit) == (6, "hour")


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        ("duplicate_key.yaml", "doubled key 'key'"),
        ("duplicate_descriptor.yaml", r"descriptors\[1\]: descriptor 'a_b' is there already"),
        ("empty.yaml", "is empty"),
        ("empty_domain.yaml", "domain: is missing or empty"),
        ("empty_key.yaml", r"descriptors\[0\]\.key: a descriptor has no key"),
        ("unknown_key.yaml", r"descriptors\[0\]\.ratelimit: unknown key \(did you mean `rate_limit`\?\)"),
        ("unknown_unit.yaml", r"descriptors\[0\]\.rate_limit\.unit: 'fortnight' is no unit"),
        ("no_unit.yaml", r"descriptors\[0\]\.rate_limit\.unit: '' is no unit"),
        ("unlimited_with_unit.yaml", "an unlimited rate limit has no unit"),
        ("negative.yaml", r"requests_per_unit: is not a whole number"),
        ("fraction.yaml", r"requests_per_unit: is not a whole number"),
        ("huge.yaml", r"requests_per_unit: 4294967296 is out of bounds"),
        ("quoted_number.yaml", r"requests_per_unit: is not a whole number"),
        ("not_a_flag.yaml", r"shadow_mode: is neither true nor false"),
        ("not_a_list.yaml", r"descriptors: is not a list"),
        ("list_of_texts.yaml", r"descriptors\[0\]: is not a mapping"),
        ("replaces_nobody.yaml", r"replaces\[0\]\.name: an entry of replaces has no name"),
        ("replaces_itself.yaml", r"replaces\[0\]\.name: a limit can't replace itself"),
        ("shared_without_wildcard.yaml", r"share_threshold: makes no sense without a wildcard"),
        ("burst_of_window.yaml", r"portcullis\.burst: a fixed window has no burst"),
        ("bad_rate.yaml", r"portcullis\.rate: '5 per minute' is not a rate"),
        ("endless_window.yaml", r"portcullis\.rate: the window of limit"),
        ("anchor_bomb.yaml", r"its aliases stand for too much"),
        ("merge_bomb.yaml", r"`<<` may merge one mapping only"),
        ("recursive.yaml", r"its aliases stand for too much"),
        ("syntax.yaml", r"line 3: expected the node content"),
    ],
)
def test_a_bad_file_is_refused_with_its_fault(file: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault) as refusal:
        load(BAD / file)
    assert refusal.value.source.endswith(file)


def test_every_bad_file_is_in_the_table() -> None:
    marks = test_a_bad_file_is_refused_with_its_fault.pytestmark  # type: ignore[attr-defined]
    assert {file for file, _ in marks[0].args[1]} == {file.name for file in BAD.iterdir()}


@given(st.text(alphabet=" \n-:{}[]&*<!|>'\"#?,abdomainkeyvalue0123456789", max_size=80))
def test_no_text_raises_anything_but_a_configuration_error(text: str) -> None:
    try:
        parse([("fuzz.yaml", "domain: d\ndescriptors:\n" + text)])
    except ConfigurationError as fault:
        assert fault.source == "fuzz.yaml"  # noqa: PT017 - most texts are faulty, and none may raise anything else


@given(st.text(alphabet="ab", max_size=12), st.text(alphabet="ab*", min_size=1, max_size=8))
def test_wildcards_match_like_a_plain_recursion(value: str, pattern: str) -> None:
    def matches(rest: str, stars: str) -> bool:
        if not stars:
            return not rest
        if stars[0] == "*":
            return matches(rest, stars[1:]) or (bool(rest) and matches(rest[1:], stars))
        return bool(rest) and rest[0] == stars[0] and matches(rest[1:], stars[1:])

    text = f"domain: d\ndescriptors: [{{key: k, value: '{pattern}', rate_limit: {{unlimited: true}}}}]"
    assert (parse([("p.yaml", text)]).match("d", [("k", value)]) is not None) == matches(value, pattern)
