"""Every number that Portcullis counts, and its name; `telemetry.py` exports them through OpenTelemetry.

A count on the request path is one dict increment: OpenTelemetry reads the totals when it collects. Label values are
from closed sets or configuration, never from a request.
"""

from __future__ import annotations

from bisect import bisect_left


class Counter:
    """A monotonic sum per tuple of label values."""

    __slots__ = ("description", "labels", "name", "values")

    def __init__(self, name: str, description: str, *labels: str) -> None:
        self.name, self.description, self.labels = name, description, labels
        self.values: dict[tuple[str, ...], int] = {}

    def add(self, amount: int, *label_values: str) -> None:
        """Count `amount` under the label values, given in the order of `labels`."""
        self.values[label_values] = self.values.get(label_values, 0) + amount


class Gauge(Counter):
    """The last value set per tuple of label values."""

    __slots__ = ()

    def set(self, value: int, *label_values: str) -> None:
        """Replace the value under the label values."""
        self.values[label_values] = value


class Histogram:
    """Observations in fixed buckets, per tuple of label values. `bounds` are upper bounds, in seconds for times."""

    __slots__ = ("bounds", "description", "labels", "name", "unit", "values")

    def __init__(self, name: str, description: str, bounds: tuple[float, ...], *labels: str, unit: str = "s") -> None:
        self.name, self.description, self.bounds, self.labels, self.unit = (
            name,
            description,
            bounds,
            labels,
            unit,
        )
        self.values: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}

    def record(self, value: float, *label_values: str) -> None:
        """Add one observation."""
        cell = self.values.get(label_values)
        if cell is None:
            cell = self.values[label_values] = ([0] * (len(self.bounds) + 1), [0.0])
        counts, total = cell
        counts[bisect_left(self.bounds, value)] += 1
        total[0] += value


_FAST = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2)


class Metrics:
    """All instruments of one process; made once in `server.py` and handed to whoever counts."""

    def __init__(self) -> None:
        self.decisions = Counter("portcullis_decisions", "Decisions by verdict and reason", "verdict", "reason")
        self.decision_seconds = Histogram("portcullis_decision_seconds", "Time to a decision", _FAST, "verdict")
        self.reloads = Counter("portcullis_configuration_reloads", "Changed configurations by outcome", "outcome")
        # limits
        self.bucket_denials = Counter("portcullis_bucket_denials", "Requests refused by a limit", "limit")
        self.shadow_denials = Counter(
            "portcullis_shadow_denials", "Requests that a limit in shadow mode would have refused", "limit"
        )
        self.bucket_hits = Counter("portcullis_bucket_hits", "Units charged", "limit")
        self.near_limit = Counter("portcullis_near_limit", "Units charged that left less than a fifth", "limit")
        self.store_seconds = Histogram(
            "portcullis_store_seconds", "Time of one call to the store of buckets", _FAST, "result"
        )
        self.store_failures = Counter("portcullis_store_failures", "Calls that the store did not answer", "code")
        self.store_up = Gauge("portcullis_store_up", "1 while buckets are shared through the store, 0 while it is away")
        self.store_batch = Histogram(
            "portcullis_store_batch", "Takes in one call to the store", (1, 2, 4, 8, 16, 32, 64, 128), unit="1"
        )
        self.descriptor_hits = Counter(
            "portcullis_descriptor_hits", "Units that Envoy's rate-limit filter asked for", "descriptor", "outcome"
        )
        self.descriptor_errors = Counter(
            "portcullis_descriptor_errors", "Calls of Envoy's rate-limit filter answered with an error", "code"
        )
        self.descriptor_reloads = Counter(
            "portcullis_descriptor_reloads", "Changes of the descriptors' files", "outcome"
        )
        self.leased_units = Counter("portcullis_leased_units", "Units drawn ahead of need, and given back", "what")
        self.replicas = Gauge("portcullis_replicas", "Replicas that share the limits, as last seen in the store")
        # authentication
        self.authentications = Counter(
            "portcullis_authentications", "Credentials shown, by kind and outcome", "kind", "code"
        )
        self.shadow_refusals = Counter(
            "portcullis_shadow_refusals", "Requests that a route in shadow mode would have refused", "route", "code"
        )
        # inspection
        self.findings = Counter("portcullis_findings", "Findings by rule and action", "rule", "action")
        self.findings_shadowed = Counter(
            "portcullis_findings_shadowed", "Findings that shadow mode kept from denying", "rule"
        )
        self.inspection_seconds = Histogram(
            "portcullis_inspection_seconds", "Time of inspecting one prompt", _FAST, "action"
        )

    def calls(self) -> int:
        """How many calls have been answered so far."""
        return sum(self.decisions.values.values()) + sum(self.descriptor_hits.values.values())
