"""Giving up: what is told of messages that die, and the end of what waits for a removed receiver, or has
waited for too long.

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
from watcher.pipeline.deliveries import owed_since
from watcher.records import Commit, DeliveryQuery, HistoryEntry, Settlement
from watcher.runtime import Runtime

__all__ = ["bury", "give_up_overdue", "has_overdue", "tell_of_dead"]

RECEIVER_GONE = "the receiver is no longer configured"

BATCH = 500
_ALL = 2**62


async def bury(runtime: Runtime, receiver: str) -> None:
    """Mark as dead all that waits for a receiver which is no longer configured, and report each."""
    query = DeliveryQuery(state="pending", receiver=receiver, limit=BATCH)
    before: set[tuple[str, int]] = set()
    while waiting := await runtime.store.deliveries(query):
        # What cannot be settled is out at somebody after all: the next start looks again.
        if before == (before := {(one.key, one.attempt) for one in waiting}):
            return
        await _give_up(runtime, receiver, waiting, RECEIVER_GONE)


async def has_overdue(runtime: Runtime, receiver: str, before: datetime) -> bool:
    """Return whether something that was owed before then may still wait for a receiver."""
    query = DeliveryQuery(state="pending", receiver=receiver, until=before, limit=1)
    return bool(await runtime.store.deliveries(query))


async def give_up_overdue(runtime: Runtime, receiver: str, before: datetime, reason: str) -> None:
    """Mark as dead what has been owed to a receiver since before then, and report each. Called while
    nothing is under way to it.
    """
    rules = {rule.name: rule for rule in runtime.rules()}
    query = DeliveryQuery(state="pending", receiver=receiver, until=before, limit=_ALL)
    overdue: list[Delivery] = []
    async for one in runtime.store.each_delivery(query):
        if owed_since(one, rules.get(one.timer or "")) < before:
            overdue.append(one)
        if len(overdue) >= BATCH:
            await _give_up(runtime, receiver, await _not_retried(runtime, overdue, before), reason)
            overdue = []
    if overdue := await _not_retried(runtime, overdue, before):
        await _give_up(runtime, receiver, overdue, reason)


async def _not_retried(
    runtime: Runtime, deliveries: Sequence[Delivery], before: datetime
) -> list[Delivery]:
    """Return the deliveries without those that a person sent again since then."""
    history = await runtime.store.history([one.key for one in deliveries]) if deliveries else ()
    lately = {
        line.key
        for line in history
        if line.kind == "retried" and line.at is not None and line.at >= before
    }
    return [one for one in deliveries if one.key not in lately]


async def _give_up(
    runtime: Runtime, receiver: str, deliveries: Sequence[Delivery], reason: str
) -> None:
    if not deliveries:
        return
    now = runtime.clock()
    settlements = [
        Settlement(
            one.key,
            one.attempt,
            "dead",
            now,
            reason,
            now,
            entry=HistoryEntry(one.key, now, "buried", reason),
        )
        for one in deliveries
    ]
    dead = [(message, reason) for message in _messages(deliveries)]
    commit = await tell_of_dead(runtime, receiver, dead, now)
    runtime.publish(await runtime.store.settle(settlements, commit=commit))
    structlog.get_logger().warning(
        "deliveries are given up", receiver=receiver, reason=reason, count=len(deliveries)
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
