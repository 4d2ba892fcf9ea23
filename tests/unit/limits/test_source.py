"""Descriptors that follow their files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.errors import ConfigurationError
from sidecar.limits import DescriptorSettings, DescriptorSource
from sidecar.limits.question import Descriptor
from sidecar.metrics import Metrics


def text(units: int) -> str:
    return f"domain: d\ndescriptors: [{{key: k, rate_limit: {{unit: day, requests_per_unit: {units}}}}}]\n"


def units(source: DescriptorSource) -> int:
    return source.questions.compile("d", [Descriptor((("k", "v"),))], 1).charges[0].limit.units


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the watch has nobody to tell
            await asyncio.sleep(0.02)


def configmap(folder: Path, version: str, content: str) -> None:
    """Write and swap as the kubelet does: a new folder, and `..data` renamed over the old link."""
    target = folder / f"..{version}"
    target.mkdir()
    (target / "d.yaml").write_text(content)
    link = folder / "..data_tmp"
    link.symlink_to(target.name)
    link.rename(folder / "..data")
    if not (folder / "d.yaml").is_symlink():
        (folder / "d.yaml").symlink_to("..data/d.yaml")


async def test_a_configmap_swap_is_followed_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    metrics = Metrics()
    configmap(tmp_path, "1", text(1))
    source = DescriptorSource(DescriptorSettings(descriptors=tmp_path), metrics)
    await source.start()
    try:
        assert units(source) == 1
        configmap(tmp_path, "2", text(2))
        await until(lambda: units(source) == 2)
        configmap(tmp_path, "3", "domain: d\ndescriptors: [{}]")
        await until(lambda: metrics.descriptor_reloads.values.get(("refused",), 0) == 1)
        assert units(source) == 2
        configmap(tmp_path, "4", text(4))
        await until(lambda: units(source) == 4)
    finally:
        await source.stop()


def test_one_bad_file_refuses_the_whole_folder(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text(1))
    source = DescriptorSource(DescriptorSettings(descriptors=tmp_path), Metrics())
    (tmp_path / "a.yaml").write_text(text(22))
    (tmp_path / "b.yaml").write_text("domain: ''")
    assert not source.reload()
    assert units(source) == 1
    (tmp_path / "b.yaml").unlink()
    assert source.reload()
    assert units(source) == 22


def test_a_bad_file_at_the_start_is_an_error(tmp_path: Path) -> None:
    for path, fault in ((tmp_path, "holds no .yaml file"), (tmp_path / "none.yaml", "can't be read")):
        with pytest.raises(ConfigurationError, match=fault):
            DescriptorSource(DescriptorSettings(descriptors=path), Metrics())


def test_a_file_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"domain: \xff")
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        DescriptorSource(DescriptorSettings(descriptors=tmp_path), Metrics())


def test_without_settings_nothing_is_limited() -> None:
    question = DescriptorSource(None, Metrics()).questions.compile("d", [Descriptor((("k", "v"),))], 1)
    assert question.charges == ()
