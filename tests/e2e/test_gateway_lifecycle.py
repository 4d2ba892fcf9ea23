"""Starting, stopping and dying under load, and Redis that comes and goes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.load import Load
from tests.e2e.whole import TRANSPORTS, Whole, start_whole
from tests.harness.sidecar import Sidecar
from tests.harness.waiting import until


@pytest.fixture(params=TRANSPORTS)
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Whole]:
    """A whole gateway for one test, which may break it."""
    with start_whole(tmp_path, request.param) as running:
        yield running


def test_a_sidecar_told_to_stop_under_load_loses_no_request(own: Whole) -> None:
    """It goes on answering while it is asked, as Envoy drains beside it, and then ends by itself."""
    sidecar = own.gateway.pod.sidecar
    with Load(own.gateway.pods, own.key) as load:
        load.wait_for(50)
        sidecar.signal(signal.SIGTERM)
        load.wait_for(100)
    assert sidecar.wait() == 0
    assert set(load.answers) == {"200"}
    assert "Traceback" not in sidecar.output()


def test_a_sidecar_that_is_killed_lets_nothing_pass_and_can_be_replaced(own: Whole) -> None:
    sidecar = own.gateway.pod.sidecar
    with ExitStack() as later, Load(own.gateway.pods, own.key) as load:
        load.wait_for(30)
        sidecar.kill()
        until(lambda: load.answers["503"] > 0, "requests are refused", lambda: repr(load.answers))
        before = len(own.gateway.upstream.seen())
        load.wait_for(5)
        assert len(own.gateway.upstream.seen()) == before
        successor = Sidecar("successor", sidecar.configuration, sidecar.log, sidecar.environment)
        later.enter_context(successor)  # it ends after the load has, since it would wait for that
        passed = load.answers["200"]
        until(lambda: load.answers["200"] > passed + 20, "requests pass again", lambda: repr(load.answers))
    assert set(load.answers) == {"200", "503"}


def test_without_redis_the_stated_behaviour_holds_and_it_recovers(own: Whole) -> None:
    """The default is `local`: this replica's share of each limit. Redis comes back empty, as a cache would."""
    redis, sidecar = own.gateway.redis, own.gateway.pod.sidecar
    with Load(own.gateway.pods, own.gateway.provider.token()) as load:
        load.wait_for(30)
        redis.kill()
        load.wait_for(60)
        redis.start()
        load.wait_for(60)
    assert set(load.answers) == {"200"}
    assert sidecar.alive
    assert "Traceback" not in sidecar.output()


def test_a_known_key_goes_on_working_while_redis_is_away(own: Whole) -> None:
    with Load(own.gateway.pods, own.key) as load:
        load.wait_for(30)
        own.gateway.redis.kill()
        load.wait_for(100)
    assert set(load.answers) == {"200"}
    unknown = own.chat(headers={"authorization": f"Bearer {own.key[:-1]}"})
    assert unknown.status_code in {401, 503}


def test_redis_that_hangs_holds_nobody_up(own: Whole) -> None:
    redis = own.gateway.redis
    with Load(own.gateway.pods, own.key) as load:
        load.wait_for(30)
        redis.pause()
        try:
            load.wait_for(60)
        finally:
            redis.resume()
        load.wait_for(60)
    assert set(load.answers) == {"200"}


def test_a_changed_configuration_takes_effect_without_a_restart(own: Whole) -> None:
    path = own.gateway.pod.sidecar.configuration
    assert own.chat(model="large-1").status_code == 403
    path.write_text(path.read_text().replace("small-*", "large-*"))
    until(lambda: own.chat(model="large-1").status_code == 200, "the plan has the model", own.gateway.pod.sidecar.tail)


def test_a_broken_configuration_leaves_the_last_good_one(own: Whole) -> None:
    sidecar = own.gateway.pod.sidecar
    with Load(own.gateway.pods, own.key) as load:
        sidecar.configuration.write_text(sidecar.configuration.read_text() + "\nnonsense: true\n")
        until(lambda: "nonsense" in sidecar.output(), "the fault is logged", sidecar.tail)
        load.wait_for(20)
    assert set(load.answers) == {"200"}
