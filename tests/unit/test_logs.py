"""A log record has the fields of the allow-list and no others."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import logging, structlog
from sidecar import logs
logs.configure("info")
log = structlog.get_logger()
log.info("decision", reason="over_limit", prompt="my secret prompt", authorization="Bearer abc", trace_id="1f")
log.debug("quiet")
logging.getLogger("some.library").warning("failed on %s", "a secret body")
try:
    raise ValueError("what failed")
except ValueError:
    log.exception("decision_failed", request_id="r-1")
"""


def test_only_allow_listed_fields_are_written() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert [record["event"] for record in records] == ["decision", "library_warning", "decision_failed"]
    assert {name: records[0][name] for name in ("reason", "trace_id", "level")} == {
        "reason": "over_limit",
        "trace_id": "1f",
        "level": "info",
    }
    assert records[1]["component"] == "some.library"
    assert "ValueError" in records[2]["exception"]
    assert "secret" not in done.stderr
    assert "Bearer" not in done.stderr
