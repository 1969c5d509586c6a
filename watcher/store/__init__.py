"""The store as the rest of the program sees it: its methods in the watcher's words.

Rules: each method is one transaction, but for those about all that the store holds (`retry`,
`retire_unconfigured`, `prune`): these change a few hundred rows at a time, so that nobody waits for
them. No query, row or connection crosses this border. The memory store is the specification, every
other one passes the same contract suite (`tests/store/test_contract_*.py`). This file holds the
protocols alone; only `watcher.store.address` names the implementation to open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from watcher.model import Delivery, Doubt, IdSet, Snapshot
from watcher.records import (
    Acknowledgement,
    Action,
    Attention,
    Backlog,
    Commit,
    ConversationQuery,
    DeliveryQuery,
    Done,
    Entered,
    EventQuery,
    HistoryEntry,
    IdKind,
    Queue,
    ReceiverState,
    Recorded,
    RuleResult,
    Settlement,
    SourceState,
    Space,
    StoredSilence,
    Suppressed,
    Tally,
    TallyQuery,
    ThrottleMark,
)
from watcher.store.border import Scrub

__all__ = ["Journal", "Outbox", "OwnedStore", "Snapshots", "Store"]


class Snapshots(Protocol):
    """What the watcher knows of sources and conversations: for the poller."""

    scrub: Scrub
    """Strikes secrets out of what others said, before it is stored (`watcher.store.border`); whoever
    owns the store and knows secrets sets it.
    """

    async def key(self) -> bytes:
        """Return the installation's key for what is compared and not kept (`watcher.fingerprints`), made
        by whoever asks first, with an open store that may write.
        """
        ...

    async def link_keys(self) -> tuple[bytes, ...]:
        """Return the keys of links in messages: the one that signs, and perhaps the one before. They are
        made by whoever asks first with an open store that may write; otherwise there are none.
        """
        ...

    async def renew_link_key(self, action: Action, *, keep: bool) -> None:
        """Sign links with a new key from now on. With `keep` those of the present one are known on,
        otherwise none that was made before.
        """
        ...

    async def source(self, name: str) -> SourceState | None:
        """Return what is remembered of a source, None if it was never committed."""
        ...

    async def sources(self) -> Sequence[SourceState]:
        """Return all remembered sources by name."""
        ...

    async def known(self, source: str, ids: Collection[str]) -> Mapping[str, Snapshot]:
        """Return the snapshots of these conversations, removed ones included, as far as they exist."""
        ...

    async def present_ids(self, source: str) -> Collection[str]:
        """Return the ids of all conversations of the source that are not removed."""
        ...

    async def size(self, source: str) -> int:
        """Return how many bytes what is known of the source's conversations takes, texts alone."""
        ...

    async def doubts(self, source: str) -> Mapping[str, Doubt]:
        """Return what is doubted of the source's present conversations, by id."""
        ...

    async def ids_in_set(self, source: str, name: IdSet) -> Collection[str]:
        """Return the ids of the present conversations in a set."""
        ...

    async def commit(self, commit: Commit) -> Sequence[Recorded]:
        """Write a commit whole and return the events that were new, with their place in the log.

        Raises Conflict, with nothing written, if a snapshot was changed meanwhile.
        """
        ...


class Outbox(Protocol):
    """Deliveries until they are done, with all that sending depends on: for the dispatchers."""

    async def claim(
        self,
        receiver: str,
        now: datetime,
        *,
        lease: timedelta,
        limit: int,
        together: bool = False,
    ) -> Sequence[Delivery]:
        """Claim up to `limit` deliveries that are due, oldest first, hidden from others for `lease`.

        Eligible is what is pending, due at `now`, not leased and not waiting for a digest. An ordered
        delivery (`Delivery.ordered`) also waits for every earlier ordered pending delivery of the same
        conversation to the same receiver, and for whichever of them is out. With `together`, all due
        deliveries of a conversation up to the first that is not due are claimed at once, and what is
        claimed keeps the order of the outbox, to be sent in that order or as one message. Each claim
        adds one to `attempt`, which fences `settle`. It costs what it takes, however much waits.
        """
        ...

    async def ready(self, receiver: str, now: datetime) -> bool:
        """Return whether anything could be claimed or collected for a receiver now."""
        ...

    async def collect(
        self, receiver: str, now: datetime, *, lease: timedelta
    ) -> Sequence[Delivery]:
        """Claim the deliveries of the receiver's next due digest, in their order; none if no digest
        is due. All carry the digest's id as `message`: once composed, a digest goes out with the
        same events again. Otherwise like `claim`.
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
        settled end. `marks` replace those of the same rule, receiver and `by`. Returns the events
        of `commit` that were new.
        """
        ...

    async def unclaim(self, receiver: str | None = None) -> None:
        """End all leases, or those of one receiver. Called by the only owner of the store while
        nothing is being sent: after a crash, or when a receiver's dispatcher has ended. After a crash,
        the delivery whose message was being written (`writing`) counts one attempt that never ended.
        """
        ...

    async def begin(self, keys: Collection[str]) -> None:
        """Note that the messages of these deliveries are about to leave: should the process die
        before they are settled, their receivers may have been told.
        """
        ...

    def writing(self, key: str) -> None:
        """Note the delivery whose message is about to be written, or with an empty text that it is
        written. It outlives the process, and costs no transaction. Settling an attempt ends the count of
        those that never ended.
        """
        ...

    async def renew(self, receiver: str, until: datetime) -> None:
        """Let all leases of a receiver end at `until`, also those that are over. Called by its
        dispatcher, the only one that claims for it, about what it has not settled yet.
        """
        ...

    async def next_due(self, receiver: str, *, after: datetime | None = None) -> datetime | None:
        """Return when the receiver's next pending delivery is due, whatever leases and order are:
        of those due later than `after`, or (None) of all, perhaps in the past. None if none is.
        """
        ...

    async def sent_since(self, receiver: str, since: datetime) -> Sequence[datetime]:
        """Return when messages went out to a receiver since then, oldest first: one time per
        message (a digest settles several deliveries at the same instant and counts once).
        """
        ...

    async def pending(self) -> Mapping[str, int]:
        """Return the number of pending deliveries by receiver."""
        ...

    async def queues(self, now: datetime) -> Mapping[str, Queue]:
        """Return how many deliveries are pending at `now`, by receiver; only those that have some."""
        ...

    async def backlog(self, now: datetime) -> Sequence[Backlog]:
        """Return how many deliveries wait for what, by receiver. It costs what waits."""
        ...

    async def dead(self, *, since: datetime | None = None) -> Mapping[str, int]:
        """Return the number of dead deliveries by receiver; with `since`, of those given up later."""
        ...

    async def retry(
        self, ids: Collection[str] | None, now: datetime, action: Action | None = None
    ) -> int:
        """Make dead deliveries with these ids or keys (None: all dead ones) pending and due at `now`,
        with attempt count zero. Those with these ids that failed and wait for their next attempt
        become due at `now` too; their attempts go on counting. Return how many there were. A
        digest's id stands for all that it held, and so does the id of each of them: the digest
        goes out again as one. `action` is recorded before the first of them.
        """
        ...

    async def acknowledge(self, source: str, conversation: str, note: str, action: Action) -> int:
        """End all timers about a conversation: what waits is cancelled with `note`; later events start
        new timers. Return how many waited. Who acts has taken it, unless somebody has already
        (`acknowledgements`).
        """
        ...

    async def take_back(self, source: str, conversation: str, action: Action) -> bool:
        """Remove the acknowledgement of a conversation; what it cancelled stays so. Return False if
        nobody has taken it.
        """
        ...

    async def retire_unconfigured(
        self,
        receivers: Collection[str],
        rules: Collection[str],
        sources: Collection[str],
        now: datetime,
    ) -> int:
        """Retire what a changed configuration no longer sends: pending timers and digests of rules
        that are not among `rules`, and timers about sources that are not among `sources` (they could
        never be confirmed), are cancelled, each with its reason as note. Settled timers for receivers
        that are not among `receivers` end. Return how many were cancelled.
        """
        ...

    async def shift_clock(self, by: timedelta, after: datetime) -> None:
        """Move what pending deliveries wait for (due times and leases later than `after`) by a jump
        of the clock.
        """
        ...

    async def receivers(self) -> Mapping[str, ReceiverState]:
        """Return what is remembered of receivers, by name."""
        ...

    async def save_receiver(self, state: ReceiverState, action: Action | None = None) -> None:
        """Save a receiver's state, and the action that changed it."""
        ...

    async def marks(
        self, receiver: str, wanted: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], ThrottleMark]:
        """Return a receiver's throttle marks for these pairs of rule and `by`. Void ones (their
        delivery is dead or cancelled) are left out, expired ones are not.
        """
        ...

    async def silences(self) -> Sequence[StoredSilence]:
        """Return the silences that people added, expired ones too, by their start."""
        ...

    async def add_silence(self, silence: StoredSilence, action: Action | None = None) -> None:
        """Save a silence, and the action that did it; one with the same id is replaced."""
        ...

    async def expire_silence(
        self, silence: str, now: datetime, action: Action | None = None
    ) -> bool:
        """End a silence now, and record the action; return False if none with this id still lasts."""
        ...

    async def suppressed(self) -> Mapping[str, Suppressed]:
        """Return how often each silence, by name or id, has stopped a delivery."""
        ...


class Journal(Protocol):
    """What happened, for people: events, deliveries and why."""

    async def events(self, query: EventQuery) -> Sequence[Recorded]:
        """Return the events that a query asks for."""
        ...

    async def deliveries(self, query: DeliveryQuery) -> Sequence[Delivery]:
        """Return the deliveries that a query asks for."""
        ...

    async def entered(self, query: DeliveryQuery) -> Sequence[Entered]:
        """Return the deliveries that a query asks for, with their places."""
        ...

    def each_event(self, query: EventQuery) -> AsyncIterator[Recorded]:
        """Yield the events that a query asks for, a few in memory at a time however many there are."""
        ...

    def each_delivery(self, query: DeliveryQuery) -> AsyncIterator[Delivery]:
        """Yield the deliveries that a query asks for, likewise."""
        ...

    def each_key(self, query: DeliveryQuery) -> AsyncIterator[str]:
        """Yield the keys of the deliveries that a query asks for."""
        ...

    def each_conversation(self, query: ConversationQuery) -> AsyncIterator[tuple[str, Snapshot]]:
        """Yield the conversations that a query asks for, each with its source, likewise."""
        ...

    async def ids(self, kind: IdKind, prefix: str, limit: int) -> Sequence[str]:
        """Return the first `limit` ids that begin with `prefix`, in order. The ids of deliveries are
        those of digests too; the ids of conversations are those of the log and of snapshots.
        """
        ...

    async def attention(self) -> Mapping[str, Attention]:
        """Return what of each source nobody has read or answered; sources without such are left out."""
        ...

    async def extent(self) -> Mapping[str, int]:
        """Return about how many rows the tables have that grow (`events`, `deliveries`): none is counted."""
        ...

    async def history(self, keys: Collection[str]) -> Sequence[HistoryEntry]:
        """Return what was done and decided about these deliveries, oldest first."""
        ...

    async def acknowledgements(self) -> Sequence[Acknowledgement]:
        """Return who has taken which conversation, and nothing has happened in it since: the earliest
        first.
        """
        ...

    async def actions(self, *, before: int | None = None, limit: int = 50) -> Sequence[Done]:
        """Return the newest `limit` actions, or those before a place; the newest first."""
        ...

    async def tallies(self, query: TallyQuery) -> Sequence[Tally]:
        """Return how often things happened, by time, name and what happened. Counts are written with what
        they count and stay as long as events do.
        """
        ...

    async def verdicts(self, events: Collection[str]) -> Mapping[str, Sequence[RuleResult]]:
        """Return what every rule made of these events when they were recorded, as far as known."""
        ...

    async def prune(self, events: datetime, deliveries: datetime) -> int:
        """Remove events and settled deliveries older than these times. Pending deliveries (and the
        events they carry) and running timers stay. What belongs to a removed row goes with it, and
        so do throttle marks and silences that ended before `deliveries`, and tallies, actions and
        acknowledgements older than `events`. Of conversations that were
        removed before `events` only the numbers of their events stay. Return how many events and
        deliveries were removed.
        """
        ...

    async def keep_texts(self, keep: bool, attributes: Mapping[str, Mapping[str, bool]]) -> bool:
        """Note whether what people write is kept. Where it no longer is, overwrite what is stored of
        it, with the `attributes` that hold such words (by source and name; False: only where they have
        parts); return whether that was done.
        """
        ...


class Store(Snapshots, Outbox, Journal, Protocol):
    """Everything that one watcher keeps.

    Every method may raise StoreError. A cancelled caller never leaves half a transaction behind.
    """

    async def lost(self) -> str:
        """Return what became of the stored data under this open store, empty while they are in their
        place: nothing else tells of it before the next start.
        """
        ...

    async def space(self) -> Space | None:
        """Return what is free of the disk that the data are on, None where there is none."""
        ...

    async def close(self) -> None:
        """Finish what was begun and release everything; safe to call twice."""
        ...


class OwnedStore(Store, Protocol):
    """A store held by its only owner."""

    def record_socket(self, socket: Path | str) -> None:
        """Record where this owner's control socket is, for other processes to find."""
        ...
