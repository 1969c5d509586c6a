"""The store as the rest of the program sees it: its methods in the watcher's words.

Law: each method is one transaction; no query, row or connection crosses this border. The memory
store is the specification, every other one passes the same contract suite
(`tests/store/test_contract_*.py`). This file holds the protocol alone; only composition roots name an
implementation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from watcher.model import Delivery, IdSet, Snapshot
from watcher.records import (
    Commit,
    DeliveryQuery,
    EventQuery,
    HistoryEntry,
    ReceiverState,
    Recorded,
    RuleResult,
    Settlement,
    SourceState,
    StoredSilence,
    Suppressed,
    ThrottleMark,
)

__all__ = ["OwnedStore", "Store"]


class Store(Protocol):
    """Snapshots, events, deliveries and the state of sources and receivers.

    Every method may raise StoreError. A cancelled caller never leaves half a transaction behind.
    """

    async def source(self, name: str) -> SourceState | None:
        """Give what is remembered of a source, None if it was never committed."""
        ...

    async def sources(self) -> Sequence[SourceState]:
        """Give all remembered sources by name."""
        ...

    async def known(self, source: str, ids: Collection[str]) -> Mapping[str, Snapshot]:
        """Give the snapshots of these conversations (removed ones included), as far as any exist."""
        ...

    async def present_ids(self, source: str) -> Collection[str]:
        """Give the ids of all conversations of the source that are not removed."""
        ...

    async def ids_in_set(self, source: str, name: IdSet) -> Collection[str]:
        """Give the ids of present conversations that are `unread` or `unassigned` (the `name`)."""
        ...

    async def commit(self, commit: Commit) -> Sequence[Recorded]:
        """Write a commit whole and give the events that were new, with their place in the log.

        Raises Conflict, with nothing written, when a snapshot moved on meanwhile.
        """
        ...

    async def claim(
        self,
        receiver: str,
        now: datetime,
        *,
        lease: timedelta,
        limit: int,
        relaxed: bool = False,
        together: bool = False,
    ) -> Sequence[Delivery]:
        """Take up to `limit` deliveries that are due, oldest first, hidden from others for `lease`.

        Eligible is what is pending, due at `now`, not leased, no digest, and for ordered
        deliveries (`Delivery.ordered`) has no earlier ordered pending delivery of the same
        conversation to the same receiver; with `relaxed`, earlier ones that failed three times no
        longer count. At most one ordered delivery of a conversation is out at a time. With
        `together`, those of one conversation that are all due come out at once, in their order,
        to be sent in that order or as one message; then the order of the outbox counts, not the
        due time. Each claim adds one to
        `attempt`, which fences `settle`.
        """
        ...

    async def collect(
        self, receiver: str, now: datetime, *, lease: timedelta
    ) -> Sequence[Delivery]:
        """Take the deliveries that make the receiver's next digest that is due, in their order;
        none if there is none. All carry the digest's id as `message`: composed once, it goes out
        with the same events again. Otherwise like `claim`.
        """
        ...

    async def settle(
        self,
        settlements: Sequence[Settlement],
        *,
        receiver: ReceiverState | None = None,
        commit: Commit | None = None,
        marks: Sequence[ThrottleMark] = (),
    ) -> Sequence[Recorded]:
        """Record outcomes, the receiver's new state and what follows from them in one transaction.

        A settlement whose attempt number is not the stored one is ignored. Leases of what was
        settled end. `marks` replace those of the same rule, receiver and `by`. Gives the events
        of `commit` that were new.
        """
        ...

    async def marks(
        self, receiver: str, wanted: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], ThrottleMark]:
        """Give a receiver's throttle marks by rule and `by`, of these pairs; void ones (their
        delivery is dead or cancelled) left out, expired ones not.
        """
        ...

    async def acknowledge(
        self, conversation: str, source: str | None, note: str, now: datetime
    ) -> int:
        """End all timers about a conversation (of any source, or of this one): what waits is
        cancelled with `note`, and what begins later begins anew. Give how many waited.
        """
        ...

    async def unclaim(self, receiver: str | None = None) -> None:
        """End all leases, or those of one receiver: called by the only owner of the store when
        nobody is sending, after a crash or when a receiver's dispatcher has ended.
        """
        ...

    async def renew(self, receiver: str, until: datetime) -> None:
        """Let all leases of a receiver end at `until`, also those that are over: called by its
        dispatcher, the only one that claims for it, about what it has not settled yet.
        """
        ...

    async def next_due(self, receiver: str, *, after: datetime | None = None) -> datetime | None:
        """Give when the receiver's next pending delivery is due, leases and order left aside: of
        those due later than `after`, or (None) of all, perhaps in the past; None if there is none.
        """
        ...

    async def sent_since(self, receiver: str, since: datetime) -> Sequence[datetime]:
        """Give the settle times of deliveries that went out to a receiver since then, one per
        message (a digest settles several at the same instant and counts once), oldest first.
        """
        ...

    async def receivers(self) -> Mapping[str, ReceiverState]:
        """Give what is remembered of receivers, by name."""
        ...

    async def save_receiver(self, state: ReceiverState) -> None:
        """Remember a receiver's state."""
        ...

    async def events(self, query: EventQuery) -> Sequence[Recorded]:
        """Read the event log."""
        ...

    async def deliveries(self, query: DeliveryQuery) -> Sequence[Delivery]:
        """Read the outbox."""
        ...

    async def history(self, keys: Collection[str]) -> Sequence[HistoryEntry]:
        """Give what was done and decided about these deliveries, oldest first."""
        ...

    async def verdicts(self, events: Collection[str]) -> Mapping[str, Sequence[RuleResult]]:
        """Give what every rule said of these events when they were recorded, as far as known."""
        ...

    async def silences(self) -> Sequence[StoredSilence]:
        """Give the silences that people added, expired ones too, by their start."""
        ...

    async def add_silence(self, silence: StoredSilence) -> None:
        """Remember a silence; one with the same id is replaced."""
        ...

    async def expire_silence(self, silence: str, now: datetime) -> bool:
        """End a silence now; False where there is none of this id that still lasts."""
        ...

    async def suppressed(self) -> Mapping[str, Suppressed]:
        """Tell how often each silence, by name or id, has stopped a delivery."""
        ...

    async def pending(self) -> Mapping[str, int]:
        """Count pending deliveries by receiver."""
        ...

    async def retry(self, ids: Collection[str] | None, now: datetime) -> int:
        """Make dead deliveries with these ids or keys (None: all dead ones) pending and due at `now`, with
        attempt count zero; those with these ids that failed and wait for their next attempt are due
        at `now` too, their attempts go on counting. Give how many there were. A digest's id stands
        for all that it held, and so does each of them: it goes out again as one.
        """
        ...

    async def retire_unconfigured(
        self,
        receivers: Collection[str],
        rules: Collection[str],
        sources: Collection[str],
        now: datetime,
    ) -> int:
        """After a change of configuration: pending deliveries to receivers that are not among
        `receivers` become dead; pending timers and digests of rules that are not among `rules`,
        and timers about sources that are not among `sources` (nobody could confirm them any
        more), are cancelled; each with its reason as note. Give how many.
        """
        ...

    async def shift_clock(self, by: timedelta, after: datetime) -> None:
        """Move what pending deliveries wait for (due times and leases later than `after`) by a jump
        of the clock.
        """
        ...

    async def prune(self, events: datetime, deliveries: datetime) -> int:
        """Remove events and settled deliveries older than these times; pending deliveries (and
        the events they carry) and unended timers stay. What belongs to them goes along; throttle
        marks and silences that ended before `deliveries` go, too. Give how many events and
        deliveries went.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun and let go of everything; safe to call twice."""
        ...


class OwnedStore(Store, Protocol):
    """A store held by its only owner."""

    def record_socket(self, socket: Path | str) -> None:
        """Record where this owner's control socket is, for other processes to find."""
        ...
