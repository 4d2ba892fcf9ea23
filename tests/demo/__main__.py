"""`python -m tests.demo`: start the gateway, play the scenes, stay up. With `--check`: play, and judge."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from tests.demo.scene import MODEL, Credentials, Outcome, Scene, Stage
from tests.demo.scenes import SCENES
from tests.harness.gateway import Gateway, start_gateway
from tests.harness.oauth_server import oauth_server
from tests.harness.waiting import HarnessError

_CONFIGURATION = Path(__file__).parent / "configuration"
_ROOT = Path(__file__).parents[2]
_PORT = 8443
_ISSUER = "authentication.jwt.1.issuer"
_PAUSE = 0.05  # seconds between the pieces of a streamed completion, so that a person sees them come
_HALF_A_DAY = 43_200


class _Ended(Exception):
    """SIGINT or SIGTERM: leave, and end the children on the way."""


def main() -> int:
    """Run the demo; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit at the end, with 1 when a line differs")
    check = parser.parse_args().check
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    home = _ROOT / ".demo" / ("check" if check else "")
    shutil.rmtree(home / "logs", ignore_errors=True)
    home.mkdir(parents=True, exist_ok=True)
    run = Path(tempfile.mkdtemp(prefix="portcullis-"))  # short enough for the paths of sockets
    env = home / "env"
    try:
        print("Starting Redis, an LLM API, and two pods of Envoy and Portcullis ...", flush=True)
        port = 0 if check else _PORT
        with (
            oauth_server(run) as issuer,
            start_gateway(run, _CONFIGURATION, pods=2, port=port, pause=_PAUSE, changes={_ISSUER: issuer}) as gateway,
        ):
            stage = Stage(gateway, _credentials(gateway), issuer)
            differ = _play(stage)
            if check:
                return 1 if differ else 0
            _write_env(env, stage)
            _invite(stage, env, run)
            while True:
                signal.pause()
    except _Ended:
        return 0
    except HarnessError as fault:
        print(f"\nThe demo did not come up: {fault}", file=sys.stderr)
        return 1
    finally:
        _ignore_signals()
        env.unlink(missing_ok=True)
        shutil.copytree(run, home / "logs", ignore=_no_secrets, dirs_exist_ok=True)
        shutil.rmtree(run)


def _credentials(gateway: Gateway) -> Credentials:
    sidecar, provider = gateway.pod.sidecar, gateway.provider
    return Credentials(
        key=sidecar.create_key("llm:read", "llm:write", name="demo", tenant="acme", plan="standard"),
        token=provider.token(expires_in=_HALF_A_DAY),
        expired_token=provider.token(expires_in=-60),
        reader_token=provider.token("llm:read"),
        trial_key=sidecar.create_key("llm:write", name="burst", tenant="acme", plan="trial"),
        shared_trial_key=sidecar.create_key("llm:write", name="shared burst", tenant="acme", plan="trial"),
    )


def _play(stage: Stage) -> int:
    """Play all scenes, one line each; how many of them differ."""
    print(f"\n{'':2} {'WHAT HAPPENS':26} {'STATUS':8} {'REASON':20} SHOWN", flush=True)
    differ = 0
    for scene in SCENES:
        outcome, faults = _try(scene, stage)
        mark = "!!" if faults else "ok"
        print(f"{mark} {scene.title:26} {outcome.status:8} {outcome.reason:20} {outcome.shown}", flush=True)
        for fault in faults:
            print(f"   differs: {fault}", flush=True)
        differ += bool(faults)
    verdict = f"{differ} of {len(SCENES)} lines differ" if differ else f"all {len(SCENES)} lines are as promised"
    print(f"\n{verdict}", flush=True)
    return differ


def _try(scene: Scene, stage: Stage) -> tuple[Outcome, tuple[str, ...]]:
    try:
        outcome = scene.play(stage)
    except _Ended:
        raise
    except Exception as error:
        return Outcome("failed"), (f"{type(error).__name__}: {error}",)
    return outcome, scene.faults(outcome)


def _write_env(path: Path, stage: Stage) -> None:
    sidecar = stage.gateway.pod.sidecar
    values = {
        "PORTCULLIS_URL": stage.gateway.pod.url,
        "PORTCULLIS_CA": stage.gateway.authority.certificate,
        "PORTCULLIS_API_KEY": stage.credentials.key,
        "PORTCULLIS_JWT": stage.credentials.token,
        "PORTCULLIS_MODEL": MODEL,
        "PORTCULLIS_CONFIG": sidecar.configuration,
        **sidecar.environment,
    }
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def _invite(stage: Stage, env: Path, run: Path) -> None:
    gateway = stage.gateway
    operations = f"http://127.0.0.1:{gateway.pod.envoy.placement.operations_port}"
    print(
        f"""
Try it yourself, in another terminal:

  set -a; . {env.relative_to(_ROOT)}; set +a
  curl --cacert $PORTCULLIS_CA $PORTCULLIS_URL/v1/chat/completions \\
    -H "Authorization: Bearer $PORTCULLIS_API_KEY" -H "Content-Type: application/json" \\
    -d '{{"model": "'$PORTCULLIS_MODEL'", "messages": [{{"role": "user", "content": "Hello"}}]}}'
  .venv/bin/portcullis keys list --config $PORTCULLIS_CONFIG

Traces    the collector is part of the demo ({gateway.collector.endpoint}); the last trace is shown above.
          To see them in yours, name it in `telemetry.otlp_endpoint` and in the cluster `otel_collector` of Envoy.
Logs      {run}
Metrics   Envoy: {operations}/stats/prometheus   Portcullis: {gateway.pod.metrics_url}

Listening on {gateway.pod.url} until Ctrl-C.""",
        flush=True,
    )


def _no_secrets(_: str, names: list[str]) -> list[str]:
    """Of a run only what can be read later is kept: no private keys, no sockets."""
    return [name for name in names if name.endswith((".key", ".sock"))]


def _end(_: int, __: FrameType | None) -> None:
    _ignore_signals()  # a second Ctrl-C must not leave children behind
    raise _Ended


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
