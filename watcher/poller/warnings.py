"""What is odd and stops nothing, told a few times.

Law: each complaint is counted always and logged the first few times only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from watcher.metrics import Metrics

__all__ = ["Warnings"]

LINES = 3
MOST = 1_000
"""Different complaints that are remembered; what comes on top is not logged."""


class Warnings:
    """What one source's rows and rules were reproached with so far."""

    def __init__(self, metrics: Metrics, log: Any) -> None:
        self._metrics = metrics
        self._log = log
        self._heard: dict[str, int] = {}

    def row(self, complaint: str) -> None:
        """A row could not be read as the provider promises."""
        if self._news(complaint):
            self._log.warning("a row could not be read as promised", complaint=complaint)

    def rules(self, failed: Sequence[tuple[str, str]]) -> None:
        """Conditions (rule and problem) could not be evaluated."""
        for rule, problem in failed:
            self._metrics.rule_errors.labels(rule).inc()
            if self._news(f"{rule}: {problem}"):
                self._log.warning("a condition could not be evaluated", rule=rule, problem=problem)

    def _news(self, complaint: str) -> bool:
        count = self._heard.get(complaint, 0)
        if count >= LINES or len(self._heard) >= MOST:
            return False
        self._heard[complaint] = count + 1
        return True
