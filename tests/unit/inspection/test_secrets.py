"""Secrets: known kinds, unknown ones behind telling names, and placeholders that are none.

Every secret here is made up on the spot by a generator with a fixed seed.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.inspection.finding import Action, Finding
from sidecar.inspection.secrets import SecretsInspector, SecretsSettings
from sidecar.prompt import Prompt, Role, Segment

CLASSES = {
    "an": string.ascii_letters + string.digits,
    "low": string.ascii_lowercase + string.digits,
    "up": string.ascii_uppercase + string.digits,
    "hex": "0123456789abcdef",
    "b64": string.ascii_letters + string.digits + "+/",
    "b32": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "num": string.digits,
}


def make(template: str, seed: int = 1) -> str:
    """`{an36}` becomes 36 letters and digits."""
    chance = random.Random(f"{template}{seed}")

    def fill(match: re.Match[str]) -> str:
        return "".join(chance.choice(CLASSES[match[1]]) for _ in range(int(match[2])))

    return re.sub(r"\{(an|low|up|hex|b64|b32|num)(\d+)\}", fill, template)


@pytest.fixture(scope="module")
def inspector() -> SecretsInspector:
    return SecretsInspector(SecretsSettings(kind="secrets"))


def search(inspector: SecretsInspector, text: str, role: Role = Role.USER) -> list[Finding]:
    return list(inspector.inspect(Prompt(api="test", model=None, segments=(Segment(role, text, ""),))))


MARKED = [
    ("openai", "sk-proj-{an60}"),
    ("openai", "sk-{an48}"),
    ("anthropic", "sk-ant-api03-{an93}AA"),
    ("google_ai", "AIza{an35}"),
    ("groq", "gsk_{an52}"),
    ("huggingface", "hf_{an34}"),
    ("replicate", "r8_{an37}"),
    ("openrouter", "sk-or-v1-{hex64}"),
    ("portcullis", "pcl_live_{an16}_{an43}_{an6}"),
    ("aws_access_key_id", "AKIA{b3216}"),
    ("google_oauth_secret", "GOCSPX-{an28}"),
    ("azure_storage", "AccountKey={b6486}=="),
    ("digitalocean", "dop_v1_{hex64}"),
    ("databricks", "dapi{hex32}"),
    ("fly", "fo1_{an43}"),
    ("github_personal", "ghp_{an36}"),
    ("github_fine_grained", "github_pat_{an22}_{an59}"),
    ("gitlab_personal", "glpat-{an20}"),
    ("atlassian", "ATATT3{an186}"),
    ("npm", "npm_{an36}"),
    ("pypi", "pypi-AgEIcHlwaS5vcmc{an80}"),
    ("docker", "dckr_pat_{an27}"),
    ("sonar", "sqp_{hex40}"),
    ("circleci", "CCIPAT_{an22}_{hex40}"),
    ("terraform_cloud", "{an14}.atlasv1.{an64}"),
    ("vault_service", "hvs.{an90}"),
    ("doppler", "dp.pt.{an43}"),
    ("jwt", "eyJ{an30}.eyJ{an60}.{an43}"),
    ("tailscale", "tskey-auth-{an16}-{an32}"),
    ("slack_bot", "xoxb-{num12}-{num12}-{an24}"),
    ("slack_webhook", "https://hooks.slack.com/services/T{up8}/B{up8}/{an24}"),
    ("discord_bot", "M{an24}.{an6}.{an30}"),
    ("telegram_bot", "{num9}:AA{an33}"),
    ("sendgrid", "SG.{an22}.{an43}"),
    ("stripe", "sk_live_{an24}"),
    ("stripe_webhook", "whsec_{an32}"),
    ("square", "sq0atp-{an22}"),
    ("shopify", "shpat_{hex32}"),
    ("dynatrace", "dt0c01.{up24}.{up64}"),
    ("grafana_service", "glsa_{an32}_{hex8}"),
    ("new_relic_user", "NRAK-{up27}"),
    ("airtable", "pat{an14}.{hex64}"),
    ("linear", "lin_api_{an40}"),
    ("notion", "ntn_{num11}{an35}"),
    ("figma", "figd_{an42}"),
    ("url_password", "postgres://app:{an16}@db.internal:5432/app"),
    ("private_key", "-----BEGIN RSA PRIVATE KEY-----"),
    ("bearer_authorization", "Authorization: Bearer {an40}"),
]


@pytest.mark.parametrize(("kind", "template"), MARKED)
@pytest.mark.parametrize(
    "frame", ["{}", "my key is {}, help", 'KEY="{}"', "`{}`", "{{'a': '{}'}}", "a\\n{}\\nb", "ключ {} 😀"]
)
def test_a_marked_secret_is_found_and_located(
    inspector: SecretsInspector, kind: str, template: str, frame: str
) -> None:
    secret = make(template)
    text = frame.format(secret)
    findings = search(inspector, text)
    assert [finding.rule for finding in findings] == [f"secrets.{kind}"]
    place = text[findings[0].start : findings[0].end]
    assert place in secret
    assert len(place) > 15


ASSIGNED = [
    ("aws_secret_assigned", "aws_secret_access_key = {b6440}"),
    ("datadog_assigned", "DATADOG_API_KEY: '{hex32}'"),
    ("mistral_assigned", 'MISTRAL_API_KEY="{an32}"'),
    ("heroku_legacy_assigned", "heroku token => {hex8}-{hex4}-{hex4}-{hex4}-{hex12}"),
    ("twitch_assigned", "twitch-client-secret={low30}"),
    ("algolia_assigned", '"algolia_key": "{low32}"'),
    ("generic", "password = 'x{an14}7'"),
    ("generic", "DB_PASSWD=hT9{an12}"),
    ("generic", '{"api_key": "q1{an20}"}'),
]


@pytest.mark.parametrize(("kind", "template"), ASSIGNED)
def test_an_assigned_secret_is_found_without_its_name(inspector: SecretsInspector, kind: str, template: str) -> None:
    text = make(template)
    (finding,) = search(inspector, text)
    assert finding.rule == f"secrets.{kind}"
    assert not re.search("key|token|secret|pass", text[finding.start : finding.end], re.IGNORECASE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AKIAIOSFODNN7EXAMPLE",
        "AKIAAAAAAAAAAAAAAAAA",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "ghp_tooshort",
        "export OPENAI_API_KEY=sk-...",
        "api_key = your_api_key_here",
        "password: ${DB_PASSWORD}",
        "password = os.environ['DB_PASSWORD']",
        'token = "<insert token here>"',
        "secret: changeme12345",
        "postgres://user:password@localhost/db",
        "postgres://user:<password>@localhost/db",
        "https://example.com:8080/path@home",
        "The secret: sustainability and subconsciousness",
        "password http://t.co/VEd4YyztokQ1",
        "the commit 3f786850e387550fdab836ed7e6dc881de23001b fixed it",
        "id 123e4567-e89b-12d3-a456-426614174000",
        "-----BEGIN PUBLIC KEY-----",
        "key: 1234567890",
        "max_tokens: 4096, token_count = 1234567",
    ],
)
def test_placeholders_and_ordinary_text_are_not_found(inspector: SecretsInspector, text: str) -> None:
    assert [finding.rule for finding in search(inspector, text)] == []


def test_several_secrets_are_found_each_once(inspector: SecretsInspector) -> None:
    text = make("a={an1} ghp_{an36}\nAKIA{b3216} api_key: 'ghp_{an36}'")
    assert sorted(finding.rule for finding in search(inspector, text)) == [
        "secrets.aws_access_key_id",
        "secrets.github_personal",
        "secrets.github_personal",
    ]


def test_operator_text_is_searched_too(inspector: SecretsInspector) -> None:
    assert search(inspector, make("ghp_{an36}"), Role.SYSTEM) != []


def test_kinds_can_be_left_out() -> None:
    picky = SecretsInspector(
        SecretsSettings(kind="secrets", ignore=("github_personal",), generic=False, action=Action.DENY)
    )
    assert search(picky, make("ghp_{an36} password = 'x{an14}7'")) == []
    assert [finding.action for finding in search(picky, make("glpat-{an20}"))] == [Action.DENY]


def test_a_flood_is_reported_and_bounded(inspector: SecretsInspector) -> None:
    findings = search(inspector, " ".join(make("ghp_{an36}", seed) for seed in range(200)))
    assert findings[0].rule == "secrets.too_many"
    assert len(findings) <= 101


def mutated(change: Callable[[str], str]) -> list[str]:
    return [change(make(template)) for _, template in MARKED]


@given(text=st.text(max_size=80) | st.sampled_from(mutated(lambda secret: secret[::-1]) + mutated(str.swapcase)))
def test_any_text_is_inspected_and_places_lie_inside(inspector: SecretsInspector, text: str) -> None:
    for finding in search(inspector, text):
        assert 0 <= finding.start < finding.end <= len(text)
