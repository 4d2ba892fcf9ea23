"""`make bench-auth`: what identity costs, and how fast and evenly it refuses. Exits 1 when a goal is missed."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import redis
import uvloop

from sidecar.authentication import Authentication, AuthenticationSettings, build
from sidecar.authentication.api_keys import text
from sidecar.metrics import Metrics
from sidecar.request import HttpRequest
from tests.bench import auth_rig
from tests.bench.auth_rig import LIVE, administration, open_gate, refused, seconds_each, show, timed
from tests.bench.report import milliseconds, percentile, progress, table, verdict
from tests.harness import redis_server
from tests.harness.jwt_workshop import AUDIENCE, ISSUER, claims, jwk, jwks, private_key, sign
from tests.harness.redis_server import RedisServer
from tests.harness.scripted_server import scripted_server

KEYS = int(os.environ.get("BENCH_KEYS", "1000000"))
SAMPLES = 10_000
_FLOOD_SECONDS = 10.0
_results: list[tuple[str, str, str]] = []


def note(what: str, value: float, unit: str, *, most: float | None = None) -> None:
    """Keep one line of the final table."""
    _results.append((what, f"{value:.3g} {unit}", "" if most is None else verdict(value, most=most)))


async def hot_path(url: str) -> None:
    """A key that has been seen before, without Redis being asked."""
    progress("cached API key")
    gate, keys = await open_gate(url), administration(url)
    _, key = await keys.create(LIVE)
    request = show(key)
    await gate.authenticate(request)
    with redis.Redis.from_url(url) as client:
        before = client.info("commandstats").get("cmdstat_get", {}).get("calls", 0)
        cost = await seconds_each(partial(gate.authenticate, request), 50_000)
        asked = client.info("commandstats").get("cmdstat_get", {}).get("calls", 0) - before
    note("API key seen before", cost * 1e6, "µs", most=10)
    note("... lookups of it in Redis", asked, "", most=0)
    await gate.stop()
    await keys._keyring.close()


async def jwt_costs() -> None:
    """Each algorithm against the bare check of its signature in the same run."""
    with tempfile.TemporaryDirectory() as folder:
        kinds = {"RS256": "rsa", "ES256": "p256", "EdDSA": "ed25519"}
        members = [jwk(private_key(kind), kid=name) for name, kind in kinds.items()]
        (Path(folder) / "jwks.json").write_bytes(jwks(*members))
        entry = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_file": "jwks.json"}
        settings = AuthenticationSettings.model_validate({"jwt": [entry]}, context={"folder": folder})
        gate = build(settings, None, Metrics())
        await gate.start()
        for name, kind in kinds.items():
            progress(f"JWT {name}")
            await _jwt_cost(gate, name, sign(claims(), private_key(kind), name, kid=name))
        await gate.stop()


async def _jwt_cost(gate: Authentication, name: str, value: str) -> None:
    jwts = gate._verifiers.jwts
    assert jwts is not None
    keys = jwts._issuers[ISSUER].source.keys
    assert keys is not None
    key = keys.find(name, name)
    assert key is not None
    method, prepared = key.verifiers[name]
    head, body, signature = value.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    signed = f"{head}.{body}".encode()

    async def bare() -> None:
        assert method.verify(signed, prepared, raw)

    async def uncached() -> None:
        jwts._known.clear()
        await gate.authenticate(request)

    request = show(value)
    floor = cost = float("inf")
    for _ in range(20):  # by turns, so that both meet the same moods of the machine
        floor = min(floor, await seconds_each(bare, 200))
        cost = min(cost, await seconds_each(uncached, 200))
    cached = await seconds_each(partial(gate.authenticate, request), 50_000)
    note(f"{name} seen before", cached * 1e6, "µs", most=10)
    note(f"{name} new ({cost * 1e6:.0f} µs), over its bare signature check ({floor * 1e6:.0f} µs)", cost / floor, "x",
         most=1.5)  # fmt: skip


async def lookups(server: RedisServer) -> None:
    """A new key's lookup with few and with very many keys beside it."""
    keys = administration(server.url)
    made = [await keys.create(LIVE) for _ in range(300)]
    sealed = await keys._store.get(made[0][0].id)
    assert sealed is not None
    costs = []
    for count in (0, KEYS):
        if count:
            progress(f"writing {count} keys to Redis")
            auth_rig.fill(redis.Redis.from_url(server.url), sealed, count)
        found: list[float] = []
        for _ in range(10):
            gate = await open_gate(server.url)
            await gate.authenticate(show(made[-1][1]))
            for _, key in made[:-1]:
                request = show(key)
                with timed(found):
                    await gate.authenticate(request)
            await gate.stop()
        costs.append(percentile(sorted(found), 0.1))
    few, many = costs
    note(f"lookup of a new key among {len(made)}", few * 1e6, "µs")
    note(f"lookup of a new key among {KEYS + len(made)}, over that", many / few, "x", most=1.25)
    await keys._keyring.close()


async def revocation(url: str) -> None:
    """From the end of the command to the refusal by the last of four replicas."""
    progress("revocation on four replicas")
    keys, gates = administration(url), [await open_gate(url) for _ in range(4)]
    took = []
    for _ in range(100):
        record, key = await keys.create(LIVE)
        request = show(key)
        for gate in gates:
            await gate.authenticate(request)
        await keys.revoke(record.id)
        began = time.perf_counter()
        waiting = set(range(4))
        while waiting:
            for number in tuple(waiting):
                if await refused(gates[number], request):
                    waiting.discard(number)
            await asyncio.sleep(0)
        took.append(time.perf_counter() - began)
    note("revocation to refusal on 4 replicas, worst of 100", max(took), "s", most=1)
    for gate in gates:
        await gate.stop()
    await keys._keyring.close()


async def evenness(url: str) -> None:
    """Wrong secret, unknown id and revoked key, by turns."""
    progress(f"timing of {3 * SAMPLES} wrong keys")
    keys, gate = administration(url), await open_gate(url)
    good = [await keys.create(LIVE) for _ in range(50)]
    ended = [await keys.create(LIVE) for _ in range(50)]
    for record, _ in ended:
        await keys.revoke(record.id)
    times: dict[str, list[float]] = {"wrong secret": [], "unknown id": [], "revoked": []}
    order = list(times)
    for number in range(SAMPLES):
        random.shuffle(order)
        for kind in order:
            if kind == "wrong secret":
                stranger = text.generate("live")[1].split("_")[3]
                body = f"pcl_live_{good[number % 50][0].id}_{stranger}"
                key = f"{body}_{text.checksum(body)}"
            elif kind == "unknown id":
                key = text.generate("live")[1]
            else:
                key = ended[number % 50][1]
            request = show(key)
            with timed(times[kind]):
                assert await refused(gate, request)
    medians = {kind: sorted(found)[SAMPLES // 2] for kind, found in times.items()}
    base = "wrong secret"
    note(f"{base}: median", medians[base] * 1e3, "ms")
    for kind in order:
        if kind != base:
            p = auth_rig.mann_whitney(times[base], times[kind])
            _results.append(
                (
                    f"{kind} against {base}: Mann-Whitney p, n = {SAMPLES}",
                    f"{p:.3f}",
                    verdict(p, least=0.01) + f"; medians {abs(medians[kind] - medians[base]) * 1e6:.1f} µs apart",
                )
            )
    await gate.stop()
    await keys._keyring.close()


async def unknown_kids() -> None:
    """10 000 JWTs with random kids in ten seconds, with good JWTs among them."""
    progress("10 000 unknown kids in 10 s")
    signer = private_key("p256")
    async with scripted_server() as server:
        server.say("/jwks", jwks(jwk(signer, kid="good")))
        entry = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_uri": f"{server.url}/jwks"}
        gate = build(AuthenticationSettings.model_validate({"jwt": [entry]}), None, Metrics())
        await gate.start()
        good = show(sign(claims(), signer, kid="good"))
        foreign = [show(sign(claims(), signer, kid=f"random-{number}")) for number in range(1000)]
        quiet = await _good_times(gate, good, None)
        flooded = await _good_times(gate, good, foreign)
        requests = len(server.requests) - 1
        await gate.stop()
    note("JWKS requests that the flood caused (cooldown 30 s)", requests, "", most=1)
    note("p99 of good JWTs: quiet", percentile(quiet, 0.99) * 1e6, "µs")
    note("p99 of good JWTs: during the flood", percentile(flooded, 0.99) * 1e6, "µs")


async def _good_times(gate: Authentication, good: HttpRequest, foreign: list[HttpRequest] | None) -> list[float]:
    times: list[float] = []
    began, number = time.perf_counter(), 0
    span = _FLOOD_SECONDS if foreign else 2.0
    while (elapsed := time.perf_counter() - began) < span:
        due = int(elapsed * 1000)  # a thousand a second
        while number < due:
            if foreign:
                assert await refused(gate, foreign[number % len(foreign)])
            with timed(times):
                await gate.authenticate(good)
            number += 1
        await asyncio.sleep(0.001)
    return sorted(times)


async def main() -> int:
    """Run everything; 1 when a goal is missed."""
    auth_rig.use_new_master_key()
    with tempfile.TemporaryDirectory() as folder, redis_server.single(Path(folder)) as server:
        await hot_path(server.url)
        await jwt_costs()
        await revocation(server.url)
        await evenness(server.url)
        await unknown_kids()
        await lookups(server)
    table("Identity", ("what", "measured", "goal"), _results)
    print(f"\n(times of one call; {milliseconds(0.003)} ms is when every wrong key is answered)")
    return int(any("MISSED" in goal for _, _, goal in _results))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as `portcullis serve` does
        sys.exit(runner.run(main()))
