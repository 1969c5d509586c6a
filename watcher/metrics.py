"""What Prometheus can read of the daemon: a registry and the few series worth watching.

Rules: counters and gauges only, labelled by configured names (sources, receivers, rules), never by
conversation, URL or anything else that grows without bound. With more than some hundred sources, counters are
summed over them, and only the worst have gauges of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from watcher.errors import OVER_BUDGET

__all__ = ["MOST", "Metrics"]

MOST = 500
"""Sources that have series of their own."""


class Metrics:
    """All series of one daemon, in a registry of their own."""

    def __init__(self) -> None:
        self.registry: CollectorRegistry = _BoundedRegistry(self)
        self._labelled: list[tuple[Counter | Gauge, tuple[str, ...]]] = []

        def counter(name: str, text: str, *labels: str) -> Counter:
            one = Counter(f"watcher_{name}", text, labels, registry=self.registry)
            self._labelled.append((one, labels))
            return one

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            one = Gauge(f"watcher_{name}", text, labels, registry=self.registry)
            self._labelled.append((one, labels))
            return one

        self.requests = counter("requests", "Requests to providers.", "source", "outcome")
        self.polls = counter("polls", "Polls that went through.", "source")
        self.sweeps = counter("sweeps", "Sweeps that ended.", "source", "outcome")
        self.rows = counter("rows", "Rows read from providers.", "source")
        self.unusable = counter("unusable_rows", "Rows without a usable ID.", "source")
        self.events = counter("events", "Events recorded.", "source", "type")
        self.failing = gauge("source_failing", "1 while a source fails.", "source")
        self.held = gauge("source_held", "1 while a sweep of the source is held.", "source")
        self.last_success = gauge(
            "source_last_success_timestamp_seconds",
            "When the source was last read, in seconds since the epoch.",
            "source",
        )
        self.lag = gauge(
            "source_lag_seconds",
            "Seconds since the source's last good poll or sweep.",
            "source",
        )
        self.stale = gauge(
            "source_stale",
            "1 while the source fails or has not been read for three poll intervals.",
            "source",
        )
        self.planned = gauge(
            "source_planned_requests_per_hour",
            "Requests that the source's intervals ask for in an hour.",
            "source",
        )
        self.allowed = gauge(
            "source_budget_requests_per_hour",
            "Requests that the provider allows in an hour to all that share the source's limit.",
            "source",
        )
        self.waited = gauge(
            "source_budget_wait_seconds",
            "Seconds that requests have waited for the limit that the source shares.",
            "source",
        )
        self.conversations = gauge("conversations", "Conversations known.", "source")
        self.stuck = gauge("stuck_loops", "Loops that have something to do and do not move.")
        self.store_failing = gauge("store_failing", "1 while the store cannot be read or written.")
        self.disk_free = gauge("disk_free_bytes", "What is free of the store's disk.")
        self.deliveries = counter("deliveries", "Attempts to deliver.", "receiver", "outcome")
        self.pending = gauge("deliveries_pending", "Deliveries that wait.", "receiver")
        self.dead = gauge("deliveries_dead", "Deliveries given up, kept for a person.", "receiver")
        self.receiver_failing = gauge("receiver_failing", "1 while a receiver fails.", "receiver")
        self.receiver_paused = gauge(
            "receiver_paused", "1 while a receiver is paused and probed.", "receiver"
        )
        self.guarded = counter(
            "deliveries_guarded",
            "Deliveries that a throttle, a silence or hours held, dropped or redirected.",
            "receiver",
            "why",
        )
        self.rule_errors = counter("rule_errors", "Conditions that could not be evaluated.", "rule")
        self.over_budget = counter(
            "evaluations_over_budget",
            "Conditions and templates that were ended by their budget.",
            "rule",
            "what",
        )
        self.reloads = counter("config_reloads", "Attempts to take up a configuration.", "outcome")
        self.template_errors = counter("template_errors", "Messages that failed to render.", "rule")

    def condition_failed(self, rule: str, problem: str) -> None:
        """Count a condition that could not be evaluated, and why."""
        self.rule_errors.labels(rule).inc()
        if OVER_BUDGET in problem:
            self.over_budget.labels(rule, "condition").inc()

    def template_failed(self, rule: str, problem: str) -> None:
        """Count a message that failed to render, and why."""
        self.template_errors.labels(rule).inc()
        if OVER_BUDGET in problem:
            self.over_budget.labels(rule, "template").inc()

    def rules_over_budget(self) -> list[dict[str, Any]]:
        """Return as plain JSON how often each rule's conditions and templates exceeded their budget."""
        rules: dict[str, dict[str, Any]] = {}
        for metric in self.over_budget.collect():
            for sample in metric.samples:
                if sample.name.endswith("_total"):
                    rule, what = sample.labels["rule"], sample.labels["what"]
                    one = rules.setdefault(rule, {"rule": rule, "condition": 0, "template": 0})
                    one[what] += int(sample.value)
        return [*rules.values()]

    def worst(self) -> frozenset[str]:
        """Return the sources that have gauges of their own where there are too many: those that fail,
        are held or stale, then those that were read longest ago.
        """
        troubles: dict[str, float] = {}
        for gauge in (self.failing, self.held, self.stale):
            for source, value in _by_source(gauge):
                troubles[source] = troubles.get(source, 0) + value
        lags = dict(_by_source(self.lag))
        worst = sorted(lags, key=lambda one: (-troubles.get(one, 0), -lags[one], one))
        return frozenset(worst[:MOST])

    def forget(self, **labels: str) -> None:
        """Drop the series of a source or a receiver that is no longer configured."""
        for series, names in self._labelled:
            if labels.keys() <= set(names):
                series.remove_by_labels(labels)


class _BoundedRegistry(CollectorRegistry):
    """The series of one daemon, as many as can be read."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yield all series, or with many sources the sums of counters and the gauges of the worst."""
        worst = self._metrics.worst()
        many = sum(1 for _ in _by_source(self._metrics.lag)) > MOST
        for metric in super().collect():
            if many and any("source" in sample.labels for sample in metric.samples):
                samples = metric.samples
                metric.samples = (
                    _summed(samples)
                    if metric.type == "counter"
                    else [one for one in samples if one.labels["source"] in worst]
                )
            yield metric


def _by_source(gauge: Gauge) -> Iterator[tuple[str, float]]:
    for metric in gauge.collect():
        for sample in metric.samples:
            yield sample.labels["source"], sample.value


def _summed(samples: Sequence[Sample]) -> list[Sample]:
    """Return a counter's samples without the sources that they are of."""
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    name = ""
    for sample in samples:
        if sample.name.endswith("_created"):
            continue
        name = sample.name
        rest = tuple((key, value) for key, value in sample.labels.items() if key != "source")
        sums[rest] = sums.get(rest, 0.0) + sample.value
    return [Sample(name, {**dict(rest), "source": ""}, value) for rest, value in sums.items()]
