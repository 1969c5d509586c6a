"""What Prometheus can read of the daemon: a registry and the few series worth watching.

Rules: counters and gauges only, labelled by configured names (sources, receivers, rules), never by
conversation, URL or anything else that grows without bound.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

__all__ = ["Metrics"]


class Metrics:
    """All series of one daemon, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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
        self.reloads = counter("config_reloads", "Attempts to take up a configuration.", "outcome")
        self.template_errors = counter("template_errors", "Messages that failed to render.", "rule")

    def forget(self, **labels: str) -> None:
        """Drop the series of a source or a receiver that is no longer configured."""
        for series, names in self._labelled:
            if labels.keys() <= set(names):
                series.remove_by_labels(labels)
