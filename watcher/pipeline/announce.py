"""Events about the watcher's own state: sources, receivers, the network.

Rules: pure. Their ids come from a number that is kept with the state, so that a restart neither
repeats nor forgets one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from watcher.catalogue.events import DEAD, ENDING_EVENTS
from watcher.model import Delivery, Event, derive_id, rfc3339
from watcher.pipeline.decide import SourcePolicy
from watcher.pipeline.deliveries import DIGEST, Failed, Routed, route
from watcher.records import Commit, End, ReceiverState, SourceState, Trouble
from watcher.rules import Rule
from watcher.rules.resolved import rules_that_tell

__all__ = [
    "DeadLetter",
    "Effect",
    "SourceReport",
    "StateUpdate",
    "announce_dead",
    "announce_disk",
    "announce_network",
    "announce_receiver",
    "announce_source",
]


@dataclass(frozen=True, slots=True)
class SourceReport:
    """An event about a source that is to be recorded, with the state that it changes."""

    kind: Literal["baselined", "failing", "recovered", "held", "released"]
    """The last part of the event's type, `source.<kind>`."""

    reason: str
    """What happened, in one line."""

    since: datetime
    """When the state that the event is about began."""

    remedy: str = ""
    """What a person can do, in one line."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    """What the event's data holds on top of that."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `SourceState` that are stored in the same transaction."""


@dataclass(frozen=True, slots=True)
class StateUpdate:
    """A change of a source's state without an event."""

    changes: Mapping[str, Any]
    """Fields of `SourceState` with their new values."""

    force: bool = False
    """Whether it is stored at once; otherwise when the stored state has grown old."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that is given up."""

    deliveries: Sequence[Delivery]
    """The delivery; of a digest all that it holds."""

    reason: str
    """Why, in one line."""

    before: int = 0
    """How often it was sent again by hand before, so that each death has an id of its own."""


Effect = SourceReport | StateUpdate
"""What a decision about a source has carried out."""


def announce_source(
    policy: SourcePolicy, state: SourceState, report: SourceReport, *, now: datetime
) -> tuple[Commit, Failed]:
    """Return the commit that records a report's event together with its changes of `state`."""
    kind, number = report.kind, state.counts.get(report.kind, 0)
    event = Event(
        id=derive_id(policy.source, policy.account, f"source.{kind}", number),
        type=f"source.{kind}",
        source=policy.source,
        subject=None,
        time=now,
        data={
            "source": policy.source,
            "provider": policy.provider,
            **_why(report.reason, report.remedy, report.since),
            **report.extra,
        },
    )
    routed = route(policy.rules, event)
    over = ENDING_EVENTS.get(event.type)
    tell = rules_that_tell(policy.rules)
    ends = (End(policy.source, None, note=over, resolved=tell),) if over else ()
    changed = dataclasses.replace(
        state, **{**report.changes, "counts": {**state.counts, kind: number + 1}}
    )
    commit = Commit(
        policy.source,
        changed,
        events=(event,),
        deliveries=routed.deliveries,
        ends=ends,
        verdicts={event.id: routed.results},
    )
    return commit, routed.failed


def announce_receiver(
    rules: tuple[Rule, ...],
    state: ReceiverState,
    kind: str,
    *,
    reason: str,
    remedy: str = "",
    since: datetime,
    now: datetime,
    extra: Mapping[str, Any] | None = None,
) -> tuple[ReceiverState, Commit, Failed]:
    """Return the event `receiver.<kind>` to commit; the receiver's new state goes with the settlement."""
    number = state.counts.get(kind, 0)
    event = Event(
        id=derive_id("receiver", state.name, kind, number),
        type=f"receiver.{kind}",
        source=state.name,
        subject=None,
        time=now,
        data={"receiver": state.name, **_why(reason, remedy, since), **(extra or {})},
    )
    routed = route(rules, event)
    counted = dataclasses.replace(state, counts={**state.counts, kind: number + 1})
    return counted, _commit(None, event, routed), routed.failed


def announce_network(
    rules: tuple[Rule, ...],
    state: SourceState,
    kind: str,
    *,
    reason: str,
    remedy: str = "",
    since: datetime,
    now: datetime,
) -> tuple[Commit, Failed]:
    """Make the event `watcher.network_<kind>`; `state` is the watcher's own, named with ``""``."""
    number = state.counts.get(kind, 0)
    event = Event(
        id=derive_id("watcher", f"network_{kind}", number),
        type=f"watcher.network_{kind}",
        source="",
        subject=None,
        time=now,
        data=_why(reason, remedy, since),
    )
    routed = route(rules, event)
    counted = dataclasses.replace(state, counts={**state.counts, kind: number + 1})
    return _commit(counted, event, routed), routed.failed


def announce_disk(
    rules: tuple[Rule, ...], state: SourceState, kind: str, trouble: Trouble, *, now: datetime
) -> tuple[Commit, Failed]:
    """Make the event `watcher.disk_<kind>`; `state` is that of the disk."""
    number = state.counts.get(kind, 0)
    event = Event(
        id=derive_id("watcher", f"disk_{kind}", number),
        type=f"watcher.disk_{kind}",
        source="",
        subject=None,
        time=now,
        data=_why(trouble.reason, trouble.remedy, trouble.since),
    )
    routed = route(rules, event)
    counted = dataclasses.replace(state, counts={**state.counts, kind: number + 1})
    return _commit(counted, event, routed), routed.failed


def announce_dead(
    rules: tuple[Rule, ...], receiver: str, letters: Iterable[DeadLetter], now: datetime
) -> tuple[Commit | None, Failed]:
    """Return the commit that tells of the messages that a receiver does not get; None for none.

    Nothing is told of a message that itself tells of nothing else: two receivers that fail would tell
    each other for ever.
    """
    events = [
        _dead(receiver, letter, now)
        for letter in letters
        if any(one.event.type != DEAD for one in letter.deliveries)
    ]
    if not events:
        return None, ()
    routed = [route(rules, event) for event in events]
    commit = Commit(
        "",
        events=tuple(events),
        deliveries=tuple(one for each in routed for one in each.deliveries),
        verdicts={event.id: each.results for event, each in zip(events, routed, strict=True)},
    )
    return commit, tuple(one for each in routed for one in each.failed)


def _dead(receiver: str, letter: DeadLetter, now: datetime) -> Event:
    first = letter.deliveries[0]
    several = first.kind == "digest" or len(letter.deliveries) > 1
    digest = bool(several and first.message)
    key = f"{first.message}/{receiver}" if digest else first.key
    about = (
        {"id": first.message, "type": DIGEST, "subject": None}
        if digest
        else {"id": first.event.id, "type": first.event.type, "subject": first.event.subject}
    )
    return Event(
        id=derive_id(DEAD, key, letter.before),
        type=DEAD,
        source=receiver,
        subject=None,
        time=now,
        data={
            "receiver": receiver,
            "rule": first.rule,
            "event": about,
            "reason": letter.reason,
            "remedy": f"send it again with: inbox-watcher deliveries retry {key}",
            "attempts": first.attempt,
        },
    )


def _commit(state: SourceState | None, event: Event, routed: Routed) -> Commit:
    return Commit(
        "",
        state,
        events=(event,),
        deliveries=routed.deliveries,
        verdicts={event.id: routed.results},
    )


def _why(reason: str, remedy: str, since: datetime) -> dict[str, Any]:
    return {"reason": reason, "remedy": remedy or None, "since": rfc3339(since)}
