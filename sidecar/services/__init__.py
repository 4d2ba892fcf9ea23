"""The doors: the only modules that know gRPC and Envoy's messages."""
