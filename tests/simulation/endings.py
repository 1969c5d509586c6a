"""Of a state that lasts: was it told in time, and its end once, to those who had been told?

Rules: reads a finished run. The log says what the watcher knew and when; nobody hears of a state after its
end is in the log, and who has heard of it hears of the end.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from watcher.model import Delivery

from .run import Entry, Run
from .scene import WAITS
from .verdict import Discrepancy

__all__ = ["judge_endings"]

ENDS = ("conversation.answered", "conversation.removed")
UNDER_WAY = 65.0
"""Seconds for which an attempt may be under way while the end is written."""


@dataclass(slots=True)
class Told:
    """What became of one wait: what is owed of it, and when its end was written."""

    begun: Entry
    end: Entry | None
    rows: list[Delivery] = field(default_factory=list)

    def of(self, *kinds: str) -> list[Delivery]:
        """Return the deliveries of these kinds."""
        return [row for row in self.rows if row.kind in kinds]


def judge_endings(run: Run, found: list[Discrepancy]) -> None:
    """Add what is wrong with how waits and their ends were told to people."""
    if not run.plan.timers:
        return
    waits = _waits(run)
    for row in run.outbox:
        if row.rule == WAITS and row.receiver == "team" and row.event.id in waits:
            waits[row.event.id].rows.append(row)
    accepted = defaultdict(list)
    for one in run.receivers["team"].accepted:
        accepted[one.id].append(one)
    for told in waits.values():
        _judge(run, told, accepted, found)


def _waits(run: Run) -> dict[str, Told]:
    """Return each wait of the log with the entry that ended it."""
    open_: dict[tuple[str, str | None], Told] = {}
    waits: dict[str, Told] = {}
    for entry in run.log:
        event = entry.event
        key = (event.source, event.subject)
        if event.type in ENDS and key in open_:
            open_.pop(key).end = entry
        elif event.type == "conversation.waiting":
            open_[key] = waits[event.id] = Told(entry, None)
    return waits


def _judge(run: Run, told: Told, accepted: dict[str, list[Any]], found: list[Discrepancy]) -> None:
    event, end = told.begun.event, told.end
    name = f"the wait of {event.subject} ({event.source}) that event {told.begun.seq} tells"
    came = [(row, accepted[row.id][0].at) for row in told.of("for", "repeat") if accepted[row.id]]
    endings = told.of("resolved")
    if len(endings) > 1:
        found.append(Discrepancy(told.begun.at, f"{name} has {len(endings)} ends"))
    for row, at in came:
        if end is not None and at > end.at + UNDER_WAY:
            found.append(Discrepancy(at, f"{name} was told ({row.kind}) after its end"))
    if endings and end is None:
        found.append(Discrepancy(told.begun.at, f"{name} is told as over, and it is not"))
    if endings and not came and not any(row.uncertain for row in told.rows):
        found.append(Discrepancy(told.begun.at, f"{name} was told to nobody, and its end was"))
    if _turned(run, told):
        return
    delivered = [row for row in told.of("for", "repeat") if row.state == "delivered"]
    if end is not None and delivered and not endings:
        found.append(Discrepancy(end.at, f"{name} was told, and its end was not"))
    if end is None and not any(row.state in ("delivered", "dead") for row in told.of("for")):
        states = [(row.kind, row.state, row.note) for row in told.rows]
        found.append(Discrepancy(told.begun.at, f"{name} lasts, and nobody was told: {states}"))
    for row in endings:
        for one in accepted[row.id][:1]:
            _read(told, name, one, found)


def _read(told: Told, name: str, one: Any, found: list[Discrepancy]) -> None:
    """Check what the message about the end says."""
    data = json.loads(one.body)["data"]
    over = data["delivery"].get("resolved") or {}
    assert told.end is not None
    waited = told.end.event.data.get("waited", over.get("seconds"))
    if not over.get("reason") or over.get("seconds") != waited:
        found.append(Discrepancy(one.at, f"{name} ends with {over}, waited {waited}"))
    if data["conversation"]["id"] != told.begun.event.subject:
        found.append(Discrepancy(one.at, f"{name} ends with another conversation"))


def _turned(run: Run, told: Told) -> bool:
    """Return whether there was no such rule, or rule, receiver or account changed since, which cancels
    without a word.
    """
    begun = told.begun.at
    toggles = [at for at, kind in run.turned if kind == "rules"]
    if sum(at < begun for at in toggles) % 2:
        return True
    return any(at >= begun - 60 for at, kind in run.turned if kind in ("rules", "account"))
