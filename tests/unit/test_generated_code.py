"""What is in `sidecar/_pb` is what `protos/` says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "sidecar" / "_pb"


def generate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "protos" / "generate.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    shutil.copytree(GENERATED, tmp_path / "sidecar" / "_pb")
    return tmp_path


def test_the_generated_code_is_current() -> None:
    answer = generate(ROOT, "--check")
    assert (answer.returncode, answer.stderr) == (0, "")


def test_the_check_names_what_differs_and_generating_mends_it(copy: Path) -> None:
    source = copy / "protos" / "types.proto"
    source.write_text(source.read_text().replace("OK = 200;", "Fine = 200;"))
    leftover = copy / "sidecar" / "_pb" / "gone_pb2.py"
    leftover.write_text("")
    stale = generate(copy, "--check")
    assert stale.returncode == 1
    assert "gone_pb2.py, types_pb2.py, types_pb2.pyi" in stale.stderr
    assert "make protos" in stale.stderr
    assert generate(copy).returncode == 0
    assert not leftover.exists()
    assert generate(copy, "--check").returncode == 0


def test_a_faulty_protocol_file_writes_nothing(copy: Path) -> None:
    before = {path: path.read_text() for path in (copy / "sidecar" / "_pb").glob("*.py*")}
    source = copy / "protos" / "core.proto"
    source.write_text(source.read_text().replace("string key = 1;", "string key = one;"))
    answer = generate(copy)
    assert answer.returncode == 1
    assert "core.proto" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert {path: path.read_text() for path in (copy / "sidecar" / "_pb").glob("*.py*")} == before


def test_nothing_generated_is_or_needs_a_package_called_envoy() -> None:
    imports = re.compile(r"^(?:from|import) envoy\b", re.MULTILINE)
    assert [path.name for path in GENERATED.iterdir() if path.suffix and imports.search(path.read_text())] == []


def test_the_oldest_allowed_libraries_can_load_the_generated_code() -> None:
    wanted = {
        "protobuf": re.search(r"Protobuf Python Version: ([\d.]+)", (GENERATED / "core_pb2.py").read_text()),
        "grpcio": re.search(r"GRPC_GENERATED_VERSION = '([\d.]+)'", (GENERATED / "ratelimit_pb2_grpc.py").read_text()),
    }
    allowed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for library, generated in wanted.items():
        assert generated is not None
        (oldest,) = [line.removeprefix(f"{library}>=") for line in allowed if line.startswith(f"{library}>=")]
        assert [int(part) for part in oldest.split(".")] >= [int(part) for part in generated[1].split(".")]
