"""Fixtures of the end-to-end tests: one folder of logs a module, shown when a test fails."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e.edge import Edge, start_edge
from tests.e2e.whole import TRANSPORTS, Whole, start_whole
from tests.harness.authorizer import allow

_FOLDER = pytest.StashKey[Path]()


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder for certificates, sockets and logs. Its path is short, since a Unix socket's has 107 bytes at most."""
    made = Path(tempfile.mkdtemp(prefix="pcl-"))
    request.node.stash[_FOLDER] = made
    yield made
    shutil.rmtree(made)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Append the ends of all logs to the report of a test that failed."""
    report = yield
    module = item.getparent(pytest.Module)
    made = module.stash.get(_FOLDER, None) if module else None
    if report.failed and made and made.exists():
        for log in sorted(made.glob("**/*.log")):
            report.sections.append((log.name, "\n".join(log.read_text(errors="replace").splitlines()[-60:])))
    return report


@pytest.fixture(scope="module")
def edge(folder: Path) -> Iterator[Edge]:
    """Envoy with a stand-in for Portcullis, shared by the tests of a module."""
    with start_edge(folder) as running:
        yield running


@pytest.fixture(scope="module", params=TRANSPORTS)
def whole(request: pytest.FixtureRequest, folder: Path) -> Iterator[Whole]:
    """The whole gateway, once on each transport."""
    own = folder / request.param
    own.mkdir()
    with start_whole(own, request.param) as running:
        yield running


@pytest.fixture(autouse=True)
def _calm(request: pytest.FixtureRequest) -> Iterator[None]:
    """Undo what a test told the shared stand-in or the upstream to do."""
    yield
    if "edge" in request.fixturenames:
        shared: Edge = request.getfixturevalue("edge")
        shared.authorizer.answer = allow
        shared.upstream.unhold()
