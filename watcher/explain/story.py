"""An event with all that came of it: what changed, what each rule said, and its deliveries.

Rules: pure. What is told is what was recorded when it was decided; nothing is evaluated again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from watcher.explain.changes import what_changed
from watcher.explain.deliveries import plain_entry
from watcher.explain.waits import Wait
from watcher.model import Delivery, Event, rfc3339
from watcher.records import HistoryEntry, RuleResult

__all__ = ["Story"]


@dataclass(frozen=True, slots=True)
class Story:
    """One event, each rule's result for it (None: no longer stored), and its deliveries."""

    event: Event
    verdicts: Sequence[RuleResult] | None
    deliveries: Sequence[Delivery]

    history: Mapping[str, Sequence[HistoryEntry]]
    """What was done and decided about each delivery, by key."""

    waits: Mapping[str, Wait]
    """What pending deliveries wait for, by key."""

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON form that commands and the API show."""
        rules = None
        if self.verdicts is not None:
            rules = [
                {"rule": one.rule, "matched": one.matched, "reason": one.reason}
                for one in self.verdicts
            ]
        return {
            "event": self.event.to_plain(),
            "changed": what_changed(self.event),
            "rules": rules,
            "deliveries": [self._delivery(one) for one in self.deliveries],
        }

    def _delivery(self, delivery: Delivery) -> dict[str, Any]:
        wait = self.waits.get(delivery.key)
        return {
            "id": delivery.id,
            "receiver": delivery.receiver,
            "rule": delivery.rule,
            "kind": delivery.kind,
            "number": delivery.number,
            "state": delivery.state,
            "due": rfc3339(delivery.due),
            "settled": rfc3339(delivery.settled) if delivery.settled else None,
            "digest": delivery.message or None,
            "note": delivery.note,
            "waits": wait.to_plain() if wait is not None else None,
            "history": [plain_entry(entry) for entry in self.history[delivery.key]],
        }
