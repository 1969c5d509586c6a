"""The scorecard: what happened at the providers compared with what arrived at the receiver.

Rules: pure. A change counts as arrived only if conversation, type and both sides of every field are
right.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from watcher.demo.receiver import Arrival
from watcher.simulator import TruthEntry

__all__ = ["Change", "Scorecard", "score"]

PATIENCE = timedelta(seconds=10)
"""More than a removal takes, which needs two sweeps."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that the source of this name should report."""

    source: str
    entry: TruthEntry


@dataclass(frozen=True, slots=True)
class Scorecard:
    """What became of each change."""

    delays: tuple[float, ...]
    """Seconds from change to arrival, for each change that arrived."""

    under_way: tuple[Change, ...]
    """Changes that have not arrived but are recent enough to arrive yet."""

    missed: tuple[Change, ...]
    """Changes that should have arrived."""

    invented: tuple[Arrival, ...]
    """Arrivals of changes that did not happen."""

    escalated: int = 0
    """Waits that lasted, and of which people were told."""

    resolved: int = 0
    """Those whose end was told as well."""


def score(changes: Iterable[Change], arrivals: Iterable[Arrival], now: datetime) -> Scorecard:
    """Match each change with one arrival, and each end of a wait with what was told of the wait.

    What a rule sends later, of a state that lasts or has ended, is no change of its own.
    """
    arrived: defaultdict[tuple[str, ...], deque[Arrival]] = defaultdict(deque)
    later: dict[tuple[str, str], Arrival] = {}
    for arrival in arrivals:
        if about := arrival.event["data"].get("delivery"):
            later[about["kind"], about["event"]] = arrival
        elif "subject" in arrival.event:
            arrived[_of_event(arrival.event)].append(arrival)
    changes = list(changes)
    delays: list[float] = []
    lacking: list[Change] = []
    for change in changes:
        matches = arrived[_of_change(change)]
        if matches:
            delays.append((matches.popleft().at - change.entry.at).total_seconds())
        else:
            lacking.append(change)
    waits = {event: told for (kind, event), told in later.items() if kind == "for"}
    over = {event: told for (kind, event), told in later.items() if kind == "resolved"}
    untold = [
        end
        for event, told in waits.items()
        if event not in over and (end := _end(changes, told)) is not None
    ]
    return Scorecard(
        delays=tuple(delays),
        under_way=tuple(one for one in lacking if now - one.entry.at <= PATIENCE),
        missed=tuple(one for one in (*lacking, *untold) if now - one.entry.at > PATIENCE),
        invented=(
            *(left for matches in arrived.values() for left in matches),
            *(told for event, told in over.items() if event not in waits),
            *(told for told in over.values() if _end(changes, told) is None),
        ),
        escalated=len(waits),
        resolved=len(over),
    )


def _end(changes: Iterable[Change], told: Arrival) -> Change | None:
    """Return the change that ended the wait that was told of, None while it lasts."""
    data = told.event["data"]
    since = data["changes"]["waiting_since"]["after"]
    for change in changes:
        entry = change.entry
        if (change.source, entry.conversation) != (data["source"], told.event["subject"]):
            continue
        if entry.type == "conversation.answered" and entry.before["waiting_since"] == since:
            return change
        if entry.type == "conversation.removed":
            return change
    return None


def _of_change(change: Change) -> tuple[str, ...]:
    entry = change.entry
    sides = {
        name: {"before": entry.before[name], "after": value} for name, value in entry.after.items()
    }
    return (change.source, entry.conversation, entry.type, _sides(sides), _text(entry.extra))


def _of_event(event: Mapping[str, Any]) -> tuple[str, ...]:
    data = event["data"]
    extra = {name: data[name] for name in ("reason", "returned", "outcome") if name in data}
    return (data["source"], event["subject"], event["type"], _sides(data["changes"]), _text(extra))


def _sides(changes: Mapping[str, Mapping[str, Any]]) -> str:
    """Format the changes for comparison.

    Of `attributes` only what differs: a provider may track more of them than the simulation does.
    """
    sides = dict(changes)
    if "attributes" in sides:
        before, after = sides["attributes"]["before"], sides["attributes"]["after"]
        names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        sides["attributes"] = {name: (before.get(name), after.get(name)) for name in names}
    return _text(sides)


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True)
