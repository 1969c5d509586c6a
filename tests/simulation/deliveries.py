"""Was everything delivered, in order, and nothing twice without need?

Rules: reads a finished run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

from tests.support.virtual_time import START
from watcher.model import Delivery

from .inbox import Accepted, Receiver
from .run import Run
from .verdict import Discrepancy

__all__ = ["judge_deliveries"]

ABOUT_ONE = ("receiver.failing", "receiver.recovered", "delivery.dead")
FAILED_WITHIN = 7200.0
"""Seconds before a report within which what it is about failed."""
SEVERAL = 2
"""Refused messages that make a receiver fail, where it took none between them."""
HELD_UP = 300.0
"""Seconds that a message waits at most behind each refused one of its conversation: three attempts."""


def judge_deliveries(run: Run, found: list[Discrepancy]) -> None:
    end = run.down[-1][0] if run.down else 0.0
    owed = {delivery.key: delivery for delivery in run.outbox}
    for entry in run.log:
        if entry.event.type in ABOUT_ONE and entry.event.source == "crm":
            continue  # never sent to the receiver that it is about
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
    _dead(run, found)
    for name, receiver in run.receivers.items():
        _refusals(run, name, receiver, found)
        _held_up(run, name, receiver, found)


def _dead(run: Run, found: list[Discrepancy]) -> None:
    """Each message that was given up is told of once, and no other."""
    given_up = Counter(
        (row.receiver, row.event.id, row.rule)
        for row in run.outbox
        if row.state == "dead" and row.event.type != "delivery.dead"
    )
    told: Counter[tuple[str, str, str]] = Counter()
    for entry in run.log:
        if entry.event.type == "delivery.dead":
            data = entry.event.data
            told[data["receiver"], data["event"]["id"], data["rule"]] += 1
    for key in given_up.keys() | told.keys():
        if given_up[key] != told[key]:
            text = f"{key} died {given_up[key]} times, told {told[key]} times"
            found.append(Discrepancy(run.down[-1][0], text))


def _refusals(run: Run, name: str, receiver: Receiver, found: list[Discrepancy]) -> None:
    """A message that is refused for itself arrives nowhere, and makes no receiver fail."""
    found += [
        Discrepancy(0.0, f"{row.key} was refused, and counts as delivered")
        for row in run.outbox
        if row.receiver == name and row.id in receiver.refused and row.state == "delivered"
    ]
    for entry in run.log:
        if entry.event.type != "receiver.failing" or entry.event.source != name:
            continue
        since = max((one.at for one in receiver.accepted if one.at < entry.at), default=None)
        failed = any(entry.at - FAILED_WITHIN <= at <= entry.at for at, _ in receiver.met)
        refused = {
            id_
            for id_, times in receiver.refused.items()
            if any(since is None or since <= at <= entry.at for at in times)
        }
        if not failed and since is not None and len(refused) < SEVERAL:
            text = (
                f"{name} is told as failing for {len(refused)} refused messages: {entry.event.data}"
            )
            found.append(Discrepancy(entry.at, text))


def _later(run: Run, delivery: Delivery, end: float) -> bool:
    """Return whether it waits for a time that has not come: what lasts is told again and again."""
    due = (delivery.due - START).total_seconds() - run.offset(end)
    return delivery.kind in ("for", "repeat") and due > end


def _held_up(run: Run, name: str, receiver: Receiver, found: list[Discrepancy]) -> None:
    """At a receiver that fails in no other way, refused messages hold up nobody for long."""
    failed = any(e.event.type == "receiver.failing" and e.event.source == name for e in run.log)
    if receiver.met or failed or not receiver.refused or run.plan.jumps:
        return
    took = {one.id: one.at for one in reversed(receiver.accepted)}
    owed = {row.id for row in run.outbox if row.receiver == name and row.kind == "event"}
    before: Counter[tuple[str, str | None]] = Counter()
    for entry in run.log:
        key = (entry.event.source, entry.event.subject)
        if entry.event.id in receiver.refused:
            before[key] += 1
            continue
        limit = entry.at + HELD_UP * (1 + before[key])
        if entry.event.id not in owed or any(a <= limit and entry.at <= b for a, b in run.down):
            continue
        if not entry.at <= took.get(entry.event.id, float("inf")) <= limit:
            text = f"{name} got event {entry.seq} late, or never, behind refused ones"
            found.append(Discrepancy(entry.at, text))


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
