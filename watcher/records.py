"""What the store keeps beside conversations and events, and what one transaction writes.

Law: values only, like `watcher.model`. A `Commit` is everything that a page (or a decision)
changes; a `Settlement` is what an attempt to deliver came to. Both are written whole or not at
all. An `HttpReply` is what a POST came back with; it stands here because neither the transport nor
the notifiers may import the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from watcher.model import Delivery, DeliveryState, Event, Snapshot, rfc3339

__all__ = [
    "Commit",
    "DeliveryQuery",
    "End",
    "EventQuery",
    "HistoryEntry",
    "HistoryKind",
    "Hold",
    "HttpReply",
    "ReceiverState",
    "Recorded",
    "RuleResult",
    "Settlement",
    "SourceState",
    "StoredSilence",
    "Suppressed",
    "ThrottleMark",
    "Trouble",
]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a source, a receiver or the store is failing, for people: no secrets, one line each."""

    since: datetime
    reason: str
    remedy: str = ""

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON form that `status` and the control socket show."""
        return {"since": rfc3339(self.since), "reason": self.reason, "remedy": self.remedy}


@dataclass(frozen=True, slots=True)
class Hold:
    """An implausible sweep put aside until the next complete sweep agrees or a person decides.

    `kind` is `absences` (known rows that the sweep lacked), `arrivals` (unknown rows that came
    all at once at a provider without creation times) or `hole` (a page that always fails; nothing
    waits for a decision, the report only says that rows behind it are not watched). `ids` are the
    conversations concerned, `known` how many were known then.
    """

    kind: Literal["absences", "arrivals", "hole"]
    since: datetime
    ids: tuple[str, ...]
    known: int
    reason: str
    remedy: str

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON form that `status` and the control socket show."""
        return {
            "kind": self.kind,
            "since": rfc3339(self.since),
            "ids": list(self.ids),
            "known": self.known,
            "reason": self.reason,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class SourceState:
    """What must survive a restart about one source.

    `account` is the provider's account identity; another one is a new baseline. `baselined` is
    None until the first complete sweep has ended. `baseline_started` is that sweep's start and
    `polled` the start of the last poll that went through, both by the *provider's* clock.
    `swept` is when the last complete sweep began, by ours. `newest` is the highest
    `last_activity_at` seen. `counts` numbers the `source.*` events. `learned` are facts for
    `Provider.set_capabilities`. `mapping` fingerprints the `fields:` mapping: when it changes, mapped
    fields are taken over silently. `empty_sweeps` counts empty first sweeps in a row.
    `suspects` are the ids that the last complete sweep lacked and that no look-up could decide;
    `held_suspects` are those among them that a hold was about. `arrivals` is what a person decided
    about held arrivals (`accept`, `discard`), until the next complete sweep has carried it out.
    `failing`: see Trouble; None while all is well.
    """

    name: str
    provider: str
    account: str
    baselined: datetime | None = None
    baseline_started: datetime | None = None
    polled: datetime | None = None
    swept: datetime | None = None
    newest: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    learned: Mapping[str, Any] = field(default_factory=dict)
    mapping: str = ""
    empty_sweeps: int = 0
    suspects: tuple[str, ...] = ()
    held_suspects: tuple[str, ...] = ()
    arrivals: Literal["", "accept", "discard"] = ""
    failing: Trouble | None = None
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class ReceiverState:
    """What must survive a restart about one receiver.

    `target` fingerprints where it points; when that changes, `off` and `failing` are forgotten.
    `failures` counts failed attempts in a row. `off` is the reason why nothing is sent (410).
    `counts` numbers the `receiver.*` events. `paused` is until when nothing is tried because
    everything failed; from then on one delivery at a time probes, until one is taken. `probes`
    counts those that failed.
    """

    name: str
    target: str = ""
    failures: int = 0
    failing: Trouble | None = None
    off: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    paused: datetime | None = None
    probes: int = 0

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON form that `status` and the control socket show."""
        return {
            "receiver": self.name,
            "off": self.off or None,
            "paused_until": rfc3339(self.paused) if self.paused else None,
            "failing": self.failing.to_plain() if self.failing else None,
        }


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule said of one event when it was recorded: matched or not, and what decided."""

    rule: str
    matched: bool
    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """An observed end of a state: timers of `rule` (None: of every rule) about this conversation
    (`subject` None: about the source itself) are over; what still waits is cancelled with `note`.
    """

    source: str
    subject: str | None
    rule: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that one page, or one decision, changes: one transaction.

    `snapshots` carry the new revision; the stored one must be exactly one lower (none for
    revision 1), else nothing is written and Conflict is raised. An event whose id is already
    recorded is skipped together with its deliveries (the change was reported before). A delivery
    with `timer` is skipped while a timer of the same rule and receiver about the same
    conversation has not ended. `ends` apply before deliveries are added. `forget` removes all
    snapshots of the source first (another account) and cancels its timers; `forget_fields` are leaf paths
    to strike from the `seen` of every snapshot of the source first (mapped differently).
    `verdicts` are kept with the events (by id) as long as these. `at` is when it was decided,
    where neither its events nor its snapshots tell.
    """

    source: str
    state: SourceState | None = None
    snapshots: tuple[Snapshot, ...] = ()
    events: tuple[Event, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    ends: tuple[End, ...] = ()
    forget: bool = False
    forget_fields: frozenset[str] = frozenset()
    verdicts: Mapping[str, tuple[RuleResult, ...]] = field(default_factory=dict)
    at: datetime | None = None


HistoryKind = Literal[
    "attempt", "confirmed", "throttled", "silenced", "held", "dropped", "redirected", "cancelled",
    "retried", "buried",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One line of a delivery's history: what was done or decided about it, and why.

    `attempt` is the number of the attempt, 0 where none was made. `status`, `excerpt` and `seconds`
    are those of `watcher.model.Result`. `at` is None where nobody could tell the time.
    """

    key: str
    at: datetime | None
    kind: HistoryKind
    note: str
    attempt: int = 0
    status: int | None = None
    excerpt: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ThrottleMark:
    """What a rule with `throttle` leaves when it sends: until `until`, nothing else of the same
    rule, receiver and `by` goes out. `delivery` is the key of what was sent at `at`; should that
    die or be cancelled, the mark is void.
    """

    rule: str
    receiver: str
    by: str
    at: datetime
    until: datetime
    delivery: str


@dataclass(frozen=True, slots=True)
class StoredSilence:
    """A silence that a person added while the watcher ran: what matches `match` (CEL) is not sent
    from `starts` until `ends`, for `reason`. An expired one ends when it was expired.
    """

    id: str
    match: str
    reason: str
    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Suppressed:
    """How many deliveries a silence has stopped, and when the last one."""

    count: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Settlement:
    """The new state of one delivery after an attempt, or after a guard's decision.

    `attempt` is the fence: it must equal the stored attempt number, else somebody else has
    claimed the delivery since and the settlement is ignored. `untried` takes the claim back: no
    attempt was made, and none is counted. `rule` (when not empty) is the candidate that took over,
    `message` the digest that it went out with, `batch` the digest that it now waits for; `held`
    puts it out of the order. `entry` goes to the history. `silence` is the id of the silence that
    stopped it, to be counted. `then` are deliveries that follow from this one: they are added
    unless it is about a state that has ended meanwhile. `reached`, where there are any, are the
    addresses that have it now.
    """

    key: str
    attempt: int
    state: DeliveryState
    due: datetime
    note: str
    settled: datetime | None
    untried: bool = False
    rule: str = ""
    message: str = ""
    batch: str = ""
    held: bool = False
    entry: HistoryEntry | None = None
    silence: str = ""
    then: tuple[Delivery, ...] = ()
    reached: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with its place in the log (`seq` only grows)."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events: `type` is a glob with `*`; `after` a `seq`; newest `limit` ones, oldest first."""

    after: int | None = None
    since: datetime | None = None
    type: str | None = None
    source: str | None = None
    conversation: str | None = None
    id: str | None = None
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """Which deliveries; newest `limit` ones, oldest first. `id` is a delivery's, or that of the
    digest that it went out with; `conversation` is the id that its event is about, `type` a glob
    over the event's, `since` the earliest time at which it was made.
    """

    state: DeliveryState | None = None
    receiver: str | None = None
    event: str | None = None
    conversation: str | None = None
    rule: str | None = None
    type: str | None = None
    since: datetime | None = None
    id: str | None = None
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back from a POST: a status with headers (lower-case names) and the body's beginning,
    or, with status 0, `error`: why there was no answer, without secrets.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    error: str = ""
