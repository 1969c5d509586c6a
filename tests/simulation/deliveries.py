"""Was everything delivered, in order, and nothing twice without need?

Rules: reads a finished run.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from tests.support.virtual_time import START
from watcher.model import Delivery

from .inbox import Accepted
from .run import Run
from .verdict import Discrepancy

__all__ = ["judge_deliveries"]


def judge_deliveries(run: Run, found: list[Discrepancy]) -> None:
    end = run.down[-1][0] if run.down else 0.0
    owed = {delivery.key: delivery for delivery in run.outbox}
    for entry in run.log:
        if entry.event.type.startswith("receiver.") and entry.event.source == "crm":
            continue
        if f"{entry.event.id}/crm" not in owed:
            found.append(Discrepancy(entry.at, f"event {entry.seq} is owed to nobody"))
    for name, receiver in run.receivers.items():
        arrived: dict[str, list[Accepted]] = defaultdict(list)
        for one in receiver.accepted:
            arrived[one.id].append(one)
        for delivery in run.outbox:
            if delivery.receiver != name:
                continue
            if delivery.state == "pending" and not _later(run, delivery, end):
                found.append(Discrepancy(end, f"{delivery.key} still waits: {delivery.note}"))
            if delivery.state == "delivered" and delivery.id not in arrived:
                found.append(Discrepancy(end, f"{delivery.key} counts as delivered, never came"))
        known = {delivery.id for delivery in run.outbox if delivery.receiver == name}
        for key, times in arrived.items():
            if key not in known:
                found.append(Discrepancy(times[0].at, f"{name} got {key}, which nobody owes"))
            if len({one.digest for one in times}) > 1:
                found.append(Discrepancy(times[1].at, f"{name} got {key} with two bodies"))
            for one, again in pairwise(times):
                if not _excused(run, one, again):
                    found.append(Discrepancy(again.at, f"{name} got {key} again without need"))
        _order(run, name, receiver.accepted, found)


def _later(run: Run, delivery: Delivery, end: float) -> bool:
    """Return whether it waits for a time that has not come: what lasts is told again and again."""
    due = (delivery.due - START).total_seconds() - run.offset(end)
    return delivery.kind in ("for", "repeat") and due > end


def _excused(run: Run, one: Accepted, again: Accepted) -> bool:
    """A repeat needs a reason: the sender could not know, died before it wrote, or its clock moved."""
    return (
        not one.told
        or one.life != again.life
        or any(one.at - 60 <= when <= again.at for when, _ in run.plan.jumps)
    )


def _order(run: Run, name: str, accepted: list[Accepted], found: list[Discrepancy]) -> None:
    """Immediate deliveries of one conversation come in the order of the log."""
    seqs = {entry.event.id: entry for entry in run.log}
    last: dict[tuple[str, str], int] = {}
    seen: set[str] = set()
    for one in accepted:
        entry = seqs.get(one.id)
        if entry is None or one.id in seen or entry.event.subject is None:
            continue
        seen.add(one.id)
        key = (entry.event.source, entry.event.subject)
        if entry.seq < last.get(key, 0):
            text = f"{name} got event {entry.seq} of {key[1]} after event {last[key]}"
            found.append(Discrepancy(one.at, text))
        last[key] = max(entry.seq, last.get(key, 0))
