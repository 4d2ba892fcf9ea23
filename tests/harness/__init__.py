"""Real services on loopback for tests, benchmarks and the demo."""
