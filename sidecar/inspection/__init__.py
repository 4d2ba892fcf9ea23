"""Inspectors, one file each: Prompt -> Findings. A new kind adds a line to `settings.py`, one to `kinds.py`."""

from sidecar.inspection.finding import Action, Finding
from sidecar.inspection.inspector import Inspector, InspectorSettings
from sidecar.inspection.pipeline import Inspection, Verdict
from sidecar.inspection.settings import InspectionSettings

__all__ = ["Action", "Finding", "Inspection", "InspectionSettings", "Inspector", "InspectorSettings", "Verdict"]
