"""The statistical half of injection detection: a trained linear model over hashed words."""

from sidecar.inspection.model.scorer import InjectionModel

__all__ = ["InjectionModel"]
