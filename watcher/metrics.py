"""What Prometheus can read of the daemon: a registry and the few series worth watching.

Rules: counters and gauges only, labelled by configured names (sources, receivers, rules), never by
conversation, URL or anything else that grows without bound. With more than some hundred sources, counters are
summed over them, and only the worst have gauges of their own. Ten thousand sources have a hundred thousand
numbers, so a number is a number, kept by the name that it is of: to drop a source, or to read the sums,
looks at nothing else.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from watcher.errors import OVER_BUDGET

__all__ = ["MOST", "Metrics"]

MOST = 500
"""Sources that have series of their own."""


class _Number:
    """One number of a series."""

    __slots__ = ("_function", "_value")

    def __init__(self) -> None:
        self._value = 0.0
        self._function: Callable[[], float] | None = None

    def inc(self, by: float = 1.0) -> None:
        self._value += by

    def set(self, value: float) -> None:
        self._value = float(value)

    def set_function(self, function: Callable[[], float]) -> None:
        """Have it computed whenever it is read."""
        self._function = function

    def read(self) -> float:
        return self._value if self._function is None else float(self._function())


class _Series:
    """The numbers of one name: for each combination of labels one, by the first of them."""

    def __init__(self, kind: str, name: str, text: str, labels: tuple[str, ...]) -> None:
        self.kind, self.name, self.text, self.names = kind, name, text, labels
        self._numbers: dict[str, dict[tuple[str, ...], _Number]] = {}
        self._forgotten: dict[tuple[str, ...], float] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def labels(self, first: str, *rest: str) -> _Number:
        """Return the number of these labels."""
        of_first = self._numbers.get(first)
        if of_first is None:
            of_first = self._numbers[first] = {}
        number = of_first.get(rest)
        if number is None:
            number = of_first[rest] = _Number()
        return number

    def forget(self, first: str) -> None:
        """Drop what is of a name; a counter's sums go on with it, since they must not fall."""
        for rest, number in self._numbers.pop(first, {}).items():
            if self.kind == "counter":
                self._forgotten[rest] = self._forgotten.get(rest, 0.0) + number.read()

    def each(
        self, only: Collection[str] | None = None
    ) -> Iterator[tuple[str, tuple[str, ...], float]]:
        """Yield first label, other labels and number, of all names or these."""
        # A copy: the loop goes on while a thread reads.
        for first, of_first in self._numbers.copy().items():
            if only is None or first in only:
                for rest, number in of_first.copy().items():
                    yield first, rest, number.read()

    def metric(self, only: Collection[str] | None = None) -> Metric:
        """Return all of it, or what is of these names, as Prometheus reads it."""
        return self._metric(self.each(only))

    def summed(self) -> Metric:
        """Return the sums over all names, those that were dropped too."""
        sums = dict(self._forgotten)
        for _first, rest, number in self.each():
            sums[rest] = sums.get(rest, 0.0) + number
        return self._metric(("", rest, number) for rest, number in sums.items())

    def _metric(self, numbers: Iterator[tuple[str, tuple[str, ...], float]]) -> Metric:
        metric = Metric(self.name, self.text, self.kind)
        sample = f"{self.name}_total" if self.kind == "counter" else self.name
        for first, rest, number in numbers:
            metric.add_sample(sample, dict(zip(self.names, (first, *rest), strict=False)), number)
        return metric


class Metrics:
    """All series of one daemon, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._series: list[_Series] = []

        def series(kind: str, name: str, text: str, labels: tuple[str, ...]) -> _Series:
            self._series.append(_Series(kind, f"inbox_watcher_{name}", text, labels))
            return self._series[-1]

        def counter(name: str, text: str, *labels: str) -> _Series:
            return series("counter", name, text, labels)

        def gauge(name: str, text: str, *labels: str) -> _Series:
            return series("gauge", name, text, labels)

        def one(name: str, text: str) -> _Number:
            return series("gauge", name, text, ()).labels("")

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
        self.stuck = one("stuck_loops", "Loops that have something to do and do not move.")
        self.store_failing = one("store_failing", "1 while the store cannot be read or written.")
        self.disk_free = one("disk_free_bytes", "What is free of the store's disk.")
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
        self.registry.register(self)

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
        for rule, (what,), number in self.over_budget.each():
            one = rules.setdefault(rule, {"rule": rule, "condition": 0, "template": 0})
            one[what] += int(number)
        return [*rules.values()]

    def worst(self) -> frozenset[str]:
        """Return the sources that have gauges of their own where there are too many: those that fail,
        are held or stale, then those that were read longest ago.
        """
        troubles: dict[str, float] = {}
        for gauge in (self.failing, self.held, self.stale):
            for source, _rest, value in gauge.each():
                troubles[source] = troubles.get(source, 0) + value
        lags = {source: lag for source, _rest, lag in self.lag.each()}
        return frozenset(
            heapq.nsmallest(MOST, lags, key=lambda one: (-troubles.get(one, 0), -lags[one], one))
        )

    def forget(self, label: str, name: str) -> None:
        """Drop the series of a `source` or a `receiver` that is no longer configured."""
        for series in self._series:
            if series.names[:1] == (label,):
                series.forget(name)

    def collect(self) -> Iterator[Metric]:
        """Yield all series, or with many sources the sums of counters and the gauges of the worst."""
        worst = self.worst() if len(self.lag) > MOST else None
        for series in self._series:
            if worst is None or series.names[:1] != ("source",):
                yield series.metric()
            elif series.kind == "counter":
                yield series.summed()
            else:
                yield series.metric(worst)
