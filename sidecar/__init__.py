"""Portcullis: a gRPC sidecar that turns Envoy into a security gateway for LLM APIs."""

__version__ = "0.1.0"
