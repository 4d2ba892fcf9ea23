"""Configurations, a master key and API keys for sidecars under measurement."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

PLAN = "bench"
ENDLESS = "1000000/second"


class SidecarFiles:
    """A folder of configurations that share one keyring. The master key is made at construction."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "master-key").write_bytes(base64.b64encode(os.urandom(32)))

    def full_decision(self, socket: Path, transport: str) -> dict[str, Any]:
        """Every stage switched on, with four limits that nobody reaches; prompts are judged by the
        injection inspector as it comes, small model and rules. Nothing listens where traces would go."""
        keys = {"file": str(self._folder / "keys.yaml"), "master_key": {"file": str(self._folder / "master-key")}}
        return {
            "server": {"listen": f"unix:{socket}", "transport": transport},
            "authentication": {"api_keys": keys},
            "authorization": {
                "routes": [{"methods": ["POST"], "path": "/v1/chat/completions", "scopes": ["llm:write"]}]
            },
            "plans": {
                PLAN: {
                    "models": ["small-*"],
                    "limits": [{"name": "key-requests", "by": ["api_key"], "rate": ENDLESS}],
                }
            },
            "limits": [
                {"name": "per-ip", "by": ["client_ip"], "rate": ENDLESS},
                {"name": "per-user", "by": ["principal"], "rate": ENDLESS},
                {"name": "global", "rate": ENDLESS},
            ],
            "inspection": {
                "inspectors": [
                    {"kind": "length", "max_bytes": 262_144},
                    {"kind": "injection", "action": "deny"},
                ]
            },
            "telemetry": {"metrics": "127.0.0.1:0", "otlp_endpoint": "http://127.0.0.1:9"},
        }

    def write(self, name: str, configuration: dict[str, Any]) -> Path:
        """Write a configuration under a name."""
        path = self._folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(configuration, sort_keys=False))
        return path

    def create_key(self, configuration: Path) -> str:
        """A new API key of the plan that may write, made by the command line."""
        command = [sys.executable, "-m", "sidecar.cli", "keys", "create", "--config", str(configuration)]
        options = ["--json", "--plan", PLAN, "--scope", "llm:write"]
        made = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
        key: str = json.loads(made.stdout)["key"]
        return key
