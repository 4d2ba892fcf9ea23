"""`portcullis limits`, run as an operator runs it."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from sidecar.commands import limits as command
from sidecar.errors import ConfigurationError, StoreUnavailable
from sidecar.limits import BucketSettings, Limiter, compile_layers, open_limiter, read_descriptors
from sidecar.limits.limit import Charge
from sidecar.limits.question import Descriptor, Questions
from sidecar.limits.settings import DescriptorSettings, LimitSettings
from sidecar.metrics import Metrics
from sidecar.principal import Principal
from sidecar.redis_connection import RedisSettings
from sidecar.request import HttpRequest
from tests.harness.redis_server import RedisServer

ANN = Principal("key:ann/1", "api_key", "ann", budget="key:ann/1", tenant="acme", plan="free")
REQUEST = HttpRequest(method="POST", path="/", client_ip="192.0.2.1")
LIMITS = [
    {"name": "per-ip", "by": ["client_ip"], "rate": "100/day"},
    {"name": "per-user", "by": ["principal"], "rate": "1000/day", "algorithm": "fixed_window"},
]
PLAN = [{"name": "key", "by": ["api_key"], "rate": "60/hour", "burst": 20}]
RULES = """
domain: shop
descriptors: [{key: user, rate_limit: {unit: day, requests_per_unit: 10}, portcullis: {limits: [{rate: 5/hour}]}}]
"""


@pytest.fixture
def configuration(tmp_path: Path, redis_node: RedisServer) -> Path:
    redis_node.client().flushall()
    (tmp_path / "shop.yaml").write_text(RULES)
    file = tmp_path / "portcullis.yaml"
    document = {
        "redis": {"url": redis_node.url},
        "authentication": {"api_keys": {"store": "redis"}},
        "authorization": {"routes": [{"methods": ["POST"], "path": "/"}]},
        "plans": {"free": {"models": ["*"], "limits": PLAN}},
        "limits": LIMITS,
        "ratelimit": {"descriptors": "shop.yaml"},
    }
    file.write_text(json.dumps(document))
    return file


def portcullis(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers())
    options = parser.parse_args(["limits", *arguments])
    return int(options.run(options))


def spend(configuration: Path, redis_node: RedisServer) -> None:
    layers = compile_layers(
        [LimitSettings.model_validate(one) for one in LIMITS],
        {"free": [LimitSettings.model_validate(one) for one in PLAN]},
    )
    settings = DescriptorSettings(descriptors=configuration.parent / "shop.yaml")
    question = Questions(read_descriptors(settings), settings).compile("shop", [Descriptor((("user", "bob|x"),))], 4)
    charges = (*layers.address(REQUEST), *layers.caller(REQUEST, ANN, None), *question.charges)

    async def run(charges: Sequence[Charge]) -> None:
        made: Limiter = open_limiter(BucketSettings(deadline=1), RedisSettings(url=redis_node.url), Metrics())
        assert (await made.take(charges)).admitted
        await made.stop()

    asyncio.run(run(charges))


def test_show_tells_what_somebody_has_left(
    configuration: Path, redis_node: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    spend(configuration, redis_node)
    assert portcullis("show", "key:ann/1", "--config", str(configuration), "--json") == 0
    found = {one["limit"]: one for one in json.loads(capsys.readouterr().out)}
    assert {name: (one["remaining"], one["burst"]) for name, one in found.items()} == {
        "per-user": (999, 1000),
        "key": (19, 20),
    }
    assert found["key"]["values"] == ["key:ann/1"]
    assert portcullis("show", "acme", "--config", str(configuration)) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert portcullis("show", "nobody", "--config", str(configuration)) == 0
    assert capsys.readouterr().err == "nobody: every bucket is full\n"


def test_top_begins_with_the_emptiest(
    configuration: Path, redis_node: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    spend(configuration, redis_node)
    assert portcullis("top", "--config", str(configuration)) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert table[0][:3] == ["LIMIT", "LEFT", "OF"]
    assert [row[:3] for row in table[1:]] == [
        ["shop.user", "1", "5"],
        ["shop.user", "6", "10"],
        ["key", "19", "20"],
        ["per-ip", "99", "100"],
        ["per-user", "999", "1000"],
    ]


def test_a_reset_bucket_is_full_again(
    configuration: Path, redis_node: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    spend(configuration, redis_node)
    portcullis("show", "bob|x", "--config", str(configuration), "--json")
    bucket = json.loads(capsys.readouterr().out)[0]["bucket"]
    assert portcullis("reset", bucket, "--config", str(configuration)) == 0
    assert capsys.readouterr().out == f"{bucket}: full again\n"
    assert portcullis("reset", bucket, "--config", str(configuration), "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"bucket": bucket, "reset": False}


def test_strangers_in_redis_are_passed_over(
    configuration: Path, redis_node: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in ("portcullis:b:junk", "portcullis:b:{x}:gone:b60:v"):
        redis_node.client().set(key, "1795399545258657:0")
    redis_node.client().set("portcullis:b:{x}:odd:b60:v", "junk")
    assert portcullis("top", "--config", str(configuration), "--json") == 0
    assert [one["remaining"] for one in json.loads(capsys.readouterr().out)] == [None]


def test_without_redis_there_is_nothing_to_see(configuration: Path, redis_node: RedisServer, tmp_path: Path) -> None:
    document = json.loads(configuration.read_text())
    configuration.write_text(json.dumps({**document, "redis": {"url": "redis://127.0.0.1:1"}}))
    with pytest.raises(StoreUnavailable):
        portcullis("top", "--config", str(configuration))
    del document["redis"]
    document["authentication"] = {"api_keys": {"file": "keys.yaml"}}
    configuration.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError, match="redis"):
        portcullis("top", "--config", str(configuration))
