"""Hooks for all tests."""

from __future__ import annotations


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long or binary values after their parameter: ids must be alike in every worker, and some are random."""
    random = isinstance(val, bytes) or (isinstance(val, str) and len(val) > 40)
    return argname if random else None
