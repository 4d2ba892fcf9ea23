"""From the settings of an inspector to the inspector."""

from __future__ import annotations

from typing import assert_never

from sidecar.inspection.format import FormatInspector, FormatSettings
from sidecar.inspection.injection import InjectionInspector, InjectionSettings
from sidecar.inspection.inspector import Inspector
from sidecar.inspection.length import LengthInspector, LengthSettings
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
        case TermsSettings():
            return TermsInspector(settings)
    assert_never(settings)
