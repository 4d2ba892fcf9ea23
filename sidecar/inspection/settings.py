"""Settings of the inspection room."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sidecar.inspection.abuse import AbuseSettings
from sidecar.inspection.exfiltration import ExfiltrationSettings
from sidecar.inspection.format import FormatSettings
from sidecar.inspection.gibberish import GibberishSettings
from sidecar.inspection.injection import InjectionSettings
from sidecar.inspection.isolation import IsolationSettings
from sidecar.inspection.length import LengthSettings
from sidecar.inspection.pii import PiiSettings
from sidecar.inspection.secrets import SecretsSettings
from sidecar.inspection.terms import TermsSettings
from sidecar.settings import ByteSize, Duration, Settings

AnyInspectorSettings = Annotated[
    LengthSettings
    | FormatSettings
    | IsolationSettings
    | InjectionSettings
    | TermsSettings
    | PiiSettings
    | SecretsSettings
    | ExfiltrationSettings
    | AbuseSettings
    | GibberishSettings,
    Field(discriminator="kind"),
]
"""Settings of one inspector; its `kind` says of which."""


class InspectionSettings(Settings):
    """What is inspected, in order. Every inspector sees every prompt that it applies to."""

    inspectors: tuple[AnyInspectorSettings, ...] = Field(default=(), description="The inspectors, each with its `kind`")
    offload_bytes: ByteSize = Field(
        default=16 << 10, gt=0, description="Prompts with more text than this are inspected in a thread of their own"
    )
    deadline: Duration = Field(
        default=0.1,
        gt=0,
        le=60,
        description="A long prompt that takes longer is refused; below Envoy's own timeout for the whole decision",
    )
