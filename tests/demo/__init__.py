"""The demonstration behind `make demo`: real clients, real Envoy, every kind of answer."""
