"""Giving up: what is told of messages that die, and the end of what waits for a removed receiver.

Rules: a death and the event that tells of it are one transaction. A removed receiver's deliveries go
in batches, so a kill in between leaves the rest to the next start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import structlog

from watcher.model import Delivery
from watcher.pipeline import DeadLetter, announce_dead
from watcher.records import Commit, DeliveryQuery, HistoryEntry, Settlement
from watcher.runtime import Runtime

__all__ = ["bury", "tell_of_dead"]

RECEIVER_GONE = "the receiver is no longer configured"

BATCH = 500


async def bury(runtime: Runtime, receiver: str) -> None:
    """Mark as dead all that waits for a receiver which is no longer configured, and report each."""
    query = DeliveryQuery(state="pending", receiver=receiver, limit=BATCH)
    before: set[tuple[str, int]] = set()
    while waiting := await runtime.store.deliveries(query):
        now = runtime.clock()
        # What cannot be settled is out at somebody after all: the next start looks again.
        if before == (before := {(one.key, one.attempt) for one in waiting}):
            return
        settlements = [
            Settlement(
                one.key,
                one.attempt,
                "dead",
                now,
                RECEIVER_GONE,
                now,
                entry=HistoryEntry(one.key, now, "buried", RECEIVER_GONE),
            )
            for one in waiting
        ]
        dead = [(message, RECEIVER_GONE) for message in _messages(waiting)]
        commit = await tell_of_dead(runtime, receiver, dead, now)
        runtime.publish(await runtime.store.settle(settlements, commit=commit))
        structlog.get_logger().warning(
            "deliveries are given up", receiver=receiver, reason=RECEIVER_GONE, count=len(waiting)
        )


def _messages(deliveries: Sequence[Delivery]) -> Iterable[Sequence[Delivery]]:
    """Return what would have gone out together: the rows of a digest that was composed, else each."""
    messages: dict[str, list[Delivery]] = {}
    for one in deliveries:
        composed = one.batch and one.message
        messages.setdefault(one.message if composed else one.key, []).append(one)
    return messages.values()


async def tell_of_dead(
    runtime: Runtime, receiver: str, dead: Sequence[tuple[Sequence[Delivery], str]], now: datetime
) -> Commit | None:
    """Return what is to be committed with the death of these messages, each with its reason."""
    keys = [message[0].key for message, _ in dead]
    history = await runtime.store.history(keys) if keys else ()
    again = Counter(entry.key for entry in history if entry.kind == "retried")
    letters = [DeadLetter(message, reason, again[message[0].key]) for message, reason in dead]
    commit, failed = announce_dead(runtime.rules(), receiver, letters, now)
    for rule, problem in failed:
        runtime.metrics.condition_failed(rule, problem)
    return commit
