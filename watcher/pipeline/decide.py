"""From a page of observations to one commit: merge, diff, events, routing.

Law: pure. The same page decided twice against what the first decision committed gives nothing
the second time; how rows are cut into pages does not change the events.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from watcher import rules as routing
from watcher.diff import Change, appearance, diff
from watcher.merge import Known, drop_unmapped, merge, take_over_new_fields
from watcher.model import (
    Conversation,
    Delivery,
    Event,
    Observation,
    Snapshot,
    derive_id,
    rfc3339,
    to_plain,
)
from watcher.pipeline.deliveries import Failed, route
from watcher.pipeline.schema_drift import older, undated, vanished, without
from watcher.records import Commit, End, RuleResult, SourceState

__all__ = ["Decision", "Sighting", "SourcePolicy", "decide", "remove"]


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """What decisions about one source need to know of its configuration.

    `hold_rows` and `hold_share` say what is implausible at once: more than so many rows *and*
    more than that share (0 to 1) of the known ones.
    """

    source: str
    provider: str
    account: str
    rules: tuple[routing.Rule, ...]
    unread_cap: int | None = None
    hold_rows: int = 20
    hold_share: float = 0.1

    def implausible(self, count: int, known: int) -> bool:
        """Tell whether so many rows at once are more likely a lie of the listing than a fact."""
        return count > self.hold_rows and count > self.hold_share * known


@dataclass(frozen=True, slots=True)
class Sighting:
    """When and how the rows were seen. `sent` is when the request went out, `received` when the
    answer was there, `before` when each known row was last observed (as far as remembered),
    `previous` when this source was last looked at at all. `admit` lets unknown rows without a
    creation time in at once; otherwise they are withheld as arrivals. `silent` lets all unknown
    rows join without an event. `trusted` are leaf paths whose absence is believed, because other
    rows of the same walk had them; `doubted` those that vanished lately, of which not even a single
    row is believed. `decided` is the present, where that is later than `received`.
    """

    sent: datetime
    received: datetime
    before: Mapping[str, datetime]
    previous: datetime
    admit: bool = False
    silent: bool = False
    trusted: frozenset[str] = frozenset()
    doubted: frozenset[str] = frozenset()
    decided: datetime | None = None

    @property
    def now(self) -> datetime:
        """When this is decided: a later observation than that is a clock that was set back."""
        return self.decided or self.received


@dataclass(frozen=True, slots=True)
class Decision:
    """What a page comes to.

    `commit` is None when nothing changed. `arrivals` are unknown rows without a creation time
    that were withheld. `vanished` are leaf paths that every row lost at once: their old values
    stand, and `doubtful` are the rows concerned. `agreed` are the ids
    whose snapshot now says what the page says.
    """

    commit: Commit | None
    arrivals: tuple[Observation, ...] = ()
    vanished: frozenset[str] = frozenset()
    doubtful: tuple[Observation, ...] = ()
    agreed: frozenset[str] = frozenset()
    failed: Failed = ()


def decide(
    policy: SourcePolicy,
    state: SourceState,
    known: Mapping[str, Snapshot],
    rows: Sequence[Observation],
    sighting: Sighting,
) -> Decision:
    """Decide what a page's rows change. Until the baseline has ended there are no events."""
    latest = {row.id: row for row in rows}  # a row that is there twice: the later copy wins
    lost = vanished(known, latest.values(), sighting.doubted) - sighting.trusted
    doubtful: list[Observation] = []
    builder = _Builder(policy, state, sighting)
    arrivals: list[Observation] = []
    agreed: set[str] = set()
    for row in latest.values():
        snapshot = known.get(row.id)
        if snapshot is not None and sighting.sent < snapshot.observed <= sighting.now:
            continue  # the request began before the row's last observation: it may be older
        if lost:
            doubtful.append(row)
            row = without(row, lost)
        if snapshot is None and builder.live and not sighting.admit and undated(row):
            arrivals.append(row)
            continue
        builder.add(row, snapshot)
        if not lost:
            agreed.add(row.id)
    return Decision(
        builder.commit(),
        tuple(arrivals),
        lost,
        tuple(doubtful),
        frozenset(agreed),
        tuple(builder.failed),
    )


def remove(
    policy: SourcePolicy,
    state: SourceState,
    snapshot: Snapshot,
    reason: Literal["deleted", "access_lost", "unknown"],
    sighting: Sighting,
    *,
    held: bool = False,
) -> Decision:
    """Decide that a conversation is gone: `conversation.removed` with its last known state."""
    builder = _Builder(policy, state, sighting)
    builder.remove(snapshot, reason, held=held)
    return Decision(builder.commit(), failed=tuple(builder.failed))


class _Builder:
    """Collects what one commit will hold."""

    def __init__(self, policy: SourcePolicy, state: SourceState, sighting: Sighting) -> None:
        self.policy = policy
        self.state = state
        self.sighting = sighting
        self.live = state.baselined is not None
        # An account that a source comes back to is another turn: its conversations' counts begin
        # anew, and their events are not those of the first time.
        turn = state.counts.get("baselined", 0)
        self._account = policy.account if turn <= 1 else f"{policy.account}#{turn}"
        self.failed: list[tuple[str, str]] = []
        self._snapshots: list[Snapshot] = []
        self._events: list[Event] = []
        self._deliveries: list[Delivery] = []
        self._ends: list[End] = []
        self._verdicts: dict[str, tuple[RuleResult, ...]] = {}

    def add(self, row: Observation, snapshot: Snapshot | None) -> None:
        old = _known(snapshot) if snapshot is not None else None
        new = merge(old, row)
        seen = (snapshot.seen if snapshot is not None else frozenset()) | row.fields.keys()
        returned = snapshot is not None and not snapshot.present
        changes: tuple[Change, ...] = ()
        if old is None or returned:
            joins = not returned and (
                self.sighting.silent or older(row, self.state.baseline_started)
            )
            if self.live and not joins:
                changes = appearance(new.conversation, returned=returned)
        else:
            assert snapshot is not None  # noqa: S101 - old is not None only with a snapshot
            changes = diff(
                take_over_new_fields(old, row, snapshot.seen),
                new,
                unread_cap=self.policy.unread_cap,
            )
            if _stored(snapshot) == new and seen == snapshot.seen:
                return
        if not self.live:
            changes = ()
        counts = dict(snapshot.counts) if snapshot is not None else {}
        plain = to_plain(new.conversation)
        for change in changes:
            extra = {"returned": True} if returned else {}
            self._tell(change, plain, counts, row.id, extra)
        if self.live and snapshot is not None and not returned:
            self._end(snapshot.conversation, new.conversation)
        self._snapshots.append(
            Snapshot(
                conversation=new.conversation,
                revision=snapshot.revision + 1 if snapshot is not None else 1,
                seen=frozenset(seen),
                counts=counts,
                observed=self.sighting.sent,
                message_id=new.message_id,
            )
        )

    def remove(self, snapshot: Snapshot, reason: str, *, held: bool) -> None:
        counts = dict(snapshot.counts)
        extra: dict[str, Any] = {"reason": reason, **({"held": True} if held else {})}
        plain = to_plain(_known(snapshot).conversation)
        change = Change("conversation.removed", {})
        self._tell(change, plain, counts, snapshot.conversation.id, extra)
        self._ends.append(
            End(self.policy.source, snapshot.conversation.id, note="the conversation is gone")
        )
        self._snapshots.append(
            dataclasses.replace(
                snapshot,
                revision=snapshot.revision + 1,
                counts=counts,
                observed=self.sighting.sent,
                present=False,
            )
        )

    def commit(self) -> Commit | None:
        if not self._snapshots:
            return None
        return Commit(
            source=self.policy.source,
            snapshots=tuple(self._snapshots),
            events=tuple(self._events),
            deliveries=tuple(self._deliveries),
            ends=tuple(self._ends),
            verdicts=self._verdicts,
        )

    def _tell(
        self,
        change: Change,
        plain: Mapping[str, Any],
        counts: dict[str, int],
        subject: str,
        extra: Mapping[str, Any],
    ) -> None:
        number = counts.get(change.type, 0)
        counts[change.type] = number + 1
        what: tuple[Any, ...] = (
            (change.fact,) if change.fact is not None else (change.changes, number)
        )
        after = self.sighting.before.get(subject, self.sighting.previous)
        event = Event(
            id=derive_id(self.policy.source, self._account, subject, change.type, *what),
            type=change.type,
            source=self.policy.source,
            subject=subject,
            time=self.sighting.received,
            data={
                "source": self.policy.source,
                "provider": self.policy.provider,
                "conversation": plain,
                "changes": dict(change.changes),
                "observed": {
                    "after": rfc3339(min(after, self.sighting.received)),
                    "before": rfc3339(self.sighting.received),
                },
                **extra,
            },
        )
        self._events.append(event)
        routed = route(self.policy.rules, event)
        self._deliveries.extend(routed.deliveries)
        self._verdicts[event.id] = routed.results
        self.failed.extend(routed.failed)

    def _end(self, old: Conversation, new: Conversation) -> None:
        policy = self.policy
        ended = routing.state_ends(
            policy.rules, old, new, source=policy.source, provider=policy.provider
        )
        self._ends.extend(End(policy.source, new.id, rule, note) for rule, note in ended)


def _stored(snapshot: Snapshot) -> Known:
    return Known(snapshot.conversation, snapshot.message_id)


def _known(snapshot: Snapshot) -> Known:
    """Give what is stored, without what is shown by nothing any more."""
    return drop_unmapped(_stored(snapshot), snapshot.seen)
