"""Guards before sending: silences, hours and throttle of the deliveries that were claimed.

Rules: `watcher.pipeline.guards` decides; what it holds back, drops or hands to another receiver is
recorded together with the throttle marks, before anything is sent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from watcher.model import Delivery
from watcher.notify.receivers import ReceiverPlan
from watcher.pipeline import (
    Guards,
    Send,
    guard,
    next_repeat,
    rebatch,
    throttled_by,
)
from watcher.records import HistoryEntry, Settlement
from watcher.rules import Rule
from watcher.rules.due import Drop, Redirect, Wait
from watcher.runtime import Runtime

__all__ = ["let_pass"]


async def let_pass(
    plan: ReceiverPlan, runtime: Runtime, claimed: Sequence[Delivery], now: datetime, log: Any
) -> list[Delivery]:
    """Return the claimed deliveries that may go out now, each with the rule that sends it."""
    rules = {rule.name: rule for rule in runtime.rules()}
    asked = throttled_by(claimed, rules)
    marks = dict(await runtime.store.marks(plan.name, asked)) if asked else {}
    guards = Guards(rules, runtime.silences(), marks)
    kept: list[Delivery] = []
    left = []
    settlements = []
    others = set()
    for delivery in claimed:
        verdict = guard(delivery, guards, now)
        if isinstance(verdict, Send):
            same = verdict.rule == delivery.rule
            kept.append(delivery if same else dataclasses.replace(delivery, rule=verdict.rule))
            if verdict.mark is not None:
                left.append(verdict.mark)
            continue
        settlements.append(_settlement(delivery, verdict, rules, now))
        log.info(
            "a delivery is held back" if isinstance(verdict, Wait) else "a delivery is not sent",
            delivery=delivery.key,
            reason=verdict.note,
        )
        if isinstance(verdict, Redirect):
            others.add(verdict.receiver)
    if settlements or left:
        await runtime.store.settle(settlements, marks=left)
    for receiver in others:
        runtime.wake(receiver)
    return kept


def _same_batch(delivery: Delivery, until: datetime) -> str:
    return rebatch(delivery.batch, until) if delivery.kind == "digest" else ""


def _settlement(
    delivery: Delivery, verdict: Wait | Drop | Redirect, rules: dict[str, Rule], now: datetime
) -> Settlement:
    """Return a verdict as a settlement. What is not sent counts no attempt."""
    key, attempt, note = delivery.key, delivery.attempt, verdict.note
    entry = HistoryEntry(key, now, "dropped", note)
    if isinstance(verdict, Wait):
        return Settlement(
            key,
            attempt,
            "pending",
            verdict.until,
            note,
            None,
            untried=True,
            held=True,
            batch=verdict.batch or _same_batch(delivery, verdict.until),
            entry=dataclasses.replace(entry, kind="held"),
        )
    then = next_repeat(delivery, rules.get(delivery.rule), now)
    if isinstance(verdict, Redirect):
        other = dataclasses.replace(
            delivery,
            receiver=verdict.receiver,
            redirected=delivery.receiver,
            due=now,
            attempt=0,
            message="",
            note="",
            aside=False,
        )
        entry = dataclasses.replace(entry, kind="redirected")
        return Settlement(
            key,
            attempt,
            "cancelled",
            now,
            note,
            now,
            untried=True,
            entry=entry,
            then=(other, *then),
        )
    entry = dataclasses.replace(entry, kind=verdict.kind)
    return Settlement(
        key,
        attempt,
        "cancelled",
        now,
        note,
        now,
        untried=True,
        entry=entry,
        silence=verdict.silence,
        then=then,
    )
