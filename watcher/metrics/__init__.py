"""What Prometheus can read of the daemon: a registry and the series worth watching.

Rules: labels are configured names (receivers, rules, sources), providers and words of a short table, never
a conversation, a URL or anything else that grows without bound. All that is known of labels stands at 0
from the start, so that the first increase is one. What is counted while sources are polled is counted by
provider; what there is of each source is read from the source when somebody asks
(`watcher.metrics.sources`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import Metric

from watcher.errors import (
    OVER_BUDGET,
    SourceChanged,
    SourceError,
    SourceRefused,
    SourceUnavailable,
    WalkExpired,
)
from watcher.metrics.series import Distribution, Kind, Number, Series

__all__ = [
    "ATTEMPTS", "ENDS", "GUARDS", "HOLDS", "PREFIX", "Metrics", "MotionName", "ProviderSeries",
    "ReceiverSeries",
]  # fmt: skip

PREFIX = "inbox_watcher_"

MotionName = Literal["poll", "sweep", "set", "look_up", "check"]
"""What a request is for, by the walk that it belongs to."""

MOTIONS: tuple[MotionName, ...] = ("poll", "sweep", "set", "look_up", "check")

FAILURES: Mapping[type[SourceError], str] = {
    SourceUnavailable: "unavailable",
    SourceRefused: "refused",
    SourceChanged: "changed",
    WalkExpired: "expired",
}
"""How requests to providers fail; `bug` is the plug-in's own."""

SWEEPS = ("baseline", "complete", "incomplete")
"""How sweeps end that are not repeated at once."""

_DECIDED = ("accepted", "agreed", "disagreed", "discarded")
HOLDS: Mapping[str, tuple[str, ...]] = {
    "absences": _DECIDED,
    "arrivals": _DECIDED,
    "hole": ("discarded", "mended"),
}
"""How holds end, by their kind."""

ATTEMPTS = ("ok", "retry", "refused", "timeout", "off")
"""What came of attempts: `timeout` was cut off and may have arrived, `off` says that the receiver wants no
more.
"""

ENDS = ("delivered", "dead", "cancelled")
"""How deliveries end."""

GUARDS = ("throttled", "silenced", "held", "dropped", "redirected")
"""Why what was due was not sent."""

REQUEST_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SWEEP_SECONDS = (1, 5, 15, 60, 300, 900, 3600)
DETECTION_SECONDS = (1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 14_400)
TOLD_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 30, 300, 1800, 7200, 43_200)
ATTEMPT_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
COMMIT_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)
DELAY_SECONDS = (0.001, 0.01, 0.05, 0.1, 0.5, 1, 5)
HTTP_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30)


class ProviderSeries:
    """What is counted of the sources of one provider: found once, counted often."""

    def __init__(self, metrics: Metrics, provider: str, types: Collection[str]) -> None:
        self._requests: dict[tuple[MotionName, str], Number] = {
            (motion, outcome): metrics.requests.labels(provider, motion, outcome)
            for motion in MOTIONS
            for outcome in ("ok", *FAILURES.values(), "bug")
        }
        self.request_seconds = metrics.request_seconds.labels(provider)
        self.polls = metrics.polls.labels(provider, "ok")
        self.failed_polls = metrics.polls.labels(provider, "failed")
        self.sweeps = {one: metrics.sweeps.labels(provider, one) for one in SWEEPS}
        self.sweep_seconds = metrics.sweep_seconds.labels(provider)
        self.rows = metrics.rows.labels(provider)
        self.unusable = metrics.unusable.labels(provider)
        self.events = {one: metrics.events.labels(provider, one) for one in types}
        self.detection = metrics.detection.labels(provider)
        self.late = metrics.late.labels(provider)
        self.holds = {
            (kind, outcome): metrics.holds.labels(provider, kind, outcome)
            for kind, outcomes in HOLDS.items()
            for outcome in outcomes
        }

    def answered(self, motion: MotionName, seconds: float) -> None:
        """Count a request that was answered as it should be."""
        self._requests[motion, "ok"].inc()
        self.request_seconds.observe(seconds)

    def failed(self, motion: MotionName, error: Exception) -> None:
        """Count a request that failed."""
        found = (word for kind, word in FAILURES.items() if isinstance(error, kind))
        self._requests[motion, next(found, "bug")].inc()


class ReceiverSeries:
    """What is counted of one receiver."""

    def __init__(self, metrics: Metrics, receiver: str, kind: str) -> None:
        self.attempts = {one: metrics.attempts.labels(receiver, one) for one in ATTEMPTS}
        self.attempt_seconds = metrics.attempt_seconds.labels(kind)
        self.told = metrics.told.labels(kind)
        self.failing = metrics.receiver_failing.labels(receiver)
        self.paused = metrics.receiver_paused.labels(receiver)
        self.off = metrics.receiver_off.labels(receiver)
        for end in ENDS:
            metrics.deliveries.labels(receiver, end)
        for why in GUARDS:
            metrics.guarded.labels(receiver, why)


class Metrics:
    """The series of one daemon that are counted, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._series: list[Series[Number] | Series[Distribution]] = []
        self._of_providers: dict[str, ProviderSeries] = {}
        self._of_receivers: dict[str, ReceiverSeries] = {}
        self._of_sources()
        self._of_deliveries()
        self._of_process()
        self.registry.register(self)
        for collector in (ProcessCollector, GCCollector, PlatformCollector):
            collector(registry=self.registry)

    def _numbers(self, kind: Kind, name: str, text: str, labels: tuple[str, ...]) -> Series[Number]:
        series = Series(kind, PREFIX + name, text, labels, Number)
        self._series.append(series)
        return series

    def _counter(self, name: str, text: str, *labels: str) -> Series[Number]:
        return self._numbers("counter", name, text, labels)

    def _gauge(self, name: str, text: str, *labels: str) -> Series[Number]:
        return self._numbers("gauge", name, text, labels)

    def _one(self, name: str, text: str) -> Number:
        return self._gauge(name, text).labels()

    def _histogram(
        self, name: str, bounds: Sequence[float], text: str, *labels: str
    ) -> Series[Distribution]:
        series = Series("histogram", PREFIX + name, text, labels, lambda: Distribution(bounds))
        self._series.append(series)
        return series

    def _of_sources(self) -> None:
        counter, histogram = self._counter, self._histogram
        self.requests = counter(
            "requests", "Requests to providers.", "provider", "motion", "outcome"
        )
        self.request_seconds = histogram(
            "request_duration_seconds", REQUEST_SECONDS, "Time of one request.", "provider"
        )
        self.polls = counter("polls", "Polls that ended.", "provider", "outcome")
        self.sweeps = counter("sweeps", "Sweeps that ended.", "provider", "outcome")
        self.sweep_seconds = histogram(
            "sweep_duration_seconds", SWEEP_SECONDS, "Time of a complete sweep.", "provider"
        )
        self.rows = counter("rows", "Rows read from providers.", "provider")
        self.unusable = counter("unusable_rows", "Rows without a usable ID.", "provider")
        self.events = counter("events", "Events recorded.", "provider", "type")
        self.detection = histogram(
            "message_detection_seconds",
            DETECTION_SECONDS,
            "From a message's own time to its event.",
            "provider",
        )
        self.late = counter(
            "late_events", "Events whose change may be older than one sweep.", "provider"
        )
        self.holds = counter("holds", "Holds that ended.", "provider", "kind", "outcome")

    def _of_deliveries(self) -> None:
        counter, gauge, histogram = self._counter, self._gauge, self._histogram
        self.attempts = counter(
            "delivery_attempts", "Attempts to deliver, one a message.", "receiver", "outcome"
        )
        self.attempt_seconds = histogram(
            "delivery_attempt_duration_seconds", ATTEMPT_SECONDS, "Time of one attempt.", "receiver_type"
        )  # fmt: skip
        self.told = histogram(
            "told_seconds", TOLD_SECONDS, "From an event, or from when it was due, to a receiver's yes.",
            "receiver_type",
        )  # fmt: skip
        self.deliveries = counter("deliveries", "Deliveries that ended.", "receiver", "state")
        self.guarded = counter(
            "deliveries_guarded",
            "Deliveries that a throttle, a silence or hours held, dropped or redirected.",
            "receiver",
            "why",
        )
        self.receiver_failing = gauge("receiver_failing", "1 while a receiver fails.", "receiver")
        self.receiver_paused = gauge(
            "receiver_paused", "1 while a receiver is paused and probed.", "receiver"
        )
        self.receiver_off = gauge(
            "receiver_off", "1 while a receiver is off: it wants no more.", "receiver"
        )
        self.matches = counter("rule_matches", "Events that a rule matched.", "rule")
        self.rule_errors = counter("rule_errors", "Conditions that could not be evaluated.", "rule")
        self.template_errors = counter("template_errors", "Messages that failed to render.", "rule")
        self.over_budget = counter(
            "evaluations_over_budget",
            "Conditions and templates that were ended by their budget.",
            "rule",
            "what",
        )

    def _of_process(self) -> None:
        one = self._one
        self.build = self._gauge("build_info", "What runs.", "version", "python", "schema")
        self.stuck = one("stuck_loops", "Loops that have something to do and do not move.")
        self.store_failing = one("store_failing", "1 while the store cannot be read or written.")
        self.disk_free = one("disk_free_bytes", "What is free of the store's disk.")
        self.commit_seconds = self._histogram(
            "store_commit_duration_seconds", COMMIT_SECONDS, "Time of a write, waiting for its turn included."
        ).labels()  # fmt: skip
        self.loop_delay = self._histogram(
            "loop_delay_seconds", DELAY_SECONDS, "How late the event loop's timers run."
        ).labels()
        self.reloads = self._counter(
            "config_reloads", "Attempts to take up a configuration.", "outcome"
        )
        for outcome in ("done", "refused"):
            self.reloads.labels(outcome)
        self.reload_worked = one(
            "config_last_reload_successful", "1 if the last attempt to take up a configuration worked."
        )  # fmt: skip
        self.reloaded = one(
            "config_last_reload_success_timestamp_seconds",
            "When a configuration was last taken up, in seconds since the epoch.",
        )
        self.http_requests = self._counter(
            "http_requests", "Requests to our own pages and API.", "route", "code"
        )
        self.http_seconds = self._histogram(
            "http_request_duration_seconds", HTTP_SECONDS, "Time until the answer ended.", "route"
        )
        self.streams = one("streams", "Open live streams.")
        self.heartbeat = one(
            "heartbeat_last_success_timestamp_seconds",
            "When the last heartbeat was taken, in seconds since the epoch.",
        )

    def of_provider(self, provider: str, types: Collection[str]) -> ProviderSeries:
        """Return what is counted of a provider, whose events have these types."""
        found = self._of_providers.get(provider)
        if found is None:
            found = self._of_providers[provider] = ProviderSeries(self, provider, types)
        return found

    def of_receiver(self, receiver: str, kind: str) -> ReceiverSeries:
        """Return what is counted of a receiver of this kind."""
        found = self._of_receivers.get(receiver)
        if found is None:
            found = self._of_receivers[receiver] = ReceiverSeries(self, receiver, kind)
        return found

    def forget_receiver(self, receiver: str) -> None:
        """Drop the series of a receiver that is no longer configured."""
        self._of_receivers.pop(receiver, None)
        for series in self._series:
            if series.names[:1] == ("receiver",):
                series.keep(self._of_receivers)

    def keep_rules(self, rules: Collection[str]) -> None:
        """Have the series of these rules, and of no others."""
        for series in self._series:
            if series.names[:1] == ("rule",):
                series.keep(rules)
        for rule in rules:
            for one in (self.matches, self.rule_errors, self.template_errors):
                one.labels(rule)
            for what in ("condition", "template"):
                self.over_budget.labels(rule, what)

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
        for (rule, what), number in self.over_budget.each():
            one = rules.setdefault(rule, {"rule": rule, "condition": 0, "template": 0})
            one[what] += int(number.read())
        return [one for one in rules.values() if one["condition"] or one["template"]]

    def collect(self) -> Iterator[Metric]:
        """Yield all series."""
        for series in self._series:
            yield series.metric()
