"""From the settings of an inspector to the inspector."""

from __future__ import annotations

from typing import assert_never

from sidecar.inspection.abuse import AbuseInspector, AbuseSettings
from sidecar.inspection.exfiltration import ExfiltrationInspector, ExfiltrationSettings
from sidecar.inspection.format import FormatInspector, FormatSettings
from sidecar.inspection.gibberish import GibberishInspector, GibberishSettings
from sidecar.inspection.injection import InjectionInspector, InjectionSettings
from sidecar.inspection.inspector import Inspector
from sidecar.inspection.isolation import IsolationInspector, IsolationSettings
from sidecar.inspection.length import LengthInspector, LengthSettings
from sidecar.inspection.pii import PiiInspector, PiiSettings
from sidecar.inspection.secrets import SecretsInspector, SecretsSettings
from sidecar.inspection.settings import AnyInspectorSettings
from sidecar.inspection.terms import TermsInspector, TermsSettings


def build(settings: AnyInspectorSettings) -> Inspector:
    """Compile one inspector. Raises ConfigurationError for a file that can't be used."""
    match settings:
        case LengthSettings():
            return LengthInspector(settings)
        case FormatSettings():
            return FormatInspector(settings)
        case InjectionSettings():
            return InjectionInspector(settings)
        case IsolationSettings():
            return IsolationInspector(settings)
        case TermsSettings():
            return TermsInspector(settings)
        case PiiSettings():
            return PiiInspector(settings)
        case SecretsSettings():
            return SecretsInspector(settings)
        case ExfiltrationSettings():
            return ExfiltrationInspector(settings)
        case AbuseSettings():
            return AbuseInspector(settings)
        case GibberishSettings():
            return GibberishInspector(settings)
    assert_never(settings)
