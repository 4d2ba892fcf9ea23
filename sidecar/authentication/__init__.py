"""Who is calling: one folder per kind of credential."""

from __future__ import annotations

from sidecar.authentication.authenticate import Authentication, build
from sidecar.authentication.settings import AuthenticationSettings

__all__ = ["Authentication", "AuthenticationSettings", "build"]
