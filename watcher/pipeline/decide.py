"""From a page of observations to one commit: merge, diff, events, routing.

Rules: pure. The same page decided twice against what the first decision committed changes nothing
the second time; how rows are cut into pages does not change the events.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from watcher import rules as routing
from watcher.diff import Change, appearance, diff, late_appearance
from watcher.fingerprints import (
    apart,
    first_kept,
    restored,
    revealed,
    withheld_conversation,
    without_contact,
    without_stand_ins,
)
from watcher.merge import Known, drop_unmapped, merge, name_people, take_over_new_fields
from watcher.model import (
    Conversation,
    Delivery,
    Doubt,
    Event,
    Observation,
    Snapshot,
    derive_id,
    rfc3339,
    to_plain,
)
from watcher.pipeline.baseline import is_younger, was_there
from watcher.pipeline.deliveries import Failed, route
from watcher.pipeline.existing import first_look, withheld
from watcher.pipeline.forgetting import removed
from watcher.pipeline.schema_drift import undated, vanished, without
from watcher.pipeline.torn import believe, never_shown, without_lost_message
from watcher.pipeline.waiting import first_wait, follow, remember_answer, waits
from watcher.providers import TORN, Parts
from watcher.records import Commit, End, RuleResult, SourceState
from watcher.rules.existing import rules_that_look
from watcher.rules.resolved import rules_that_tell

__all__ = ["Decision", "Sighting", "SourcePolicy", "decide", "remove"]


NO_SKEW = timedelta(0)


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """What decisions about one source need to know of its configuration."""

    source: str
    """The source's name."""

    provider: str
    """The name of its provider."""

    account: str
    """The account's identity at the provider."""

    rules: tuple[routing.Rule, ...]
    """The rules that its events are routed by."""

    unread_cap: int | None = None
    """The number at which the provider's unread count stops counting; None where it counts on."""

    torn: Parts = field(default_factory=lambda: TORN)
    """The parts that a row of the provider may lack for a moment."""

    people: Mapping[str, str] | None = None
    """Names for ids of people and teams that the provider shows without one; None where the names
    are those that it shows.
    """

    version: str | None = None
    """The version of the provider's server, None where it tells none."""

    limits: tuple[str, ...] = ()
    """What that version cannot tell, a line for people each."""

    key: bytes = b""
    """The installation's key, for what is compared and not kept (`watcher.fingerprints`)."""

    keeps_texts: bool = True
    """Whether what people write is kept; otherwise rows come with stand-ins."""

    hold_rows: int = 20
    """How many rows may vanish or arrive in one sweep, whatever their share."""

    hold_share: float = 0.1
    """Which share (0 to 1) of the known rows may vanish or arrive in one sweep, however many."""

    def implausible(self, count: int, known: int) -> bool:
        """Return whether the listing is more likely wrong than that `count` rows changed at once."""
        return count > self.hold_rows and count > self.hold_share * known


@dataclass(frozen=True, slots=True)
class Sighting:
    """When and how the rows of a page were seen."""

    sent: datetime
    """When the request went out."""

    received: datetime
    """When the answer had arrived."""

    before: Mapping[str, datetime]
    """When each known row was last observed, as far as remembered."""

    previous: datetime
    """When everything that this source shows was last looked at."""

    admit: bool = False
    """Whether unknown rows without a creation time come in at once; otherwise they are set aside."""

    silent: bool = False
    """Whether unknown rows join without an event."""

    trusted: frozenset[str] = frozenset()
    """Leaf paths whose absence is believed, because other rows of the same walk had them."""

    doubted: frozenset[str] = frozenset()
    """Leaf paths that vanished lately: their absence is not believed of a single row either."""

    decided: datetime | None = None
    """When this is decided, where that is later than `received`."""

    skew: timedelta = NO_SKEW
    """How far the provider's clock is ahead, as far as it is told."""

    @property
    def now(self) -> datetime:
        """When this is decided; an observation later than that shows that the clock was set back."""
        return self.decided or self.received


@dataclass(frozen=True, slots=True)
class Decision:
    """What a page comes to."""

    commit: Commit | None
    """What is to be stored; None when nothing changed."""

    arrivals: tuple[Observation, ...] = ()
    """Unknown rows without a creation time that were set aside."""

    vanished: frozenset[str] = frozenset()
    """Leaf paths that every row lost at once: their old values stand."""

    doubtful: tuple[Observation, ...] = ()
    """The rows that lost them."""

    agreed: frozenset[str] = frozenset()
    """The ids whose snapshot now equals what the page showed."""

    failed: Failed = ()
    """Rules whose condition could not be evaluated, with the problem."""

    late: int = 0
    """How many rows were seen for the first time that are older than the baseline."""

    torn: frozenset[str] = frozenset()
    """The ids of rows that lost what is not believed of one look."""


def decide(
    policy: SourcePolicy,
    state: SourceState,
    known: Mapping[str, Snapshot],
    rows: Sequence[Observation],
    sighting: Sighting,
) -> Decision:
    """Decide what a page's rows change. Until the baseline has ended there are no events."""
    # A row can be on a page twice, when it moved while the page was made: the later copy is newer.
    latest = {row.id: row for row in rows}
    lost = vanished(known, latest.values(), sighting.doubted) - sighting.trusted
    doubtful: list[Observation] = []
    builder = _Builder(policy, state, sighting)
    arrivals: list[Observation] = []
    agreed: set[str] = set()
    torn: set[str] = set()
    for row in latest.values():
        snapshot = known.get(row.id)
        # The request began before the row was last observed, so the answer may be older. (An
        # observation in the future was made before our clock was set back: then anything counts.)
        if snapshot is not None and sighting.sent < snapshot.observed <= sighting.now:
            continue
        # A key that all rows lose at once is a changed API, not a change of every conversation.
        if lost:
            doubtful.append(row)
            row = without(row, lost)
        # Without a creation time an unknown row may be old and have been hidden until now: a
        # handful is let in after the page, a crowd only by a whole sweep.
        if snapshot is None and builder.live and not sighting.admit and undated(row):
            arrivals.append(row)
            continue
        whole = builder.add(row, snapshot, lost)
        # A doubtful row must be decided again when more is known, so it is not remembered as seen.
        if not whole:
            torn.add(row.id)
        elif not lost:
            agreed.add(row.id)
    return Decision(
        builder.commit(),
        tuple(arrivals),
        lost,
        tuple(doubtful),
        frozenset(agreed),
        tuple(builder.failed),
        builder.late,
        frozenset(torn),
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
        # When a source comes back to an account, its conversations' counts begin at 0 again. The
        # number of the baseline keeps the new events apart from those of the first time.
        turn = state.counts.get("baselined", 0)
        self._account = policy.account if turn <= 1 else f"{policy.account}#{turn}"
        self.failed: list[tuple[str, str]] = []
        self.late = 0
        self._snapshots: list[Snapshot] = []
        self._events: list[Event] = []
        self._deliveries: list[Delivery] = []
        self._ends: list[End] = []
        self._verdicts: dict[str, tuple[RuleResult, ...]] = {}

    def add(
        self, row: Observation, snapshot: Snapshot | None, lost: frozenset[str] = frozenset()
    ) -> bool:
        """Add what a row comes to, which all rows of the page `lost` these paths with; return whether all
        that it shows is believed.
        """
        old = self._old(snapshot, row) if snapshot is not None else None
        row, doubt = self._believed(row, old, snapshot, lost)
        # What a removed conversation shows while its last rows are being deleted is no return.
        if doubt is not None and snapshot is not None and not snapshot.present:
            self._keep_away(snapshot, doubt)
            return False
        returned = snapshot is not None and not snapshot.present
        # What shows that a row is torn has shown it.
        if old is not None and returned:
            old = dataclasses.replace(old, conversation=without_contact(old.conversation))
        base = without_lost_message(old, row, self.policy.torn) if old is not None else None
        new = name_people(merge(base, row), row, self.policy.people)
        shown = snapshot.seen if snapshot is not None else frozenset()
        seen = shown | row.fields.keys()
        before = self._before(old, row, snapshot)
        wait = follow(
            before, new, row, seen=self.sighting.received + self.sighting.skew, returned=returned
        )
        new = remember_answer(old, waits(new, wait.since), row)
        changes: tuple[Change, ...] = ()
        joined = False
        told, prints = self._apart(new.conversation, snapshot)
        if old is None or returned:
            if returned or not was_there(row, self.state):
                # A crowd that a person discarded is not told.
                joined = silent = self.sighting.silent and not returned
                changes = () if silent else appearance(new.conversation, returned=returned)
            elif self.live:
                # A conversation older than the baseline was there all along and is not news: what is
                # younger in it is.
                self.late += 1
                joined = True
                changes = late_appearance(new, lambda at: is_younger(at, self.state))
        else:
            assert snapshot is not None and before is not None  # noqa: S101, PT018 - as old is
            changes = diff(before, new, unread_cap=self.policy.unread_cap, ended=wait.ended)
            # Nothing is stored for a row that shows what is stored already.
            if (_stored(snapshot), snapshot.seen, snapshot.doubt) == (new, seen, doubt):
                return doubt is None
        # The baseline reads what is there; nothing has changed by that.
        if not self.live:
            changes = ()
        counts = dict(snapshot.counts) if snapshot is not None else {}
        if changes:
            plain = to_plain(told)
            for change in changes:
                self._record(change, plain, counts, row.id, prints)
        if self.live and snapshot is not None and not returned:
            self._end(snapshot.conversation, told, changes)
        after = Snapshot(
            conversation=told,
            revision=snapshot.revision + 1 if snapshot is not None else 1,
            seen=frozenset(seen),
            counts=counts,
            observed=self.sighting.sent,
            message_id=new.message_id,
            evidence=new.evidence,
            doubt=doubt,
            prints=prints,
        )
        self._snapshots.append(after)
        if self.live and joined:
            self._look(after, frozenset(change.type for change in changes))
        return doubt is None

    def _apart(
        self, conversation: Conversation, snapshot: Snapshot | None
    ) -> tuple[Conversation, Mapping[str, str]]:
        """Return a conversation without its stand-ins, and these."""
        # Where texts are kept, only what was stored with stand-ins can have some.
        if self.policy.keeps_texts and (snapshot is None or not snapshot.prints):
            return conversation, {}
        return apart(conversation)

    def _old(self, snapshot: Snapshot, row: Observation) -> Known:
        """Return what is stored, without values that nothing shows any more, and with stand-ins where
        the row has them.
        """
        known = _stored(snapshot)
        if not self.policy.keeps_texts:
            conversation = withheld_conversation(known.conversation, self.policy.key)
        else:
            conversation = revealed(known.conversation, row, self.policy.key)
        if conversation is not known.conversation:
            known = dataclasses.replace(known, conversation=conversation)
        # Of what is gone there is nothing but what its return is compared with.
        return drop_unmapped(known, snapshot.seen) if snapshot.present else known

    def _believed(
        self,
        row: Observation,
        old: Known | None,
        snapshot: Snapshot | None,
        lost: frozenset[str],
    ) -> tuple[Observation, Doubt | None]:
        if old is None or snapshot is None:
            return row, None
        return believe(
            old,
            snapshot.doubt,
            row,
            self.policy.torn,
            sent=self.sighting.sent,
            received=self.sighting.received,
            vanished=lost,
        )

    def _before(
        self, old: Known | None, row: Observation, snapshot: Snapshot | None
    ) -> Known | None:
        """Return what was known before a row, with what it is the first to show."""
        if old is None or snapshot is None:
            return None
        began = self.state.baseline_started
        hidden = never_shown(snapshot, row, self.policy.torn, began)
        if snapshot.prints or not self.policy.keeps_texts:
            hidden |= first_kept(old.conversation, row)
        return _taken_over(old, row, snapshot.seen - hidden)

    def _keep_away(self, snapshot: Snapshot, doubt: Doubt) -> None:
        if doubt != snapshot.doubt:
            stored = dataclasses.replace(snapshot, revision=snapshot.revision + 1, doubt=doubt)
            self._snapshots.append(stored)

    def remove(self, snapshot: Snapshot, reason: str, *, held: bool) -> None:
        counts = dict(snapshot.counts)
        facts: dict[str, Any] = {"reason": reason, **({"held": True} if held else {})}
        known = drop_unmapped(_stored(snapshot), snapshot.seen).conversation
        plain = to_plain(apart(known)[0])
        change = Change("conversation.removed", {}, facts=facts)
        self._record(change, plain, counts, snapshot.conversation.id, snapshot.prints)
        self._ends.append(
            End(
                self.policy.source,
                snapshot.conversation.id,
                note="the conversation is gone",
                resolved=rules_that_tell(self.policy.rules),
                conversation=plain,
            )
        )
        gone = removed(snapshot, self.policy.key)
        self._snapshots.append(
            dataclasses.replace(
                gone,
                revision=snapshot.revision + 1,
                counts=counts,
                observed=self.sighting.sent,
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

    def _record(
        self,
        change: Change,
        plain: Mapping[str, Any],
        counts: dict[str, int],
        subject: str,
        prints: Mapping[str, str],
    ) -> None:
        number = counts.get(change.type, 0)
        counts[change.type] = number + 1
        # A fact has an identity of its own (a message's id). A state can come back, so the number of
        # such events keeps the second "archived" apart from the first.
        what: tuple[Any, ...] = (
            (change.fact,) if change.fact is not None else (change.changes, number)
        )
        after = self.sighting.before.get(subject, self.sighting.previous)
        # Where one wait took another's place, each event shows its own side.
        wait = change.changes.get("waiting_since")
        shown = {**plain, "waiting_since": wait["after"]} if wait else dict(plain)
        event = Event(
            id=derive_id(self.policy.source, self._account, subject, change.type, *what),
            type=change.type,
            source=self.policy.source,
            subject=subject,
            time=self.sighting.received,
            data={
                "source": self.policy.source,
                "provider": self.policy.provider,
                "conversation": shown,
                "changes": without_stand_ins(dict(change.changes)),
                "observed": {
                    "after": rfc3339(min(after, self.sighting.received)),
                    "before": rfc3339(self.sighting.received),
                },
                **change.facts,
                **withheld(prints),
            },
        )
        self._events.append(event)
        routed = route(self.policy.rules, event)
        self._deliveries.extend(routed.deliveries)
        self._verdicts[event.id] = routed.results
        self.failed.extend(routed.failed)

    def _look(self, snapshot: Snapshot, news: frozenset[str]) -> None:
        """Have rules with `existing` look at a conversation that was there before it was seen."""
        looked = frozenset(self.state.existing)
        rules = [one for one in rules_that_look(self.policy.rules) if one.name in looked]
        now = self.sighting.received
        commit, failed = first_look(self.policy, self.state, rules, [snapshot], now, news=news)
        self._events.extend(commit.events)
        self._deliveries.extend(commit.deliveries)
        self._verdicts.update(commit.verdicts)
        self.failed.extend(failed)

    def _end(self, old: Conversation, new: Conversation, changes: Sequence[Change]) -> None:
        policy = self.policy
        answered = (one.facts for one in changes if one.type == "conversation.answered")
        self._ends.extend(
            routing.state_ends(
                policy.rules,
                old,
                new,
                source=policy.source,
                provider=policy.provider,
                facts=next(answered, None),
            )
        )


def _taken_over(old: Known, row: Observation, shown: frozenset[str]) -> Known:
    """Return what was known with what the row is the first to show, and with who waits by that."""
    before = take_over_new_fields(old, row, shown)
    if before.conversation.last_message == old.conversation.last_message:
        return before
    # What the row proves was proved before it was shown: it cannot end a wait that nobody was told of.
    before = dataclasses.replace(before, evidence=row.evidence)
    return waits(before, first_wait(before, row))


def _stored(snapshot: Snapshot) -> Known:
    conversation = restored(snapshot.conversation, snapshot.prints)
    return Known(conversation, snapshot.message_id, snapshot.evidence)
